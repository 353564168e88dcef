// From descriptors that came back to what a program sees: how many bytes of the packet each buffer
// holds, where a packet begins and ends, what the prefix in front of it says.
//
// Everything that a device says is limited to what was posted. The prefix stands in memory that the
// device writes: it is read once into a private copy. All memory is taken at Create; one thread at
// a time.
#ifndef QSPLIT_DATAPLANE_RX_DELIVERY_H_
#define QSPLIT_DATAPLANE_RX_DELIVERY_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>

#include "absl/status/statusor.h"
#include "dataplane/cache_line.h"
#include "dataplane/packet_length.h"
#include "dataplane/rx_driver.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

// A queue's packet rule, compiled; of both sides.
struct RxPacketRules {
  v1::Span span = v1::SPAN_SINGLE;
  v1::LengthMeaning length = v1::LENGTH_MEANING_BUFFER;
  uint32_t crc_bytes = 0;
  uint32_t prefix_bytes = 0;
  bool length_includes_prefix = false;
  // What the prefix says, if it says anything.
  std::optional<RxProgram> prefix;
  uint32_t prefix_form = 0;
  // How many completions the packet has, in the prefix.
  std::optional<FieldAccess> prefix_count;

  // Whether the prefix tells what no completion does.
  bool PrefixSays() const {
    return prefix_count.has_value() ||
           (prefix.has_value() && (prefix->HasLength() || prefix->Fields() != RxFields::None()));
  }

  // UNIMPLEMENTED: packets that hang together in a way that no receive queue of this build has.
  static absl::StatusOr<RxPacketRules> Compile(const QueueScope& scope, RxFields wanted);
  // The field of a complete form that counts the packet's completions; nullopt: it has none.
  static absl::StatusOr<std::optional<FieldAccess>> CountIn(const QueueScope& scope, uint32_t form);
};

class RxDelivery {
 public:
  // room: buffers that can be outstanding.
  RxDelivery(RxPacketRules rules, uint32_t room)
      : rules_(std::move(rules)), lengths_(rules_.length, rules_.crc_bytes), ready_(room) {}

  const RxPacketRules& rules() const { return rules_; }

  // Between Open and Close, what is delivered goes to `out`, and what no longer fits is kept for
  // the next Open.
  void Open(std::span<RxCompletion> out);
  bool Full() const { return count_ == out_.size(); }
  uint32_t Close() { return count_; }
  // Buffers that came back and wait for the next Open.
  uint32_t Waiting() const { return waiting_; }

  // The packet that is coming in has buffers already.
  bool in_packet() const { return in_packet_; }

  // Reads the prefix in a packet's first buffer.
  struct Prefix {
    bool there = false;
    DescriptorBytes bytes;
  };
  void ReadPrefix(const RxBuffer& first, Prefix* prefix) const;

  // The packet's bytes, prefix and packet (as the layout counts them), in a descriptor whose
  // buffers hold `room`. Remembers what the packet's later descriptors need.
  uint32_t LengthHere(uint64_t said, bool first, bool last, uint32_t room) {
    return lengths_.Here(said, first, last, room);
  }

  // A descriptor came back with so many bytes, LengthHere's, from `offset` of its first buffer on.
  void Deliver(std::span<const RxBuffer> buffers, uint32_t bytes, uint64_t offset, bool last,
               const RxMetadata& meta);
  // For a packet that is in one buffer, as whole: where its completion goes, of which the caller
  // fills all but first and last. Needs !Full() and !in_packet().
  RxCompletion& DeliverWhole() {
    RxCompletion& completion = out_[count_++];
    completion.first = completion.last = true;
    return completion;
  }
  uint32_t WholeLength(uint64_t said, uint32_t room) const {
    said -= std::min<uint64_t>(said, rules_.crc_bytes);
    return static_cast<uint32_t>(std::min<uint64_t>(said, room));
  }
  // The same for several of them, which are filled with all that they have: where they go, and how
  // many there were. Needs !in_packet().
  std::span<RxCompletion> Rest() const { return out_.subspan(count_); }
  void DeliveredWhole(uint32_t count) { count_ += count; }
  // One buffer with no bytes of a damaged packet, which ends here.
  void DeliverDamaged(std::span<const RxBuffer> buffers);

 private:
  void Emit(const RxCompletion& completion);

  RxPacketRules rules_;
  PacketLength lengths_;
  std::span<RxCompletion> out_;
  uint32_t count_ = 0;
  CacheLineVector<RxCompletion> ready_;  // a ring
  uint32_t ready_next_ = 0;
  uint32_t waiting_ = 0;
  bool in_packet_ = false;
};

// Bytes that a peer may change meanwhile, each read once.
inline void CopyShared(std::byte* to, const std::byte* from, uint32_t bytes) {
  uint32_t i = 0;
  if (reinterpret_cast<uintptr_t>(from) % sizeof(uint32_t) == 0) {
    for (; i + sizeof(uint32_t) <= bytes; i += sizeof(uint32_t)) {
      const auto word = LoadRelaxed<uint32_t>(from + i);
      std::memcpy(to + i, &word, sizeof word);
    }
  }
  for (; i < bytes; ++i) {
    to[i] = static_cast<std::byte>(LoadRelaxed<uint8_t>(from + i));
  }
}

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_DELIVERY_H_
