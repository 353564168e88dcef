// Bursts of a receive queue whose completions do not stand in the buffers' own slots, or not by
// their own bits alone: a ring of completions that name the buffers of another ring, a phase that
// flips with each turn, buffers named by tag, index or address, a header in front of the packet
// that says what the completion does not. Taking completions and posting buffers of the common
// case, as a plan says: packets of one buffer that come back in the order of posting. Who calls
// them, an engine that knows every case, goes on where they stop.
//
//   Poll   completions from a slot on, each of the oldest buffer, the one behind it …
//   Post   buffers into slots from one on; buffer and slot have the same number
//
// Ring memory is the device's too and may hold anything, and so may the buffers' first bytes: each
// word is read once, the word that says that a slot is completed first, with acquire; no length
// exceeds what was posted; a key is compared with the one that is expected and leads nowhere.
// Neither touches a byte outside of the rings' slots, the array of posted buffers, the arguments'
// arrays and (where the plan reads it) the prefix of a buffer that is long enough for it.
// Never: allocates after Create, locks, makes a system call. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_BURST_RX_RING_BURST_H_
#define QSPLIT_DATAPLANE_BURST_RX_RING_BURST_H_

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

// Bits of words that are the other way round where the ring's phase is 1.
using PhaseBits = std::array<uint64_t, kMaxWords>;

struct RxRingPlan {
  // What a completion says of which buffer it completes.
  enum class Key : uint8_t {
    kNone,     // nothing: the oldest
    kNumber,   // the buffer's number
    kAddress,  // an address within the buffer, where the packet begins
  };

  // Completions. Words of `record` from prefix_word on stand where the packet's prefix does.
  uint32_t slot_count = 0;
  uint32_t slot_bytes = 0;  // whole words of 8
  RecordPlan record;        // tests as where the phase is 0
  PhaseBits record_phase{};
  uint32_t first_word = 0;  // says whether the slot is completed
  uint32_t prefix_word = kMaxWords;
  uint32_t prefix_bytes = 0;  // in front of the packet in its buffer
  Key key = Key::kNone;
  std::vector<Piece> key_pieces;
  bool key_inside = false;  // an address may be any in the buffer, else its first

  // Posted buffers: so many at most, numbered.
  uint32_t lane = 0;  // which of the queue's rings of buffers, as its engine counts them
  uint32_t buffer_count = 0;
  bool keeps_address = false;  // whether their addresses are to be remembered
  bool keeps_memory = false;   // and where this process has them
  bool needs_memory = false;   // which each must have

  // Posting, into slots that have the buffers' numbers.
  bool posts = false;            // whether Post does anything
  uint32_t post_slot_bytes = 0;  // whole words of 8
  uint32_t post_words = 0;       // that a descriptor has
  std::array<uint64_t, kMaxWords> image{};
  PhaseBits image_phase{};
  std::vector<Piece> address;
  std::vector<Piece> length;  // empty: the buffer's length is not said
  std::vector<Piece> number;  // empty: nor is its number
  uint64_t max_address = 0;
  uint32_t max_length = 0;
  uint64_t alignment_mask = 0;  // bits of an address that must be 0
  // Of every buffer; 0: each has its own.
  uint32_t buffer_bytes = 0;
  bool holds = false;          // whether PostHeld is called
  uint32_t handover_word = 0;  // of a descriptor, for that
  // The device does not write these slots: what is the same in all descriptors of a slot need not
  // be written again.
  bool words_stay = false;

  bool has_phase() const { return record_phase != PhaseBits{} || image_phase != PhaseBits{}; }
  // Whether a word of a posted descriptor differs from one buffer to the next, beside its length.
  bool Varies(uint32_t word) const;
};

struct PollRows;
struct PostRows;

class RxRingBurst {
 public:
  // Machine code, of such instructions, where it can be had and is asked for, else the plan is
  // interpreted, with such instructions.
  static std::unique_ptr<RxRingBurst> Create(RxRingPlan plan, bool compiled,
                                             Instructions which = Instructions::kOfThisProcessor);
  ~RxRingBurst();

