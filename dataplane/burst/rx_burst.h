// Bursts of a receive ring in which the device completes descriptors in their own slots: posting
// buffers and taking completions of the common case, a packet in one buffer, as a plan says. Who
// calls them, an engine that knows every case, goes on where they stop.
//
//   Poll   reads slots until one is not completed, or not of the common case
//   Post   writes slots until a buffer is not of the common case
//
// Ring memory is the device's too and may hold anything: what is said of a packet comes out of one
// read of each word of its slot, the word that says that it is completed first, with acquire. Slots
// may have been looked at before, several at once, and none of that is used any more: where one of
// them is not of the common case, all are read anew, one by one. No length exceeds what was posted.
// Neither touches a byte outside of the ring's slots, the array of posted buffers (one for each
// slot) and the arguments' arrays, whatever stands in the ring.
// RxRingBurst could do the same. When it was tried, it took 3 to 4 % longer compiled and 13 %
// interpreted; it also remembers three times as many bytes of each buffer.
// Never: allocates after Create, locks, makes a system call. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_BURST_RX_BURST_H_
#define QSPLIT_DATAPLANE_BURST_RX_BURST_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/burst/record_plan.h"
#include "dataplane/rx_driver.h"

namespace qsplit::dataplane::burst {

// A buffer that stands in a slot.
struct PostedSlot {
  uint32_t cookie = 0;
  uint32_t bytes = 0;
};
static_assert(sizeof(PostedSlot) == 8);

struct RxBurstPlan {
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;  // whole words of 8

  // Completions.
  RecordPlan record;
  uint32_t first_word = 0;    // says whether the slot is completed
  uint32_t prefix_bytes = 0;  // in front of the packet in its buffer
  // Of every buffer; 0: each has its own, in its PostedSlot.
  uint32_t buffer_bytes = 0;

  // Posting.
  bool posts = false;  // whether Post does anything
  std::array<uint64_t, kMaxWords> image{};
  std::vector<Piece> address;
  std::vector<Piece> length;  // empty: the buffer's length is not said
  uint64_t max_address = 0;
  uint32_t max_length = 0;
  uint64_t alignment_mask = 0;  // bits of an address that must be 0
  // Words that would read as completed already: (word first_word & mask) == value; a zero mask:
  // cannot be.
  WordTest completed;
};

struct PollRows;
struct PostRows;

class RxBurst {
 public:
  // Machine code, of such instructions, where it can be had and is asked for, else the plan is
  // interpreted, with such instructions.
  static std::unique_ptr<RxBurst> Create(RxBurstPlan plan, bool compiled,
                                         Instructions which = Instructions::kOfThisProcessor);
  ~RxBurst();

  // Looks at slots from `slot` on, at most `most` and not beyond the ring's last; how many
  // completions were written.
  uint32_t Poll(const std::byte* slots, const PostedSlot* posted, uint32_t slot, uint32_t most,
                RxCompletion* out) const {
    if (poll_ != nullptr) return poll_(slots, posted, slot, most, out);
    return InterpretPoll(slots, posted, slot, most, out);
  }
  // The same for posting; how many buffers were.
  uint32_t Post(std::byte* slots, PostedSlot* posted, uint32_t slot, uint32_t most,
                const RxBuffer* buffers) const {
    if (post_ != nullptr) return post_(slots, posted, slot, most, buffers);
    return InterpretPost(slots, posted, slot, most, buffers);
  }

  const RxBurstPlan& plan() const { return plan_; }
  // Where there is no machine code: whether completions are taken row by row, and buffers posted
  // so; else column by column.
  bool PollsInRows() const { return poll_rows_ != nullptr; }
  bool PostsInRows() const { return post_rows_ != nullptr; }
  // OK: machine code; else why not.
  const absl::Status& code_status() const { return code_status_; }

  static uint32_t PollByPlan(const RxBurstPlan& plan, const std::byte* slots,
                             const PostedSlot* posted, uint32_t slot, uint32_t most,
                             RxCompletion* out);
  static uint32_t PostByPlan(const RxBurstPlan& plan, std::byte* slots, PostedSlot* posted,
                             uint32_t slot, uint32_t most, const RxBuffer* buffers);

  using PollCode = uint32_t (*)(const std::byte* slots, const PostedSlot* posted, uint32_t slot,
                                uint32_t most, RxCompletion* out);
  using PostCode = uint32_t (*)(std::byte* slots, PostedSlot* posted, uint32_t slot, uint32_t most,
                                const RxBuffer* buffers);

 private:
  RxBurst() = default;
  uint32_t InterpretPoll(const std::byte* slots, const PostedSlot* posted, uint32_t slot,
                         uint32_t most, RxCompletion* out) const;
  uint32_t InterpretPost(std::byte* slots, PostedSlot* posted, uint32_t slot, uint32_t most,
                         const RxBuffer* buffers) const;
  // How many of the buffers are of the common case, and fit into the ring from a slot on.
  static uint32_t CountToPost(const RxBurstPlan& plan, uint32_t slot, uint32_t most,
                              const RxBuffer* buffers);

  RxBurstPlan plan_;
  // How the plan is interpreted row by row; null: column by column.
  std::unique_ptr<const PollRows> poll_rows_;
  std::unique_ptr<const PostRows> post_rows_;
  CodeMemory code_;
  PollCode poll_ = nullptr;
  PostCode post_ = nullptr;
  absl::Status code_status_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_BURST_H_
