#include "dataplane/compressed_completions.h"

#include <algorithm>
#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {

absl::StatusOr<CompressedCompletions> CompressedCompletions::Compile(const QueueScope& scope,
                                                                     const RingShape& ring,
                                                                     const RingForms& forms) {
  const v1::CompressedEntries& from = ring.ring->compressed();
  const v1::Form& title = scope.Form(from.title_form());
  const v1::Form& mini = scope.Form(from.mini_form());
  const int title_form = forms.Find(from.title_form());
  CompressedCompletions compiled;
  compiled.per_slot_ = std::max(from.per_slot(), 1u);
  compiled.mini_bytes_ = mini.size_bytes();
  compiled.array_bytes_ = compiled.per_slot_ * compiled.mini_bytes_;
  // Fields are read eight bytes at a time.
  if (title_form < 0 || forms[static_cast<uint32_t>(title_form)].slots != 1 ||
      compiled.array_bytes_ > ring.slots.slot_bytes() ||
      compiled.array_bytes_ + 8 > kMaxDescriptorBytes) {
    return absl::UnimplementedError(
        absl::StrCat(ring.Where(), ": small completions that do not fit into one slot"));
  }
  compiled.title_form_ = static_cast<uint32_t>(title_form);
  compiled.copy_bytes_ = std::max(8u, (title.size_bytes() + 7) / 8 * 8);
  compiled.slot_count_ = ring.slot_count;
  absl::StatusOr<Condition> when = Condition::Compile(*scope.layout, from.when());
  if (!when.ok()) return when.status();
  compiled.when_ = *std::move(when);
  absl::StatusOr<std::vector<FieldStore>> mark = compiled.when_.StoresThatMakeItTrue();
  if (!mark.ok()) return mark.status();
  compiled.mark_ = *std::move(mark);
  absl::StatusOr<FieldAccess> count = AccessReference(*scope.layout, from.count());
  if (!count.ok()) return count.status();
  compiled.count_ = *std::move(count);
  std::memset(compiled.inherited_.bytes, 0xff, sizeof compiled.inherited_.bytes);
  const std::vector<RoleField> title_fields = RoleFields(scope, from.title_form());
  for (const RoleField& small : RoleFields(scope, from.mini_form())) {
    for (const RoleField& full : title_fields) {
      if (full.role != small.role) continue;
      absl::StatusOr<FieldAccess> to = FieldAccess::Compile(*full.field, title.size_bytes());
      absl::StatusOr<FieldAccess> says = FieldAccess::Compile(*small.field, mini.size_bytes());
      if (!to.ok()) return to.status();
      if (!says.ok()) return says.status();
      to->StoreRaw(compiled.inherited_.bytes, 0);
      compiled.taken_.push_back({*std::move(says), *std::move(to)});
    }
  }
  return compiled;
}

uint32_t CompressedCompletions::Count(const std::byte* title) const {
  const uint64_t count = count_.Load(title);
  return count > slot_count_ ? 0 : static_cast<uint32_t>(count);
}

void CompressedCompletions::Merge(const std::byte* mini, std::byte* full) const {
  for (const Taken& taken : taken_) {
    const uint64_t value = taken.mini.Load(mini);
    if (!taken.title.Store(full, value)) taken.title.StoreRaw(full, taken.title.MaxRaw());
  }
}

bool CompressedCompletions::Alike(const DescriptorBytes& a, const DescriptorBytes& b) const {
  for (uint32_t at = 0; at < copy_bytes_; at += 8) {
    uint64_t words[3];
    std::memcpy(&words[0], a.bytes + at, 8);
    std::memcpy(&words[1], b.bytes + at, 8);
    std::memcpy(&words[2], inherited_.bytes + at, 8);
    if (((words[0] ^ words[1]) & words[2]) != 0) return false;
  }
  return true;
}

bool CompressedCompletions::Write(std::span<const DescriptorBytes> full,
                                  CompletionWriter* writer) const {
  for (const DescriptorBytes& one : full) {
    for (const Taken& taken : taken_) {
      if (!taken.mini.CanStore(taken.title.Load(one.bytes))) return false;
    }
  }
  DescriptorBytes title;
  CopyDescriptor(title.bytes, full.front().bytes, copy_bytes_);
  if (!count_.Store(title.bytes, full.size())) return false;
  for (const FieldStore& store : mark_) store.field.StoreRaw(title.bytes, store.raw);
  DescriptorBytes array;
  for (uint32_t i = 0; i < full.size(); ++i) {
    const uint32_t place = i % per_slot_;
    if (place == 0) array = DescriptorBytes{};
    for (const Taken& taken : taken_) {
      taken.mini.Store(array.bytes + size_t{place} * mini_bytes_, taken.title.Load(full[i].bytes));
    }
    if (place + 1 == per_slot_ || i + 1 == full.size()) {
      writer->WriteRaw(i == place ? 1 : i - place, array.bytes, array_bytes_);
    }
  }
  writer->Write(title_form_, title.bytes, writer->forms()[title_form_].bytes,
                static_cast<uint32_t>(full.size()));
  return true;
}

}  // namespace qsplit::dataplane
