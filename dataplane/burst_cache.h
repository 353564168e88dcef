// Bursts that were made for one queue, kept for the next ones that are opened alike: making a plan
// asks the engines thousands of questions, and assembling code takes its time, too.
//
// Bursts are immutable, and live as long as somebody uses them, in the cache or not. Never on the
// packet path. Thread-safe: two that miss at once both make one.
#ifndef QSPLIT_DATAPLANE_BURST_CACHE_H_
#define QSPLIT_DATAPLANE_BURST_CACHE_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "dataplane/ring_view.h"

namespace qsplit::layout {
class VerifiedLayout;
}

namespace qsplit::dataplane {

// All that plans are made of: a kind of burst (which is one type), the layout, how its queue is set
// up, and whatever else the kind's engine decides by. Where rings stand is no part of it.
std::string BurstKey(std::string_view kind, const layout::VerifiedLayout& layout,
                     const QueueView& view, std::initializer_list<uint64_t> options);

class BurstCache {
 public:
  // The burst with this key: kept, or what make() gives, a pointer to one. Null is not kept, nor
  // what has no code because there was no memory for it: the next queue may get some. A null cache
  // keeps nothing.
  template <typename Burst, typename Make>
  static std::shared_ptr<const Burst> Get(BurstCache* cache, const std::string& key, Make&& make) {
    if (cache == nullptr) return make();
    if (auto kept = cache->Find(key); kept != nullptr) {
      return std::static_pointer_cast<const Burst>(std::move(kept));
    }
    std::shared_ptr<const Burst> made = make();
    if (made != nullptr && !absl::IsResourceExhausted(made->code_status())) cache->Keep(key, made);
    return made;
  }

 private:
  // Of too many, the one that was made first goes.
  static constexpr size_t kMost = 64;
  struct Entry {
    std::string key;
    std::shared_ptr<const void> burst;
  };
  std::shared_ptr<const void> Find(const std::string& key) const;
  void Keep(const std::string& key, std::shared_ptr<const void> burst);

  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_BURST_CACHE_H_
