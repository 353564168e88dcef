// Token buckets: how much of a lease's traffic may pass, shared by all of its queues of one
// direction.
//
//   refill by time ──► [ tokens, at most the burst ] ──► one for each packet, one for each byte
//
// A packet passes while both buckets hold anything; its bytes may leave a debt, which later packets
// wait for, so that no packet is too large to ever pass and the rate holds all the same.
// Private memory of the guard's thread, which alone calls anything here. Never allocates.
#ifndef QSPLIT_DAEMON_GUARD_RATE_LIMIT_H_
#define QSPLIT_DAEMON_GUARD_RATE_LIMIT_H_

#include <cstdint>

#include "daemon/device/device.h"

namespace qsplit::guard {

class TokenBuckets {
 public:
  // No limit.
  TokenBuckets() = default;
  // Full at the time of the first Refill.
  explicit TokenBuckets(const device::RateLimit& limit);

  // Once for each round of the queues. now_ns never goes backwards.
  void Refill(uint64_t now_ns);
  // Whether a packet may pass now.
  bool Allows() const { return packets_.Has() && bytes_.Has(); }
  // It passed.
  void Take(uint64_t bytes) {
    packets_.Take(1);
    bytes_.Take(bytes);
  }
  // Until a packet may pass, if nothing else passes; 0: now.
  uint64_t WaitNs() const;

 private:
  // In units of one billionth, so that a rate in 1/s times a time in ns is a whole number.
  static constexpr int64_t kUnit = 1'000'000'000;
  struct Bucket {
    uint64_t rate = 0;  // units each ns; 0: no limit
    int64_t most = 0;   // units
    int64_t level = 0;  // units; below 0: a debt

    static Bucket Of(uint64_t rate, uint64_t burst);
    bool Has() const { return rate == 0 || level >= kUnit; }
    void Take(uint64_t tokens) {
      if (rate != 0) level -= static_cast<int64_t>(tokens) * kUnit;
    }
    void Refill(uint64_t passed_ns);
    uint64_t WaitNs() const;
  };
  Bucket packets_;
  Bucket bytes_;
  uint64_t refilled_ns_ = 0;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_RATE_LIMIT_H_
