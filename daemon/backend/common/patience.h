// How long a worker looks for work before it sleeps.
//
//   looks ──► work                          looking is worth its time
//   looks ──► sleeps, long                  the queues are idle: looks for less the next time
//   looks ──► sleeps, soon woken            to have looked for longer had found it: does so, unless
//                                           the same was so before and was in vain
//
// In vain it is as long as whoever posts shares the worker's processor: he posts nothing while the
// worker looks, and wakes it as soon as it sleeps. Then it hardly looks at all, for a while.
// Logic only: times come from the caller. The worker's thread.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_PATIENCE_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_PATIENCE_H_

#include <algorithm>
#include <cstdint>

namespace qsplit::backend {

class Patience {
 public:
  static constexpr uint64_t kSharingNs = 2'000;
  static constexpr uint64_t kLeastNs = 20'000;
  static constexpr uint64_t kFirstNs = 50'000;
  static constexpr uint64_t kMostNs = 400'000;
  // What was found out of sharing holds for so long.
  static constexpr uint64_t kSharedForNs = 50'000'000;

  // Without work for so long, it sleeps.
  uint64_t ns() const { return ns_; }

  // Work came while it looked.
  void Found() { in_vain_ = 0; }
  // It slept, after all of its patience. woken: somebody ended the sleep.
  void Slept(bool woken, uint64_t slept_ns, uint64_t now_ns) {
    const bool expected = last_slept_ns_ < ns_;  // work, while it looked
    const bool soon = woken && slept_ns < kMostNs;
    last_slept_ns_ = soon ? slept_ns : UINT64_MAX;
    if (now_ns < shared_until_ns_) return;
    if (!soon) {
      if (slept_ns > kMostNs) in_vain_ = 0;
      if (slept_ns > 2 * kMostNs) ns_ = std::max(ns_ / 2, kLeastNs);
      return;
    }
    in_vain_ = expected ? in_vain_ + 1 : 0;
    ns_ = std::clamp(ns_ * 2, kLeastNs, kMostNs);
    if (in_vain_ < kMostInVain) return;
    ns_ = kSharingNs;
    in_vain_ = 0;
    shared_until_ns_ = now_ns + kSharedForNs;
  }

 private:
  static constexpr uint32_t kMostInVain = 3;

  uint64_t ns_ = kFirstNs;
  uint64_t last_slept_ns_ = UINT64_MAX;  // unless it was long
  uint32_t in_vain_ = 0;                 // in a row
  uint64_t shared_until_ns_ = 0;
};

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_PATIENCE_H_
