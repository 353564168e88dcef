#include "daemon/guard/queue_guard.h"

#include <algorithm>

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

absl::Status CompileCompletions(const dataplane::QueueScope& scope,
                                const dataplane::RingForms& forms,
                                std::vector<DescriptorMask>* kept,
                                std::vector<std::optional<dataplane::FieldAccess>>* length) {
  for (uint32_t i = 0; i < forms.size(); ++i) {
    absl::StatusOr<DescriptorMask> mask = DescriptorMask::OfCompletion(scope, forms[i].form);
    if (!mask.ok()) return mask.status();
    kept->push_back(*mask);
    length->emplace_back();
    for (const dataplane::RoleField& from : dataplane::RoleFields(scope, forms[i].form)) {
      if (from.role != layout::Role::kPacketLength) continue;
      absl::StatusOr<dataplane::FieldAccess> field =
          dataplane::FieldAccess::Compile(*from.field, scope.Form(forms[i].form).size_bytes());
      if (!field.ok()) return field.status();
      length->back() = *std::move(field);
    }
  }
  return absl::OkStatus();
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
