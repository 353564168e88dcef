// How many bytes of a packet each of its descriptors' buffers hold, as the driver of a receive
// queue finds out from the lengths that they say.
//
// A plain value: touches no memory of a peer, whose word it is given and does not believe beyond
// what was posted. Never allocates. As thread-safe as its owner.
#ifndef QSPLIT_DATAPLANE_PACKET_LENGTH_H_
#define QSPLIT_DATAPLANE_PACKET_LENGTH_H_

#include <algorithm>
#include <cstdint>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane {

class PacketLength {
 public:
  PacketLength() = default;
  // crc_bytes: of the frame check sequence, as far as lengths count it.
  PacketLength(v1::LengthMeaning meaning, uint32_t crc_bytes)
      : meaning_(meaning), crc_bytes_(crc_bytes) {}

  // Bytes in the buffers, of `room` together, of a descriptor that says a length. Remembers what
  // the packet's later descriptors need.
  uint32_t Here(uint64_t said, bool first, bool last, uint32_t room) {
    if (first) so_far_ = total_ = 0;
    // The frame check sequence is in the length, whether or not it is in a buffer. One that reaches
    // into the buffer before stays there.
    if (last || meaning_ == v1::LENGTH_MEANING_PACKET_IN_FIRST) {
      said -= std::min<uint64_t>(said, crc_bytes_);
    }
    uint64_t bytes = 0;
    switch (meaning_) {
      case v1::LENGTH_MEANING_PACKET_IN_LAST:
        bytes = !last ? room : said > so_far_ ? said - so_far_ : 0;
        break;
      case v1::LENGTH_MEANING_PACKET_IN_FIRST:
        if (first) total_ = said;
        bytes = total_ > so_far_ ? total_ - so_far_ : 0;
        break;
      case v1::LENGTH_MEANING_RESIDUE:
        bytes = last ? said : room;
        break;
      default:
        bytes = said;
    }
    // What a device says beyond what it was given is not believed.
    bytes = std::min<uint64_t>(bytes, room);
    so_far_ += bytes;
    return static_cast<uint32_t>(bytes);
  }

 private:
  v1::LengthMeaning meaning_ = v1::LENGTH_MEANING_BUFFER;
  uint32_t crc_bytes_ = 0;
  uint64_t so_far_ = 0;  // bytes in the packet's buffers before
  uint64_t total_ = 0;   // as its first descriptor said
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_PACKET_LENGTH_H_
