#include "daemon/backend/softnic/rss.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace qsplit::softnic {

void Rss::Leave(std::span<const uint32_t> queues) {
  for (const uint32_t queue : queues) outside_[queue] = true;
}

void Rss::Return(std::span<const uint32_t> queues) {
  for (const uint32_t queue : queues) outside_[queue] = false;
}

absl::Status Rss::Set(const device::RssConfig& config) {
  if (!config.indirection.empty()) {
    if (config.indirection.size() != kRssTableSize) {
      return absl::InvalidArgumentError(absl::StrCat("an RSS table of ", config.indirection.size(),
                                                     " entries; this device has ", kRssTableSize));
    }
    for (size_t i = 0; i < kRssTableSize; ++i) {
      const uint32_t queue = config.indirection[i];
      if (queue == device::kNoQueue) continue;
      if (queue >= outside_.size()) {
        return absl::InvalidArgumentError(absl::StrCat("RSS table entry ", i, ": queue ", queue,
                                                       "; the device has ", outside_.size()));
      }
      if (outside_[queue]) {
        return absl::InvalidArgumentError(
            absl::StrCat("RSS table entry ", i, ": queue ", queue, " is leased outside of RSS"));
      }
    }
    wish_.emplace();
    std::copy(config.indirection.begin(), config.indirection.end(), wish_->begin());
  } else {
    wish_.reset();
  }
  key_ = config.key;
  return absl::OkStatus();
}

Rss::Table Rss::Effective() const {
  std::vector<uint32_t> inside;
  for (uint32_t queue = 0; queue < outside_.size(); ++queue) {
    if (!outside_[queue]) inside.push_back(queue);
  }
  Table table;
  for (size_t i = 0; i < table.size(); ++i) {
    const uint32_t wish = wish_ ? (*wish_)[i] : device::kNoQueue;
    if (wish_ && (wish == device::kNoQueue || !outside_[wish])) {
      table[i] = wish;
    } else {
      table[i] = inside.empty() ? device::kNoQueue : inside[i % inside.size()];
    }
  }
  return table;
}

}  // namespace qsplit::softnic
