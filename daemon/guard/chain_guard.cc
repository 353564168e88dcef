#include "daemon/guard/chain_guard.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "daemon/guard/descriptor_mask.h"

namespace qsplit::guard {

using dataplane::QueueScope;
using layout::Role;

absl::Status ChainGuard::ShapeQueues(const QueueParts& parts) {
  absl::Status status =
      Into(dataplane::ShapeQueue(parts.layout, parts.shadow, parts.direction), &shadow_shape_);
  if (!status.ok()) return status;
  return Into(dataplane::ShapeQueue(parts.layout, parts.real, parts.direction), &real_shape_);
}

absl::Status ChainGuard::CompileForms(const dataplane::RingShape& ring,
                                      const GuardOptions& options) {
  const v1::Queue& queue = *shadow_shape_.queue;
  const QueueScope scope = dataplane::ScopeOf(shadow_shape_);
  for (const uint32_t index : ring.post_forms) {
    absl::StatusOr<BufferForm> form =
        BufferForm::Compile(scope, index, queue.direction(), options, regions_);
    if (!form.ok()) return form.status();
    forms_.push_back(*std::move(form));
  }
  max_descriptors_ = MostDescriptors(queue.limits(), options, ring.slot_count);
  device_writes_ = queue.direction() == v1::DIRECTION_RECEIVE;
  prefix_bytes_ = queue.packet().prefix_bytes();
  if (device_writes_) return absl::OkStatus();
  const uint64_t longest = LongestPacket(queue.limits(), options);
  min_bytes_ = prefix_bytes_ + std::max<uint64_t>(queue.limits().min_bytes_per_packet(), 1);
  max_bytes_ = prefix_bytes_ + std::min(longest, UINT64_MAX - prefix_bytes_);
  return absl::OkStatus();
}

absl::Status ChainGuard::CompileDone(const dataplane::RingShape& ring, Role key, uint32_t word,
                                     DoneForm* done) {
  const QueueScope scope = dataplane::ScopeOf(shadow_shape_);
  const uint32_t form = ring.complete_forms.front();
  absl::StatusOr<DescriptorMask> kept = DescriptorMask::OfCompletion(scope, form);
  if (!kept.ok()) return kept.status();
  done->kept = {kept->words[0], kept->words[1]};
  absl::Status status = RoleInWord(scope, form, key, true, &done->key);
  if (status.ok()) status = RoleInWord(scope, form, Role::kPacketLength, false, &done->length);
  if (!status.ok()) return status;
  if (done->key.word == word && (!done->length.there() || done->length.word == word)) {
    return absl::OkStatus();
  }
  return absl::UnimplementedError(absl::StrCat("form ", scope.Form(form).name(),
                                               ": a guard reads completions out of one word"));
}

void ChainGuard::CountForwarded(uint32_t descriptors, uint64_t packets, uint64_t bytes) {
  if (descriptors != 0) counters_.descriptors.Add(descriptors);
  if (packets == 0 || device_writes_) return;
  counters_.packets.Add(packets);
  counters_.bytes.Add(bytes - packets * prefix_bytes_);
}

void ChainGuard::CountReturned(uint32_t completions, uint64_t bytes) {
  counters_.completions.Add(completions);
  if (!device_writes_) return;
  counters_.packets.Add(completions);
  counters_.bytes.Add(bytes);
}

}  // namespace qsplit::guard
