// The guard of a receive ring whose device completes descriptors by writing over them.
//
//   slot of both rings     free ──► forwarded ──► completed ──► returned ──► free
//                                consume_ … forward_: with the device
//
// See guarded_queue.h for what it promises. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_
#define QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/status/statusor.h"
#include "daemon/guard/in_place_guard.h"
#include "daemon/guard/in_place_rings.h"
#include "daemon/guard/queue_guard.h"
#include "daemon/guard/word_field.h"
#include "daemon/guard/word_pattern.h"
#include "dataplane/cache_line.h"

namespace qsplit::guard {

// kWords: 8-byte words of a slot.
template <size_t kWords>
class InPlaceRxGuard final : public InPlaceGuard<kWords> {
 public:
  static absl::StatusOr<std::unique_ptr<QueueGuard>> Create(QueueParts parts, InPlaceRings rings);

  uint32_t Forward(uint32_t budget) override;
  uint32_t Return(uint32_t budget) override;

 private:
  using Base = InPlaceGuard<kWords>;
  using Burst = typename Base::Burst;
  using Words = typename Base::Words;
  using Base::consume_, Base::counters_, Base::forward_, Base::forward_count_, Base::in_use_;
  using Base::real_, Base::regions_, Base::rings_, Base::shadow_;
  using Base::Stop, Base::StopForAddress;

  // The form that offers a buffer.
  struct PostForm {
    WordPattern<kWords> pattern;
    bool may_look_done = true;
    Words kept{};
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
    Words kept{};
    WordAddress address;  // the client's again
    WordField length;
    WordField last;
  };

  using Base::Base;
  absl::Status CompilePost(const GuardOptions& options);
  absl::Status CompileCompletion();
  void CompilePlain(const GuardOptions& options);
  // Checks private words and turns them into what the device may see. False: stopped.
  [[gnu::always_inline]] bool Check(const PostForm& form, uint64_t* words);
  bool CheckHeader(const PostForm& form, uint64_t* words);
  // How many of a burst went to the device; not all: stopped, or the rest waits.
  [[gnu::always_inline]] uint32_t ForwardBurst(Burst* burst);
  [[gnu::always_inline]] void ForwardPlain(const Burst& burst, uint32_t at, uint32_t count);
  bool HasDone() override { return in_use_ != 0 && Base::IsDone(consume_); }

  PostForm post_;
  CompleteForm complete_;
  dataplane::CacheLineVector<uint64_t>
      posted_iova_;  // by slot; empty where completions do not say it
};

extern template class InPlaceRxGuard<2>;
extern template class InPlaceRxGuard<4>;

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_IN_PLACE_RX_GUARD_H_
