#include "daemon/linux/netdev_steering.h"

#include <algorithm>
#include <cstring>

namespace qsplit::linux_sys {
namespace {

// What a netdev lacks is no error here.
template <typename Value, typename Kept>
absl::Status Keep(const absl::StatusOr<Value>& got, Kept& kept) {
  if (got.ok()) kept = *got;
  return absl::IsUnimplemented(got.status()) ? absl::OkStatus() : got.status();
}

bool IsEven(const std::vector<uint32_t>& table, uint32_t queues) {
  return queues != 0 && table == EvenRssTable(table.size(), queues);
}

// A table that cannot be set is nobody's wish.
absl::Status Reset(EthtoolLink& link) {
  absl::Status status = link.ResetRss();
  return absl::IsUnimplemented(status) ? absl::OkStatus() : status;
}

absl::Status RestoreChannelsAndRss(EthtoolLink& link, const NetdevSteering& before) {
  absl::Status first;
  absl::StatusOr<RssState> rss = absl::UnimplementedError("no RSS");
  if (before.rss.has_value() && !before.rss->table.empty()) {
    rss = link.GetRss();
    first.Update(rss.status());
  }
  absl::StatusOr<Channels> channels = absl::UnimplementedError("no channels");
  if (before.channels.has_value()) {
    channels = link.GetChannels();
    first.Update(channels.status());
  }
  if (channels.ok() && channels->now != *before.channels) {
    // The kernel refuses fewer channels than a table uses that is somebody's wish.
    if (rss.ok()) first.Update(Reset(link));
    first.Update(link.SetChannels(*before.channels));
    if (rss.ok()) rss = link.GetRss();
  }
  if (!rss.ok()) return first;
  const bool key_differs = rss->key != before.rss->key;
  // The kernel does not show whose wish an even table is; mostly it is nobody's.
  const bool even = channels.ok() && IsEven(before.rss->table, before.channels->rx_queues());
  if (key_differs || (!even && rss->table != before.rss->table)) {
    first.Update(link.SetRss(
        before.rss->table, key_differs ? std::span(before.rss->key) : std::span<const uint8_t>()));
  }
  if (even) first.Update(Reset(link));
  return first;
}

}  // namespace

absl::StatusOr<NetdevSteering> ReadSteering(EthtoolLink& link,
                                            std::span<const std::string> features) {
  NetdevSteering steering;
  const absl::StatusOr<Channels> channels = link.GetChannels();
  if (channels.ok()) {
    steering.channels = channels->now;
  } else if (!absl::IsUnimplemented(channels.status())) {
    return channels.status();
  }
  if (absl::Status status = Keep(link.GetRss(), steering.rss); !status.ok()) return status;
  // A driver that answers so takes no table either.
  if (steering.rss.has_value() && steering.rss->table.empty()) steering.rss.reset();
  Features known;
  if (absl::Status status = Keep(link.GetFeatures(), known); !status.ok()) return status;
  for (const std::string& name : features) {
    const auto found = known.find(name);
    if (found != known.end() && found->second.changeable)
      steering.features[name] = found->second.on;
  }
  return steering;
}

absl::Status RemoveRules(EthtoolLink& link, std::span<const NtupleRule> added) {
  absl::Status first;
  if (added.empty()) return first;
  const absl::StatusOr<NtupleTable> table = link.GetNtupleTable();
  // No filters, no rules.
  if (absl::IsUnimplemented(table.status())) return first;
  if (!table.ok()) return table.status();
  for (const NtupleRule& rule : added) {
    if (std::count(table->taken.begin(), table->taken.end(), rule.location) == 0) continue;
    const absl::StatusOr<NtupleRule> now = link.GetRule(rule.location);
    first.Update(now.status());
    if (now.ok() && SameRule(*now, rule)) first.Update(link.DeleteRule(rule.location));
  }
  return first;
}

absl::Status RestoreSteering(EthtoolLink& link, const NetdevSteering& before,
                             std::span<const NtupleRule> added) {
  absl::Status first = RemoveRules(link, added);
  first.Update(RestoreChannelsAndRss(link, before));
  for (const auto& [name, on] : before.features) first.Update(link.SetFeature(name, on));
  return first;
}

static_assert(sizeof(ethtool_flow_union) == sizeof(ethtool_flow_union::hdata));

bool SameRule(const NtupleRule& a, const NtupleRule& b) {
  return a.flow_type == b.flow_type && std::ranges::equal(a.h_u.hdata, b.h_u.hdata) &&
         std::memcmp(&a.h_ext, &b.h_ext, sizeof a.h_ext) == 0 &&
         std::ranges::equal(a.m_u.hdata, b.m_u.hdata) &&
         std::memcmp(&a.m_ext, &b.m_ext, sizeof a.m_ext) == 0 && a.ring_cookie == b.ring_cookie &&
         a.location == b.location;
}

}  // namespace qsplit::linux_sys
