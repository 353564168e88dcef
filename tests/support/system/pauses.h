// What the machine takes from everybody who waits for a CPU: two threads that throw a byte to each
// other, about a thousand times a second. A test of a time that the product promises gives as much
// more, so that it says the same on a machine that others load, and on an idle one just as much as
// the promise.
//
// Restart and Slowest: any thread.
#ifndef QSPLIT_TESTS_SUPPORT_SYSTEM_PAUSES_H_
#define QSPLIT_TESTS_SUPPORT_SYSTEM_PAUSES_H_

#include <atomic>
#include <cstdint>
#include <thread>

#include "absl/time/time.h"

namespace qsplit::testing {

// True in builds whose memory and speed say nothing about the product.
constexpr bool kSanitized =
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    true;
#else
    false;
#endif

// Within which nothing of a dead client may be left: what the product promises, and more where a
// sanitizer slows everything down.
inline constexpr absl::Duration kCleanUpTime =
    kSanitized ? absl::Seconds(2) : absl::Milliseconds(100);

class Pauses {
 public:
  Pauses();
  ~Pauses();
  Pauses(const Pauses&) = delete;
  Pauses& operator=(const Pauses&) = delete;

  void Restart() { slowest_ns_ = 0; }
  // The slowest throw and return since Restart, also the one that is under way.
  absl::Duration Slowest() const;
  // How long a work may take that is promised in `promised`. Some ten threads come one after the
  // other from a signal to an admin's answer that nothing is left of a client, and each may have to
  // wait for a CPU.
  absl::Duration Allow(absl::Duration promised) const { return promised + 10 * Slowest(); }

 private:
  void Throw();
  void Return();

  int ends_[2] = {-1, -1};
  std::atomic<bool> stop_ = false;
  std::atomic<int64_t> thrown_ns_ = 0;  // 0: none under way
  std::atomic<int64_t> slowest_ns_ = 0;
  std::thread thrower_, returner_;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_SYSTEM_PAUSES_H_
