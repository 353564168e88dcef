// What the engines behind GuardedQueue have in common, one for each way in which rings work:
// in_place_rx_guard, in_place_tx_guard (completions over descriptors; in_place_guard), table_guard
// (chains in a table, two index rings), phase_guard (one ring with a phase; both chain_guard).
//
// See guarded_queue.h for what all of them promise. One thread at a time.
#ifndef QSPLIT_DAEMON_GUARD_QUEUE_GUARD_H_
#define QSPLIT_DAEMON_GUARD_QUEUE_GUARD_H_

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/guard/guarded_queue.h"
#include "daemon/guard/rate_limit.h"
#include "daemon/guard/region_map.h"
#include "daemon/guard/word_field.h"
#include "dataplane/cache_line.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_shape.h"
#include "dataplane/ring_view.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::guard {

// What an engine is made of.
struct QueueParts {
  const layout::VerifiedLayout& layout;
  v1::Direction direction;
  const dataplane::QueueView& shadow;
  const dataplane::QueueView& real;
  RegionMap regions;
  GuardOptions options;
};

// Limits of the layout and the device together.
uint64_t LongestPacket(const v1::Limits& limits, const GuardOptions& options);
uint32_t MostDescriptors(const v1::Limits& limits, const GuardOptions& options,
                         uint32_t slot_count);
// The field of a role in a form. UNIMPLEMENTED: needed, and not there, or not within a word. Left
// as it is where it is not needed and not there.
absl::Status RoleInWord(const dataplane::QueueScope& scope, uint32_t form, layout::Role role,
                        bool needed, WordField* field);
// Whether completions in a ring name what they complete in ring number `target` in that way alone.
bool CompletesBy(const dataplane::RingShape& ring, v1::CompletionKey key, uint32_t target);
// Moves what was made to its place; the status.
template <typename T>
absl::Status Into(absl::StatusOr<T> made, T* place) {
  absl::Status status = made.status();
  if (status.ok()) *place = *std::move(made);
  return status;
}

class alignas(dataplane::kCacheLineBytes) QueueGuard {
 public:
  virtual ~QueueGuard() = default;

  // Client to device; what is wrong calls Stop. Not called any more after that.
  virtual uint32_t Forward(uint32_t budget) = 0;
  // Device to client.
  virtual uint32_t Return(uint32_t budget) = 0;
  virtual void SetNeedWakeup(bool need) = 0;

  // As GuardedQueue::WorkInNs.
  uint64_t WorkInNs();
  const std::optional<QueueFault>& fault() const { return fault_; }
  bool stopped() const { return fault_.has_value(); }
  const GuardCounters& counters() const { return counters_; }
  // As GuardedQueue's.
  virtual std::string How() const = 0;
  void SetRateLimit(TokenBuckets* buckets) { buckets_ = buckets; }

 protected:
  void Stop(device::FaultKind kind, uint32_t slot, uint64_t iova = 0, uint64_t length_bytes = 0);
  void StopForAddress(RegionMap::Verdict verdict, uint32_t slot, uint64_t iova,
                      uint64_t length_bytes);
  // Whether the rate limit makes a packet wait.
  bool MustWait() {
    if (buckets_ == nullptr || buckets_->Allows()) [[likely]] {
      return false;
    }
    counters_.limited.Add();
    return true;
  }
  bool has_rate_limit() const { return buckets_ != nullptr; }
  void TakeTokens(uint64_t bytes) {
    if (buckets_ != nullptr) buckets_->Take(bytes);
  }
  // How many of so many packets pass, one after the other; their tokens are taken. bytes: of each;
  // null: 0.
  uint32_t TakeTokens(uint32_t packets, const uint64_t* bytes) {
    if (buckets_ == nullptr) [[likely]] {
      return packets;
    }
    uint32_t passed = 0;
    for (; passed < packets && !MustWait(); ++passed) {
      buckets_->Take(bytes == nullptr ? 0 : bytes[passed]);
    }
    return passed;
  }

  GuardCounters counters_;

 private:
  // Whether Forward (Return) would move something, or find a fault, were there no rate limit.
  virtual bool HasPosted() = 0;
  virtual bool HasDone() = 0;
  // Whether a packet has begun to be forwarded, whose rest no limit holds up.
  virtual bool AmidPacket() const { return false; }

  std::optional<QueueFault> fault_;
  TokenBuckets* buckets_ = nullptr;
};

}  // namespace qsplit::guard

#endif  // QSPLIT_DAEMON_GUARD_QUEUE_GUARD_H_
