// The library's way into a Packet's private members. The thread that owns the packet.
#ifndef QSPLIT_CLIENT_LIB_SRC_PACKET_ACCESS_H_
#define QSPLIT_CLIENT_LIB_SRC_PACKET_ACCESS_H_

#include <cstdint>
#include <utility>

#include "qsplit/packet.h"

namespace qsplit::internal {

struct PacketAccess {
  // Makes an empty packet own a chain of `segments` buffers, `length` bytes in all.
  static void Fill(Packet& packet, BufferPool* pool, uint32_t first, uint32_t length,
                   uint32_t segments, const PacketMetadata& meta = {}) {
    packet.pool_ = pool;
    packet.first_ = first;
    packet.length_ = length;
    packet.segments_ = static_cast<uint16_t>(segments);
    packet.want_l3_ = false;
    packet.want_l4_ = false;
    packet.want_time_ = false;
    packet.segment_bytes_ = 0;
    packet.meta_ = meta;
  }
  // Takes the chain out; the packet is empty then.
  static uint32_t Release(Packet& packet) {
    packet.pool_ = nullptr;
    return packet.first_;
  }
  // One buffer, to be sent as it is.
  static bool IsPlain(const Packet& packet) {
    return IsWhole(packet) && !packet.want_l3_ && !packet.want_l4_ &&
           !packet.meta_.Has(PacketField::kVlan);
  }
  // One buffer, sent as one packet, whenever that is.
  static bool IsWhole(const Packet& packet) {
    return packet.segments_ == 1 && packet.segment_bytes_ == 0 && !packet.want_time_;
  }
  static BufferPool* pool(const Packet& packet) { return packet.pool_; }
  static uint32_t first(const Packet& packet) { return packet.first_; }
  static PacketMetadata& meta(Packet& packet) { return packet.meta_; }
  static bool want_l3(const Packet& packet) { return packet.want_l3_; }
  static bool want_l4(const Packet& packet) { return packet.want_l4_; }
  static bool want_time(const Packet& packet) { return packet.want_time_; }
  static uint16_t segment_bytes(const Packet& packet) { return packet.segment_bytes_; }
  static void set_length(Packet& packet, uint32_t length) { packet.length_ = length; }
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_PACKET_ACCESS_H_
