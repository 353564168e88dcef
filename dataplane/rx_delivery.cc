#include "dataplane/rx_delivery.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

absl::StatusOr<RxPacketRules> RxPacketRules::Compile(const QueueScope& scope, RxFields wanted) {
  const v1::PacketRule& from = scope.queue->packet();
  RxPacketRules rules;
  rules.span = from.span();
  if (rules.span == v1::SPAN_NEXT_INDEX) {
    return absl::UnimplementedError(absl::StrCat("queue ", scope.queue->name(),
                                                 ": received packets that chain by an index are "
                                                 "not driven by this build"));
  }
  if (from.length() != v1::LENGTH_MEANING_UNSPECIFIED) rules.length = from.length();
  rules.crc_bytes = from.length_includes_crc_bytes();
  rules.prefix_bytes = from.prefix_bytes();
  rules.length_includes_prefix = from.length_includes_prefix();
  if (!from.has_prefix_form()) return rules;
  rules.prefix_form = from.prefix_form();
  absl::StatusOr<RxProgram> prefix =
      RxProgram::Compile(scope, rules.prefix_form,
                         {wanted, scope.Form(rules.prefix_form).size_bytes(), {}, false, false});
  if (!prefix.ok()) return prefix.status();
  rules.prefix = *std::move(prefix);
  absl::StatusOr<std::optional<FieldAccess>> count = CountIn(scope, rules.prefix_form);
  if (!count.ok()) return count.status();
  rules.prefix_count = *std::move(count);
  return rules;
}

absl::StatusOr<std::optional<FieldAccess>> RxPacketRules::CountIn(const QueueScope& scope,
                                                                  uint32_t form) {
  const v1::PacketRule& packet = scope.queue->packet();
  if (packet.span() != v1::SPAN_COMPLETIONS && packet.span() != v1::SPAN_COUNT_IN_FIRST) {
    return std::optional<FieldAccess>();
  }
  for (const v1::FieldReference& reference : packet.fields()) {
    if (reference.form() != form) continue;
    const v1::Field& field = scope.Form(form).fields(static_cast<int>(reference.field()));
    if (!layout::Applies(field.features(), scope.choices)) continue;
    absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, scope.Form(form).size_bytes());
    if (!access.ok()) return access.status();
    return std::optional<FieldAccess>(*std::move(access));
  }
  return std::optional<FieldAccess>();
}

void RxDelivery::Open(std::span<RxCompletion> out) {
  out_ = out;
  count_ = 0;
  while (waiting_ > 0 && count_ < out.size()) {
    out[count_++] = ready_[ready_next_];
    ready_next_ = ready_next_ + 1 == ready_.size() ? 0 : ready_next_ + 1;
    --waiting_;
  }
}

void RxDelivery::Emit(const RxCompletion& completion) {
  if (count_ < out_.size()) {
    out_[count_++] = completion;
    return;
  }
  size_t at = size_t{ready_next_} + waiting_;
  if (at >= ready_.size()) at -= ready_.size();
  ready_[at] = completion;
  ++waiting_;
}

void RxDelivery::ReadPrefix(const RxBuffer& first, Prefix* prefix) const {
  prefix->there = rules_.prefix.has_value() && first.memory != nullptr &&
                  rules_.prefix_bytes <= std::min(first.bytes, kMaxDescriptorBytes);
  if (prefix->there) CopyShared(prefix->bytes.bytes, first.memory, rules_.prefix_bytes);
}

void RxDelivery::Deliver(std::span<const RxBuffer> buffers, uint32_t bytes, uint64_t offset,
                         bool last, const RxMetadata& meta) {
  const bool counted = rules_.length_includes_prefix;
  for (size_t i = 0; i < buffers.size(); ++i) {
    RxCompletion completion;
    completion.cookie = buffers[i].cookie;
    completion.first = !in_packet_;
    completion.last = last && i + 1 == buffers.size();
    completion.meta = meta;
    uint32_t skip =
        i == 0 ? static_cast<uint32_t>(std::min<uint64_t>(offset, buffers[i].bytes)) : 0;
    uint32_t here = std::min(bytes, buffers[i].bytes - skip);
    bytes -= here;
    if (completion.first && counted) {
      const uint32_t prefix = std::min(here, rules_.prefix_bytes);
      skip += prefix;
      here -= prefix;
    }
    completion.offset = skip;
    completion.length = here;
    in_packet_ = !completion.last;
    Emit(completion);
  }
}

void RxDelivery::DeliverDamaged(std::span<const RxBuffer> buffers) {
  RxMetadata meta;
  meta.error = true;
  meta.present = RxField::kError;
  Deliver(buffers, 0, 0, true, meta);
}

}  // namespace qsplit::dataplane
