// The RSS table and key of a netdev.
#include <linux/ethtool.h>
#include <linux/ethtool_netlink.h>
#include <netlink/attr.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::linux_sys {
namespace {

constexpr char kThing[] = "RSS table";

// <linux/ethtool_netlink.h> of Linux 6.2; the headers that we are built with may be older.
constexpr uint8_t kMsgRssGet = ETHTOOL_MSG_PSE_SET + 1;
constexpr int kRssHashFunction = 3;
constexpr int kRssTable = 4;
constexpr int kRssKey = 5;

// Both at once, the table first, as rss_config has them.
EthtoolCommand<ethtool_rxfh> Command(uint32_t command, uint32_t entries, uint32_t key_bytes) {
  EthtoolCommand<ethtool_rxfh> rxfh(command, entries * sizeof(uint32_t) + key_bytes);
  rxfh->indir_size = entries;
  rxfh->key_size = key_bytes;
  return rxfh;
}

}  // namespace

std::vector<uint32_t> EvenRssTable(size_t entries, uint32_t queues) {
  std::vector<uint32_t> table(entries);
  for (size_t i = 0; i < entries; ++i) table[i] = static_cast<uint32_t>(i % queues);
  return table;
}

absl::StatusOr<RssState> EthtoolLink::GetRss() {
  RssState rss;
  const absl::Status status = Ask(
      kMsgRssGet, kThing, "ETHTOOL_MSG_RSS_GET", {}, [&](EthtoolNetlink::Attributes attributes) {
        if (nlattr* hash = attributes[kRssHashFunction]) rss.hash_function = nla_get_u32(hash);
        if (nlattr* table = attributes[kRssTable]) {
          rss.table.resize(static_cast<size_t>(nla_len(table)) / sizeof(uint32_t));
          std::memcpy(rss.table.data(), nla_data(table), rss.table.size() * sizeof(uint32_t));
        }
        if (nlattr* key = attributes[kRssKey]) {
          const auto* bytes = static_cast<const uint8_t*>(nla_data(key));
          rss.key.assign(bytes, bytes + nla_len(key));
        }
      });
  // Before Linux 6.2 it is the command that is not supported.
  if (absl::IsUnimplemented(status)) return GetRssByIoctl();
  if (!status.ok()) return status;
  return rss;
}

absl::StatusOr<RssState> EthtoolLink::GetRssByIoctl() {
  EthtoolCommand<ethtool_rxfh> sizes = Command(ETHTOOL_GRSSH, 0, 0);
  if (absl::Status status = Ioctl(sizes.head(), kThing, "ETHTOOL_GRSSH"); !status.ok()) {
    return status;
  }
  EthtoolCommand<ethtool_rxfh> got = Command(ETHTOOL_GRSSH, sizes->indir_size, sizes->key_size);
  if (absl::Status status = Ioctl(got.head(), kThing, "ETHTOOL_GRSSH"); !status.ok()) {
    return status;
  }
  RssState rss{.hash_function = got->hfunc};
  const uint32_t* table = got->rss_config;
  rss.table.assign(table, table + sizes->indir_size);
  const auto* key = reinterpret_cast<const uint8_t*>(table + sizes->indir_size);
  rss.key.assign(key, key + sizes->key_size);
  return rss;
}

absl::Status EthtoolLink::SetRss(std::span<const uint32_t> table, std::span<const uint8_t> key) {
  EthtoolCommand<ethtool_rxfh> now = Command(ETHTOOL_GRSSH, 0, 0);
  if (absl::Status status = Ioctl(now.head(), kThing, "ETHTOOL_GRSSH"); !status.ok()) {
    return status;
  }
  if (table.empty() || table.size() != now->indir_size) {
    return absl::InvalidArgumentError(absl::StrCat("netdev ", netdev_, ": an RSS table of ",
                                                   table.size(), " entries; it has ",
                                                   now->indir_size));
  }
  if (!key.empty() && key.size() != now->key_size) {
    return absl::InvalidArgumentError(absl::StrCat("netdev ", netdev_, ": an RSS key of ",
                                                   key.size(), " bytes; it has ", now->key_size));
  }
  EthtoolCommand<ethtool_rxfh> set =
      Command(ETHTOOL_SRSSH, now->indir_size, static_cast<uint32_t>(key.size()));
  // Since Linux 6.8 the first of these is the transformation of the hash's input, where 0 turns it
  // off. The hash function's 0 leaves it as it is.
  set->rsvd8[0] = now->rsvd8[0];
  std::memcpy(set->rss_config, table.data(), table.size_bytes());
  if (!key.empty()) std::memcpy(set->rss_config + table.size(), key.data(), key.size());
  return Ioctl(set.head(), kThing, "ETHTOOL_SRSSH");
}

absl::Status EthtoolLink::ResetRss() {
  EthtoolCommand<ethtool_rxfh> now = Command(ETHTOOL_GRSSH, 0, 0);
  if (absl::Status status = Ioctl(now.head(), kThing, "ETHTOOL_GRSSH"); !status.ok()) {
    return status;
  }
  EthtoolCommand<ethtool_rxfh> set = Command(ETHTOOL_SRSSH, 0, 0);
  set->rsvd8[0] = now->rsvd8[0];
  return Ioctl(set.head(), kThing, "ETHTOOL_SRSSH");
}

}  // namespace qsplit::linux_sys