  // What Poll works on.
  struct Completed {
    const std::byte* slots = nullptr;
    uint32_t phase = 0;
    uint32_t slot = 0;
    const RxBuffer* buffers = nullptr;  // the array of posted ones
    uint32_t buffer = 0;                // the oldest one's number
    uint32_t most = 0;
  };
  // Looks at no more than `most` slots and buffers, and not beyond the last one of either; how many
  // completions were written.
  uint32_t Poll(const Completed& from, RxCompletion* out) const {
    if (poll_[0] == nullptr) return InterpretPoll(from, out);
    return poll_[from.phase & 1](from.slots, from.buffers, from.slot, from.most, out, from.buffer);
  }

  struct Free {
    std::byte* slots = nullptr;
    uint32_t phase = 0;
    uint32_t slot = 0;
    RxBuffer* buffers = nullptr;  // the array of posted ones
    uint32_t most = 0;
    // Every slot of the ring holds a descriptor of a buffer whose bytes stand in `buffers` at the
    // slot's number.
    bool were_posted = false;
  };
  // Writes slots from the first one on until a buffer is not of the common case, not beyond the
  // ring's last one; how many. Nothing in it says when which word becomes visible.
  uint32_t Post(const Free& to, const RxBuffer* buffers) const {
    if (post_[0] == nullptr) return InterpretPost(to, buffers);
    const PostCode post = post_[to.phase & 1];
    uint32_t done = 0;
    if (const PostCode again = again_[to.phase & 1]; again != nullptr && to.were_posted) {
      done = again(to.slots, to.buffers, to.slot, to.most, buffers, nullptr);
      if (done == to.most || to.slot + done == plan_.buffer_count) return done;
    }
    return done +
           post(to.slots, to.buffers, to.slot + done, to.most - done, buffers + done, nullptr);
  }

  const RxRingPlan& plan() const { return plan_; }
  // Where there is no machine code: whether completions are taken row by row, and buffers posted
  // so; else column by column.
  bool PollsInRows() const { return poll_rows_ != nullptr; }
  bool PostsInRows() const { return post_rows_ != nullptr; }
  // The same of the first ones of a batch: all but the word of the very first that hands it over
  // (RxRingPlan::handover_word), which goes to *held.
  uint32_t PostHeld(const Free& to, const RxBuffer* buffers, uint64_t* held) const {
    if (held_[0] == nullptr) return InterpretHeld(to, buffers, held);
    return held_[to.phase & 1](to.slots, to.buffers, to.slot, to.most, buffers, held);
  }

  // OK: machine code; else why not.
  const absl::Status& code_status() const { return code_status_; }

  static uint32_t PollByPlan(const RxRingPlan& plan, const Completed& from, RxCompletion* out);
  static uint32_t PostByPlan(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers);
  static uint32_t PostHeldByPlan(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers,
                                 uint64_t* held);

  using PollCode = uint32_t (*)(const std::byte* slots, const RxBuffer* posted, uint32_t slot,
                                uint32_t most, RxCompletion* out, uint64_t buffer);
  using PostCode = uint32_t (*)(std::byte* slots, RxBuffer* posted, uint32_t slot, uint32_t most,
                                const RxBuffer* buffers, uint64_t* held);

 private:
  RxRingBurst() = default;
  // By value: what is handed over in registers to machine code has no address in memory.
  uint32_t InterpretPoll(Completed from, RxCompletion* out) const;
  uint32_t InterpretPost(Free to, const RxBuffer* buffers) const;
  uint32_t InterpretHeld(Free to, const RxBuffer* buffers, uint64_t* held) const;
  // How many of the buffers are of the common case, and fit into the ring.
  static uint32_t CountToPost(const RxRingPlan& plan, const Free& to, const RxBuffer* buffers);

  RxRingPlan plan_;
  // How the plan is interpreted row by row; null: column by column.
  std::unique_ptr<const PollRows> poll_rows_;
  std::unique_ptr<const PostRows> post_rows_;
  CodeMemory code_;
  PollCode poll_[2] = {};   // by phase
  PostCode post_[2] = {};   // by phase
  PostCode again_[2] = {};  // into slots that were posted with as many bytes; null: as post_
  PostCode held_[2] = {};   // as post_, the first word that hands over goes to `held`
  absl::Status code_status_;
};

}  // namespace qsplit::dataplane::burst

#endif  // QSPLIT_DATAPLANE_BURST_RX_RING_BURST_H_
