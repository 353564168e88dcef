#include "daemon/guard/rate_limit.h"

#include <algorithm>

namespace qsplit::guard {
namespace {

// Rates and bursts above these are no limit for any wire, and keep the arithmetic within 64 bits.
constexpr uint64_t kMostRate = 1'000'000'000'000;
constexpr uint64_t kMostBurst = 1'000'000'000;
constexpr uint64_t kMostRefillNs = 1'000'000'000;

}  // namespace

TokenBuckets::Bucket TokenBuckets::Bucket::Of(uint64_t rate, uint64_t burst) {
  Bucket bucket;
  bucket.rate = std::min(rate, kMostRate);
  bucket.most = static_cast<int64_t>(std::clamp<uint64_t>(burst, 1, kMostBurst)) * kUnit;
  bucket.level = bucket.most;
  return bucket;
}

void TokenBuckets::Bucket::Refill(uint64_t passed_ns) {
  if (rate == 0) return;
  const auto missing = static_cast<uint64_t>(most - level);
  // Compared by division first: the product might not fit.
  if (passed_ns > missing / rate) {
    level = most;
  } else {
    level += static_cast<int64_t>(passed_ns * rate);
  }
}

uint64_t TokenBuckets::Bucket::WaitNs() const {
  if (Has()) return 0;
  return (static_cast<uint64_t>(kUnit - level) + rate - 1) / rate;
}

TokenBuckets::TokenBuckets(const device::RateLimit& limit)
    : packets_(Bucket::Of(limit.tx_packets_per_second, limit.burst_packets)),
      bytes_(Bucket::Of(limit.tx_bytes_per_second, limit.burst_bytes)) {}

void TokenBuckets::Refill(uint64_t now_ns) {
  const uint64_t passed_ns = std::min(now_ns - std::min(refilled_ns_, now_ns), kMostRefillNs);
  refilled_ns_ = now_ns;
  packets_.Refill(passed_ns);
  bytes_.Refill(passed_ns);
}

uint64_t TokenBuckets::WaitNs() const { return std::max(packets_.WaitNs(), bytes_.WaitNs()); }

}  // namespace qsplit::guard
