// Which queue each value of the hash's low bits goes to, as queues come and go.
//
// The wish is what SetRss gave, or an even spread; the effective table is the wish with every entry
// of a queue that is out of RSS spread over those that are in it. A queue that comes back gets its
// entries back. Pure logic; one thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_COMMON_RSS_H_
#define QSPLIT_DAEMON_BACKEND_COMMON_RSS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "daemon/device/device.h"

namespace qsplit::backend {

using RssKey = std::array<uint8_t, device::kRssKeyBytes>;

// The key of the published test vectors, every NIC's habit.
extern const RssKey kDefaultRssKey;

class Rss {
 public:
  using Table = std::vector<uint32_t>;

  // entries: of the table, a power of two. inside: whether queues take part before anybody has
  // said so.
  Rss(uint32_t queues, uint32_t entries, bool inside)
      : entries_(entries), outside_(queues, !inside) {}

  // Takes queues out of RSS, gives them back.
  void Leave(std::span<const uint32_t> queues);
  void Return(std::span<const uint32_t> queues);

  // An empty table: spread evenly. INVALID_ARGUMENT: another number of entries, an entry that is no
  // queue, or one that is out of RSS.
  absl::Status Set(const device::RssConfig& config);

  Table Effective() const;
  const RssKey& key() const { return key_; }

 private:
  uint32_t entries_;
  std::vector<bool> outside_;  // by queue
  std::optional<Table> wish_;
  RssKey key_ = kDefaultRssKey;
};

}  // namespace qsplit::backend

#endif  // QSPLIT_DAEMON_BACKEND_COMMON_RSS_H_
