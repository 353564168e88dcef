// A form that carries a packet's bytes, compiled in both directions: buffers, counts and what rings
// want to know, to bytes for the driver and back for the device. One descriptor may have several
// buffers, in itself and in parts behind it, or the bytes themselves.
//
// Works on private bytes only. Immutable after compiling; any thread.
#ifndef QSPLIT_DATAPLANE_TX_POST_H_
#define QSPLIT_DATAPLANE_TX_POST_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/field_access.h"
#include "dataplane/metadata.h"
#include "dataplane/ring_view.h"
#include "dataplane/tx_program.h"

namespace qsplit::dataplane {

struct TxPost : TxDataForm {
  // UNIMPLEMENTED: buffers in a way that is not driven, no form for a packet's bytes.
  static absl::StatusOr<TxPost> Compile(const QueueScope& scope, uint32_t form,
                                        const QueueView& view);
  // Whether a form has bytes of packets at all.
  static bool CarriesBytes(const QueueScope& scope, uint32_t form);

  bool MayBeFirst() const { return position != v1::PACKET_POSITION_REST; }
  bool MayBeRest() const { return position != v1::PACKET_POSITION_FIRST; }

  // Driver. Whether a segment can stand in each of its buffers.
  bool Takes(const TxSegment& segment) const;
  // Parts that so many buffers need, and bytes of the descriptor with them.
  uint32_t Parts(uint32_t buffers) const {
    const auto here = static_cast<uint32_t>(own.size());
    const auto each = static_cast<uint32_t>(part.size());
    return buffers <= here ? 0 : (buffers - here + each - 1) / each;
  }
  uint32_t Bytes(uint32_t buffers) const { return fixed_bytes + Parts(buffers) * part_stride; }
  bool CanCount(uint32_t buffers) const;
  // Starts a descriptor of so many buffers, each of which Put must fill.
  void Begin(bool is_first, bool is_last, uint32_t buffers, std::byte* descriptor) const;
  void Put(uint32_t buffer, Iova from, uint32_t bytes, std::byte* descriptor) const {
    uint32_t at = 0;
    const Place& place = Find(buffer, &at);
    place.address.Store(descriptor + at, from.value);
    place.length.Store(descriptor + at, bytes);
    if (place.key.has_value()) place.key->StoreRaw(descriptor + at, key & place.key->MaxRaw());
  }

  // Device. How many buffers a descriptor of so many bytes has; 0: what it says makes no sense.
  uint32_t Buffers(const std::byte* descriptor, uint32_t bytes) const;
  // One of them; false: of no bytes, or of more than one may have.
  bool Get(uint32_t buffer, const std::byte* descriptor, TxSegment* out) const {
    uint32_t at = 0;
    const Place& place = Find(buffer, &at);
    const uint64_t bytes = place.length.Load(descriptor + at);
    if (bytes == 0 || bytes > max_bytes) return false;
    *out = {Iova(place.address.Load(descriptor + at)), static_cast<uint32_t>(bytes), nullptr};
    return true;
  }

  // Where a buffer's fields stand, in the descriptor or in a part.
  struct Place {
    FieldAccess address;
    FieldAccess length;
    std::optional<FieldAccess> key;
  };
  // A field that speaks in some descriptors of a packet.
  struct Spoken {
    FieldAccess field;
    v1::PacketPosition position = v1::PACKET_POSITION_EACH;
  };

  // Where the fields of one of its buffers are, *at bytes behind the descriptor's start (0 before).
  const Place& Find(uint32_t buffer, uint32_t* at) const {
    const auto here = static_cast<uint32_t>(own.size());
    if (buffer < here) [[likely]] {
      return own[buffer];
    }
    const auto each = static_cast<uint32_t>(part.size());
    *at = fixed_bytes + (buffer - here) / each * part_stride;
    return part[(buffer - here) % each];
  }

  v1::PacketPosition position = v1::PACKET_POSITION_EACH;
  uint32_t ring_form = 0;  // position among the ring's forms
  uint32_t fixed_bytes = 0;
  uint32_t copy_bytes = 0;  // fixed_bytes in whole words of 8
  uint32_t max_buffers = 0;
  uint32_t key = 0;  // of the lease's memory

  std::vector<Place> own;
  std::vector<Place> part;  // of one part; at its first byte
  uint32_t part_stride = 0;
  uint32_t max_parts = 0;
  DescriptorBytes part_image;

  std::optional<FieldAccess> buffer_count;
  std::optional<FieldAccess> part_count;
  std::optional<FieldAccess> descriptor_count;
  std::optional<FieldAccess> byte_count;  // of the descriptor
  uint32_t byte_unit = 1;
  std::optional<Spoken> report_at;
  std::optional<Spoken> tag;
  std::optional<FieldAccess> slot_count;
  std::optional<FieldAccess> next_index;
  std::optional<FieldAccess> indirect;

  // Packet bytes in the slot, behind the descriptor: from where on, how many at most. 0: none.
  uint32_t inline_at = 0;
  uint32_t inline_max = 0;
  std::optional<FieldAccess> inline_length;

 private:
  absl::Status AddFields(const QueueScope& scope, const QueueView& view);
  absl::Status AddParts(const QueueScope& scope);
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_TX_POST_H_
