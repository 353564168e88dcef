#include "dataplane/burst_cache.h"

#include "absl/strings/str_cat.h"
#include "dataplane/burst/code_memory.h"
#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::dataplane {

std::string BurstKey(std::string_view kind, const layout::VerifiedLayout& layout,
                     const QueueView& view, std::initializer_list<uint64_t> options) {
  const auto text = [](std::string_view part) {
    return absl::string_view(part.data(), part.size());
  };
  std::string key = absl::StrCat(text(kind), " ", text(layout.digest()), " ", view.layout_queue,
                                 " ", burst::CodeMemory::Allowed().ok() ? 1 : 0);
  for (const uint64_t option : options) absl::StrAppend(&key, " ", option);
  // Rings have their words' width by where they stand.
  for (uint32_t i = 0; i < view.ring_count && i < kMaxRings; ++i) {
    const RingView& ring = view.rings[i];
    absl::StrAppend(&key, " ", ring.slot_count, ":", reinterpret_cast<uintptr_t>(ring.slots) % 8,
                    ring.counts_for_increments ? "c" : "");
    for (const std::byte* cell : ring.cells) absl::StrAppend(&key, cell == nullptr ? "-" : "+");
  }
  key.push_back(' ');
  for (const uint8_t choice : view.features.choice) key.push_back(static_cast<char>('0' + choice));
  return key;
}

std::shared_ptr<const void> BurstCache::Find(const std::string& key) const {
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (entry.key == key) return entry.burst;
  }
  return nullptr;
}

void BurstCache::Keep(const std::string& key, std::shared_ptr<const void> burst) {
  const std::lock_guard lock(mutex_);
  if (entries_.size() == kMost) entries_.erase(entries_.begin());
  entries_.push_back({key, std::move(burst)});
}

}  // namespace qsplit::dataplane
