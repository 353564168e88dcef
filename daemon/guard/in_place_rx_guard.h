// The guard of a receive ring whose device completes descriptors by writing over them.
//
//   slot of both rings     free ──► forwarded ──► completed ──► returned ──► free
//                                consume_ … forward_: with the device
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_
#define QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "daemon/guard/descriptor_mask.h"
#include "daemon/guard/in_place_rings.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pattern.h"

namespace qsplit::guard {

// kWords: 8-byte words of a slot.
template <size_t kWords>
class InPlaceRxGuard final : public QueueGuard {
 public:
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts, InPlaceRings rings);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;
  void SetNeedWakeup(bool need) override { rings_.notification.Set(need, forward_count_); }
  bool HasWork() override;

 private:
  // The form that offers a buffer.
  struct PostForm {
    WordPattern<kWords> pattern;
    bool may_look_done = true;
    std::array<uint64_t, kWords> kept{};
    WordAddress address;
    WordField length;  // not there: buffer_bytes
    WordAddress header_address;
    uint64_t buffer_bytes = 0;
    uint64_t header_bytes = 0;
    uint64_t max_bytes = 0;
    uint64_t alignment_mask = 0;
  };
  // Those that the device writes over it.
  struct CompleteForm {
    std::array<uint64_t, kWords> kept{};
    WordAddress address;  // the client's again
    WordField length;
    WordField last;
  };

  InPlaceRxGuard(InPlaceRings rings, RegionMap regions)
      : rings_(std::move(rings)),
        regions_(std::move(regions)),
        shadow_(rings_.shadow.view.slots),
        real_(rings_.real.view.slots) {}
  absl::Status CompilePost(const GuardOptions& options);
  absl::Status CompileCompletion();
  // Checks private words and turns them into what the device may see. False: stopped.
  [[gnu::always_inline]] bool Check(const PostForm& form, uint64_t* words);
  bool CheckHeader(const PostForm& form, uint64_t* words);
  // Posted and not yet forwarded. False: the doorbell says what cannot be.
  bool ReadPosted(uint32_t* ahead) const {
    return rings_.ReadPosted(forward_, forward_count_, with_device_, ahead);
  }

  const InPlaceRings rings_;
  RegionMap regions_;
  const WordSlots<kWords> shadow_;
  const WordSlots<kWords> real_;
  PostForm post_;
  CompleteForm complete_;
  std::vector<uint64_t> posted_iova_;  // by slot; empty where completions do not say it

  uint32_t forward_ = 0;        // next slot to forward
  uint64_t forward_count_ = 0;  // free-running
  uint32_t consume_ = 0;        // oldest slot with the device
  uint32_t with_device_ = 0;    // slots
};

extern template class InPlaceRxGuard<2>;
extern template class InPlaceRxGuard<4>;

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_
