// Layouts that the session has fetched and verified: what has a digest never changes. Thread-safe.
#ifndef QSPLIT_CLIENT_LIB_SRC_LAYOUT_CACHE_H_
#define QSPLIT_CLIENT_LIB_SRC_LAYOUT_CACHE_H_

#include <cstddef>
#include <mutex>
#include <optional>
#include <string_view>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"

namespace qsplit::internal {

class LayoutCache {
 public:
  std::optional<layout::VerifiedLayout> Find(std::string_view digest) const {
    const std::lock_guard lock(mutex_);
    for (const layout::VerifiedLayout& layout : layouts_) {
      if (layout.digest() == digest) return layout;
    }
    return std::nullopt;
  }
  // Of too many the oldest goes.
  void Keep(const layout::VerifiedLayout& layout) {
    const std::lock_guard lock(mutex_);
    if (layouts_.size() == kMost) layouts_.erase(layouts_.begin());
    layouts_.push_back(layout);
  }

 private:
  static constexpr size_t kMost = 64;
  mutable std::mutex mutex_;
  std::vector<layout::VerifiedLayout> layouts_;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_LAYOUT_CACHE_H_
