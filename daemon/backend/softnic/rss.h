// Which queue each value of the hash's low bits goes to, as queues come and go.
//
// The wish is what SetRss gave, or an even spread; the effective table is the wish with every entry
// of a queue that is out of RSS spread over those that are in it. A queue that comes back gets its
// entries back. Pure logic; one thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_RSS_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_RSS_H_

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "daemon/backend/softnic/config.h"
#include "daemon/backend/softnic/toeplitz.h"
#include "daemon/device/device.h"

namespace qsplit::softnic {

class Rss {
 public:
  using Table = std::array<uint32_t, kRssTableSize>;

  explicit Rss(uint32_t queues) : outside_(queues, false) {}

  // Takes queues out of RSS, gives them back.
  void Leave(std::span<const uint32_t> queues);
  void Return(std::span<const uint32_t> queues);

  // An empty table: spread evenly. INVALID_ARGUMENT: not kRssTableSize entries, an entry that is no
  // queue, or one that is out of RSS.
  absl::Status Set(const device::RssConfig& config);

  Table Effective() const;
  const RssKey& key() const { return key_; }

 private:
  std::vector<bool> outside_;  // by queue
  std::optional<Table> wish_;
  RssKey key_ = kDefaultRssKey;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_RSS_H_
