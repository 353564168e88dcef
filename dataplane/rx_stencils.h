// Completions of single packets, written through stencils: packets of one kind (protocols,
// verdicts, what is said of them at all) differ in their completions by nothing but a length, a
// hash and a time, so the rest is encoded once, in full, and copied from then on.
//
// That nothing else differs is checked against the form's fields and conditions when a stencil is
// made; where it does, there is none. Bit for bit what RxProgram::Encode writes. Works on private
// bytes only, never allocates. As thread-safe as its owner.
#ifndef QSPLIT_DATAPLANE_RX_STENCILS_H_
#define QSPLIT_DATAPLANE_RX_STENCILS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "dataplane/field_access.h"
#include "dataplane/metadata.h"
#include "dataplane/rx_program.h"

namespace qsplit::dataplane {

class RxStencils {
 public:
  // A whole completion. False: there is no stencil for packets of this kind, or it cannot say the
  // length; *descriptor is undefined then. descriptor: kMaxDescriptorBytes of them.
  bool Encode(uint64_t length, const RxMetadata& meta, std::byte* descriptor) const {
    const Stencil& stencil = stencils_[PlaceOf(meta)];
    if (stencil.holes.length == nullptr || stencil.kind != KindOf(meta)) return false;
    CopyDescriptor(descriptor, stencil.bytes.data(), stencil.copy_bytes);
    if (!stencil.holes.length->Store(descriptor, length)) return false;
    for (const FieldAccess& wire : stencil.holes.wire_lengths) wire.Store(descriptor, length);
    if (stencil.holes.hash != nullptr) StoreTruncated(*stencil.holes.hash, meta.hash, descriptor);
    if (stencil.holes.timestamp != nullptr) {
      StoreTruncated(*stencil.holes.timestamp, meta.timestamp, descriptor);
    }
    return true;
  }

  // Encode had none for a packet: the second such packet in a row gets one, made of `program`,
  // which must outlive this.
  void Learn(const RxProgram& program, const RxMetadata& meta);

 private:
  static constexpr uint32_t kMaxBytes = 64;
  static constexpr uint32_t kStencils = 16;
  // All of the metadata but hash and time.
  struct Kind {
    uint64_t what = 0;
    uint64_t numbers = 0;
    friend bool operator==(const Kind&, const Kind&) = default;
  };
  struct Stencil {
    Kind kind;
    RxHoles holes;
    uint32_t copy_bytes = 0;
    alignas(16) std::array<std::byte, kMaxBytes> bytes{};
  };

  static Kind KindOf(const RxMetadata& m) {
    return {uint64_t{m.present.bits} | uint64_t{static_cast<uint8_t>(m.hash_type)} << 16 |
                uint64_t{static_cast<uint8_t>(m.l3)} << 24 |
                uint64_t{static_cast<uint8_t>(m.l4)} << 32 |
                uint64_t{static_cast<uint8_t>(m.l3_checksum)} << 40 |
                uint64_t{static_cast<uint8_t>(m.l4_checksum)} << 48 | uint64_t{m.error} << 56,
            uint64_t{m.vlan_tci} | uint64_t{m.queue} << 16 | uint64_t{m.mark} << 32};
  }
  static uint32_t PlaceOf(const RxMetadata& m) {
    const Kind kind = KindOf(m);
    return static_cast<uint32_t>(((kind.what ^ kind.numbers) * 0x9e3779b97f4a7c15u) >> 60);
  }
  static void StoreTruncated(const FieldAccess& field, uint64_t value, std::byte* descriptor) {
    if (!field.Store(descriptor, value)) field.StoreRaw(descriptor, value & field.MaxRaw());
  }

  std::array<Stencil, kStencils> stencils_{};
  Kind missed_;  // the last one that there was none for
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_RX_STENCILS_H_
