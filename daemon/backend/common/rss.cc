#include "daemon/backend/common/rss.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace qsplit::backend {

const RssKey kDefaultRssKey = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                               0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                               0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                               0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

void Rss::Leave(std::span<const uint32_t> queues) {
  for (const uint32_t queue : queues) outside_[queue] = true;
}

void Rss::Return(std::span<const uint32_t> queues) {
  for (const uint32_t queue : queues) outside_[queue] = false;
}

absl::Status Rss::Set(const device::RssConfig& config) {
  if (!config.indirection.empty()) {
    if (config.indirection.size() != entries_) {
      return absl::InvalidArgumentError(absl::StrCat("an RSS table of ", config.indirection.size(),
                                                     " entries; this device has ", entries_));
    }
    for (size_t i = 0; i < entries_; ++i) {
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
    wish_ = config.indirection;
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
  Table table(entries_);
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

}  // namespace qsplit::backend
