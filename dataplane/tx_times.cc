#include "dataplane/tx_times.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

absl::StatusOr<std::optional<TimeField>> TimeField::Compile(const QueueScope& scope,
                                                            uint32_t form) {
  std::optional<TimeField> compiled;
  std::optional<FieldAccess> valid;
  for (const RoleField& from : RoleFields(scope, form)) {
    const bool is_time = from.role == layout::Role::kTimestamp;
    if (!is_time && from.role != layout::Role::kTimestampValid) continue;
    absl::StatusOr<FieldAccess> field =
        FieldAccess::Compile(*from.field, scope.Form(form).size_bytes());
    if (!field.ok()) return field.status();
    if (!is_time) {
      valid = *std::move(field);
      continue;
    }
    absl::StatusOr<Condition> when = Condition::Compile(*scope.layout, from.field->valid_when());
    if (!when.ok()) return when.status();
    compiled.emplace();
    compiled->time_ = *std::move(field);
    compiled->when_ = *std::move(when);
  }
  if (compiled.has_value()) compiled->valid_ = std::move(valid);
  return compiled;
}

void TimeField::Store(uint64_t time_ns, std::byte* bytes) const {
  if (valid_.has_value()) valid_->Store(bytes, 1);
  if (!when_.Holds(bytes)) return;
  if (!time_.Store(bytes, time_ns)) time_.StoreRaw(bytes, time_ns & time_.MaxRaw());
}

std::optional<std::pair<uint32_t, uint32_t>> TimeField::WholeBytes(uint32_t form_bytes) const {
  DescriptorBytes bits{};
  time_.StoreRaw(bits.bytes, time_.MaxRaw());
  if (valid_.has_value()) valid_->StoreRaw(bits.bytes, valid_->MaxRaw());
  uint32_t first = 0;
  while (first < form_bytes && bits.bytes[first] == std::byte{0}) ++first;
  uint32_t end = form_bytes;
  while (end > first && bits.bytes[end - 1] == std::byte{0}) --end;
  for (uint32_t i = first; i < end; ++i) {
    if (bits.bytes[i] != std::byte{0xff}) return std::nullopt;
  }
  return std::pair(first, end);
}

absl::StatusOr<TimePlaces> TimePlaces::Find(const QueueShape& queue, const TxRings& rings,
                                            const RingTxProgram& program,
                                            const RingForms* completions) {
  TimePlaces places;
  const QueueScope scope = ScopeOf(queue);
  for (const v1::ContextRule& rule : queue.queue->contexts()) {
    if (!rule.has_done_form() || program.before == TxProgram::kNoContext ||
        program.requests.contexts[static_cast<size_t>(program.before)].form != rule.form() ||
        !layout::Applies(scope.Form(rule.done_form()).features(), scope.choices)) {
      continue;
    }
    absl::StatusOr<std::optional<TimeField>> time = TimeField::Compile(scope, rule.done_form());
    if (!time.ok()) return time.status();
    if (!time->has_value()) continue;
    const v1::Form& form = scope.Form(rule.done_form());
    const auto range = (*time)->WholeBytes(form.size_bytes());
    if (!range.has_value()) {
      return absl::UnimplementedError(
          absl::StrCat("form ", form.name(), ": a time in parts of bytes, over a request"));
    }
    std::tie(places.before_first, places.before_end) = *range;
    places.before = *std::move(*time);
  }
  if (rings.how == TxReturn::kHead) {
    for (const uint32_t form : rings.posts->complete_forms) {
      if (places.slot.has_value()) break;
      absl::StatusOr<std::optional<TimeField>> time = TimeField::Compile(scope, form);
      if (!time.ok()) return time.status();
      if (scope.Form(form).size_bytes() <= rings.posts->ring->slot_bytes()) {
        places.slot = *std::move(time);
      }
    }
  }
  for (uint32_t i = 0; completions != nullptr && i < completions->size(); ++i) {
    absl::StatusOr<std::optional<TimeField>> time =
        TimeField::Compile(scope, (*completions)[i].form);
    if (!time.ok()) return time.status();
    places.in_completions = places.in_completions || time->has_value();
    places.completions.push_back(*std::move(time));
  }
  places.unasked = (places.in_completions || places.slot.has_value()) &&
                   !program.requests.features.Has(TxFeature::kTimestamp);
  return places;
}

TxTimes::TxTimes(TimePlaces places, uint32_t packets) : places_(std::move(places)) {
  if (!possible()) return;
  entries_.resize(packets);
  answers_.resize(packets);
}

std::optional<uint64_t> TxTimes::ReadBefore(const std::byte* request) const {
  DescriptorBytes copy;
  std::memset(copy.bytes, 0, sizeof(uint64_t) + places_.before_end);
  std::memcpy(copy.bytes + places_.before_first, request + places_.before_first,
              places_.before_end - places_.before_first);
  return places_.before->Load(copy.bytes);
}

void TxTimes::Want(uint32_t id, const std::byte* request) {
  Entry& entry = entries_[id];
  entry = {.waits = true, .noted = std::nullopt, .request = nullptr, .unanswered = 0};
  if (places_.before.has_value() && request != nullptr) {
    entry.request = request;
    entry.unanswered = ReadBefore(request).value_or(0);
  }
  ++waiting_;
}

void TxTimes::Note(uint32_t id, uint32_t form, const std::byte* completion) {
  if (form >= places_.completions.size() || !places_.completions[form].has_value()) return;
  entries_[id].noted = places_.completions[form]->Load(completion);
}

void TxTimes::Settle(uint32_t id, uint32_t cookie) {
  Entry& entry = entries_[id];
  entry.waits = false;
  --waiting_;
  std::optional<uint64_t> time = entry.noted;
  if (entry.request != nullptr) {
    // Nobody wrote there: the request's own bytes are no time.
    time = ReadBefore(entry.request);
    if (time == entry.unanswered) time = std::nullopt;
  }
  if (answers_end_ - answers_begin_ == answers_.size()) ++answers_begin_;
  answers_[answers_end_++ % answers_.size()] = {cookie, time};
}

uint32_t TxTimes::Take(std::span<TxTime> out) {
  uint32_t count = 0;
  while (count < out.size() && answers_begin_ != answers_end_) {
    out[count++] = answers_[answers_begin_++ % answers_.size()];
  }
  return count;
}

}  // namespace qsplit::dataplane
