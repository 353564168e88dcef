// Bursts of descriptors that the other side posted, read: what a device, or a guard in front of
// one, does with those of the common case, one buffer and nothing asked for, as a plan says. Who
// calls it, an engine that knows every case, goes on where it stops.
//
//   slots ──tests──► address, length ──1 to most?──► an element of the caller's; a note of the slot
//
// Slots are the other side's too, and may hold anything at any moment: each word is read once, the
// one that hands the slot over first, with acquire. What comes out is what was asked for, not what
// may be had: addresses are the caller's to check. It touches no byte outside of the ring's slots,
// the array of notes (one for each slot) and the argument's array, whatever stands in the ring.
// Never: allocates after Create, locks, makes a system call. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_BURST_SLOT_READER_H_
#define QSPLIT_DATAPLANE_BURST_SLOT_READER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "dataplane/burst/around_ring.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/burst/record_plan.h"
#include "dataplane/types.h"

namespace qsplit::dataplane::burst {

struct SlotReadPlan {
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;  // whole words of 8
  uint32_t first_word = 0;  // says whether the slot is handed over, if any does
  std::array<WordTest, kMaxWords> tests{};
  std::array<uint64_t, kMaxWords> phase{};  // of tests, the other way round where the phase is 1
  std::vector<Piece> address;
  std::vector<Piece> length;  // empty: bytes_each
  uint32_t bytes_each = 0;
  uint32_t most_bytes = 0;  // 1 to so many
  // What is noted of a slot: a number in it and bits beside, or the length.
  bool notes_length = false;
  std::vector<Piece> note;
  uint32_t note_bits = 0;

  // Bits that must stand there, in bytes of the descriptor. False: they contradict what must
  // already, or are not in the slot.
  bool Require(const DescriptorBytes& mask, const DescriptorBytes& value);
  // Whether all numbers stand in the slot, and beside what is tested.
  bool IsSound() const;
  bool has_phase() const { return phase != std::array<uint64_t, kMaxWords>{}; }
  // Bit w: word w is looked at; first_word is.
  uint32_t Words() const;
};

class SlotReader {
 public:
  // Machine code, of such instructions, where it can be had and is asked for, else the plan is
  // interpreted.
  static std::unique_ptr<SlotReader> Create(SlotReadPlan plan, bool compiled,
                                            Instructions which = Instructions::kOfThisProcessor);

  // Reads slots from `slot` on, at most `most` and not beyond the ring's last one, until one is not
  // of the common case (or not handed over); how many were read.
  uint32_t Read(const std::byte* slots, uint32_t* notes, uint32_t slot, uint32_t most,
                uint32_t phase, PlainBuffer* out) const {
    if (read_[0] == nullptr) return ReadByPlan(plan_, slots, notes, slot, most, phase, out);
    return read_[phase & 1](slots, notes, slot, most, out, nullptr);
  }

  // The same of a ring without phases, at whose end it goes on at its beginning. *slot: behind what
  // was read, afterwards.
  uint32_t ReadAround(const std::byte* slots, uint32_t* notes, uint32_t most, PlainBuffer* out,
                      uint32_t* slot) const {
    return AroundRing(plan_.slot_count, most, slot, [&](uint32_t part, uint32_t done) {
      return Read(slots, notes, *slot, part, 0, out + done);
    });
  }

  const SlotReadPlan& plan() const { return plan_; }
  // OK: machine code; else why not.
  const absl::Status& code_status() const { return code_status_; }

  static uint32_t ReadByPlan(const SlotReadPlan& plan, const std::byte* slots, uint32_t* notes,
                             uint32_t slot, uint32_t most, uint32_t phase, PlainBuffer* out);

  using ReadCode = uint32_t (*)(const std::byte* slots, uint32_t* notes, uint32_t slot,
                                uint32_t most, PlainBuffer* out, const void* nothing);

 private:
  SlotReader() = default;

  SlotReadPlan plan_;
  CodeMemory code_;
  ReadCode read_[2] = {};  // by phase
  absl::Status code_status_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_SLOT_READER_H_
