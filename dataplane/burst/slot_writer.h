// Bursts of descriptors written into slots, one for each element of an array: what a device does to
// complete buffers, and a guard to post them, of the common case, as a plan says. Who calls it, an
// engine that knows every case, goes on where it stops.
//
//   image ─────────────────────────────────────────────┐
//   elements ──a length that fits?──► numbers ──pieces──┴─or──► words of slots, one of them last
//
// Slots are written only, never read: each word once, the one that hands the slot over last, with
// release. It touches no byte outside of the ring's slots, the array of rooms (one for each slot)
// and the arguments' arrays.
// Never: allocates after Create, locks, makes a system call. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_BURST_SLOT_WRITER_H_
#define QSPLIT_DATAPLANE_BURST_SLOT_WRITER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/burst/record_plan.h"

namespace qsplit::dataplane::burst {

struct SlotWritePlan {
  // Stands so many bytes behind an element's first one, in 4 or 8.
  struct Number {
    uint32_t offset = 0;
    uint32_t bytes = 4;
    std::vector<Piece> pieces;  // no bits of the image
  };
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;  // whole words of 8
  uint32_t word_count = 0;  // that a descriptor has
  uint32_t element_bytes = 0;
  uint32_t last_word = 0;
  // The length that is said is so much more than the element's, which is of 4 bytes, and no more
  // than most_length.
  Number length;
  uint32_t length_more = 0;
  uint64_t most_length = 0;
  // The element's length and so much more are no more than the slot's room.
  bool has_rooms = false;
  uint32_t prefix_bytes = 0;
  std::vector<Number> others;
};

// A descriptor but for its numbers.
using SlotImage = std::array<uint64_t, kMaxWords>;

class SlotWriter {
 public:
  // Machine code, of such instructions, where it can be had and is asked for, else the plan is
  // interpreted.
  static std::unique_ptr<SlotWriter> Create(SlotWritePlan plan, bool compiled,
                                            Instructions which = Instructions::kOfThisProcessor);

  // Writes slots from `slot` on, at most `most` and not beyond the ring's last one, until an
  // element is not of the common case; how many were. elements: of plan().element_bytes each;
  // rooms: not looked at without plan().has_rooms.
  uint32_t Write(std::byte* slots, const uint32_t* rooms, uint32_t slot, uint32_t most,
                 const void* elements, const SlotImage& image) const {
    if (write_ == nullptr) return WriteByPlan(plan_, slots, rooms, slot, most, elements, image);
    return write_(slots, rooms, slot, most, elements, &image);
  }

  const SlotWritePlan& plan() const { return plan_; }
  // OK: machine code; else why not.
  const absl::Status& code_status() const { return code_status_; }

  static uint32_t WriteByPlan(const SlotWritePlan& plan, std::byte* slots, const uint32_t* rooms,
                              uint32_t slot, uint32_t most, const void* elements,
                              const SlotImage& image);

  using WriteCode = uint32_t (*)(std::byte* slots, const uint32_t* rooms, uint32_t slot,
                                 uint32_t most, const void* elements, const SlotImage* image);

 private:
  SlotWriter() = default;

  SlotWritePlan plan_;
  CodeMemory code_;
  WriteCode write_ = nullptr;
  absl::Status code_status_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_SLOT_WRITER_H_
