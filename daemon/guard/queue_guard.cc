#include "daemon/guard/queue_guard.h"

#include <algorithm>
#include <string>

#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/roles.h"

namespace qsplit::guard {

uint64_t LongestPacket(const v1::Limits& limits, const GuardOptions& options) {
  uint64_t longest =
      limits.max_bytes_per_packet() == 0 ? UINT64_MAX : limits.max_bytes_per_packet();
  if (options.max_segmented_bytes != 0) longest = std::min(longest, options.max_segmented_bytes);
  return longest;
}

uint32_t MostDescriptors(const v1::Limits& limits, const GuardOptions& options,
                         uint32_t slot_count) {
  uint32_t most = slot_count;
  if (limits.max_descriptors_per_packet() != 0) {
    most = std::min(most, limits.max_descriptors_per_packet());
  }
  if (options.max_descriptors != 0) most = std::min(most, options.max_descriptors);
  return most;
}

absl::Status RoleInWord(const dataplane::QueueScope& scope, uint32_t form, layout::Role role,
                        bool needed, WordField* field) {
  const v1::Form& message = scope.Form(form);
  for (const dataplane::RoleField& from : dataplane::RoleFields(scope, form)) {
    if (from.role == role) return Into(WordField::Compile(message, *from.field), field);
  }
  if (!needed) return absl::OkStatus();
  return absl::UnimplementedError(absl::StrCat("form ", message.name(), ": a guard needs ",
                                               std::string(layout::RoleName(role)), " in it"));
}

bool CompletesBy(const dataplane::RingShape& ring, v1::CompletionKey key, uint32_t target) {
  bool any = false;
  for (const v1::CompletionRule& rule : ring.ring->completes()) {
    if (!layout::Applies(rule.features(), ring.choices)) continue;
    if (any || rule.key() != key || rule.ring() != target || rule.cumulative() ||
        rule.when().any_of_size() > 0) {
      return false;
    }
    any = true;
  }
  return any;
}

uint64_t QueueGuard::WorkInNs() {
  if (HasDone()) return 0;
  if (stopped() || !HasPosted()) return GuardedQueue::kNoWork;
  return buckets_ == nullptr || AmidPacket() ? 0 : buckets_->WaitNs();
}

void QueueGuard::Stop(device::FaultKind kind, uint32_t slot, uint64_t iova, uint64_t length_bytes) {
  fault_ = {kind, slot, iova, length_bytes};
  counters_.faults.Add();
}

void QueueGuard::StopForAddress(RegionMap::Verdict verdict, uint32_t slot, uint64_t iova,
                                uint64_t length_bytes) {
  Stop(verdict == RegionMap::Verdict::kReadOnly ? device::FaultKind::kReadOnly
                                                : device::FaultKind::kUnmapped,
       slot, iova, length_bytes);
}

}  // namespace qsplit::guard
