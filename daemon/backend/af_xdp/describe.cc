#include "daemon/backend/af_xdp/describe.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/backend/af_xdp/netdev_changes.h"
#include "daemon/backend/af_xdp/xdp_link.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_link.h"
#include "daemon/linux/netns.h"
#include "daemon/linux/xdp_features.h"

namespace qsplit::af_xdp {
namespace {

// What is found of a netdev on the way; absent: the kernel or the driver does not say.
struct Findings {
  std::optional<linux_sys::Channels> channels;
  uint32_t queues = 1;
  bool filters = false;
  std::optional<linux_sys::XdpFeatures> xdp;
};

// As NicSteering finds out when it takes the netdev.
absl::Status CheckNicSteers(const AfXdpConfig& config, const Findings& found,
                            linux_sys::EthtoolLink& ethtool) {
  const std::string wish = absl::StrCat("steering = \"ntuple\": netdev ", config.netdev);
  constexpr char kInstead[] = "; steering = \"auto\" has an XDP program steer instead";
  if (!found.filters) {
    return absl::UnimplementedError(absl::StrCat(wish, " has no ntuple filters", kInstead));
  }
  const absl::StatusOr<linux_sys::RssState> rss = ethtool.GetRss();
  if (!rss.ok() || rss->table.empty()) {
    return absl::UnimplementedError(absl::StrCat(wish, " has no RSS table", kInstead));
  }
  if (config.channels.value_or(found.queues) == 1) {
    return absl::UnimplementedError(
        absl::StrCat(wish, " has one queue, which must stay in its RSS table", kInstead));
  }
  return absl::OkStatus();
}

void CompareQueues(const AfXdpConfig& config, const Findings& found, NetdevReport* report) {
  if (config.channels) {
    const absl::Status status =
        found.channels
            ? NetdevChanges::CheckChannels(config.netdev, *found.channels, *config.channels)
            : absl::UnimplementedError(
                  absl::StrCat("netdev ", config.netdev, " has no channels; leave 'channels' out"));
    if (!status.ok()) report->errors.push_back(status);
  }
  const uint32_t queues = config.channels.value_or(found.queues);
  if (config.queues.value_or(0) > queues) {
    report->warnings.push_back(absl::StrCat("queues = ", *config.queues, ": netdev ", config.netdev,
                                            " has ", queues, ", and no more can be leased"));
  }
}

void CompareXdp(const AfXdpConfig& config, const Findings& found, NetdevReport* report) {
  if (!found.xdp) return;
  // Other channels may make another thing of the driver, veth for one.
  const bool as_it_is = config.channels.value_or(found.queues) == found.queues;
  if (config.xdp_mode == XdpWish::kNative && !found.xdp->native && as_it_is) {
    report->errors.push_back(absl::UnimplementedError(absl::StrCat(
        "xdp_mode = \"native\": the driver of ", config.netdev, " has no native XDP")));
  }
  if (config.zero_copy != ZeroCopyWish::kAlways) return;
  std::string why;
  if (!found.xdp->zero_copy) {
    why = absl::StrCat("the driver of ", config.netdev, " has no zero copy");
  } else if (config.xdp_mode == XdpWish::kGeneric) {
    why = "xdp_mode = \"generic\" does not run in the driver";
  }
  if (why.empty()) return;
  report->warnings.push_back(
      absl::StrCat("zero_copy = \"always\": ", why, ", so packets are copied"));
}

}  // namespace

absl::StatusOr<NetdevReport> ReportNetdev(const AfXdpConfig& config) {
  const std::string& netdev = config.netdev;
  const auto link = linux_sys::NetdevLink::Open(config.netns, netdev);
  const auto facts =
      link.ok() ? (*link)->GetFacts() : absl::StatusOr<linux_sys::NetdevFacts>(link.status());
  if (!facts.ok()) return facts.status();
  const auto ifindex = static_cast<uint32_t>(facts->index);
  NetdevReport report;
  Findings found{.queues = facts->rx_queues};
  std::vector<std::string> parts{facts->up ? "up" : "down"};
  const auto ethtool = linux_sys::EthtoolLink::Open(config.netns, netdev);
  if (ethtool.ok()) {
    if (const auto driver = (*ethtool)->GetDriver(); driver.ok()) {
      parts.push_back("driver " + driver->driver);
    }
    if (auto channels = (*ethtool)->GetChannels(); channels.ok()) {
      parts.push_back(absl::StrCat(channels->now.rx_queues(), " receive and ",
                                   channels->now.tx_queues(), " transmit queues"));
      found.queues = std::min(channels->now.rx_queues(), channels->now.tx_queues());
      found.channels = *channels;
    }
    const auto features = (*ethtool)->GetFeatures();
    found.filters = features.ok() && features->contains(linux_sys::kNtupleFeature) &&
                    (features->at(linux_sys::kNtupleFeature).on ||
                     features->at(linux_sys::kNtupleFeature).changeable);
    parts.push_back(found.filters ? "ntuple filters" : "no ntuple filters");
    if (config.steering == WhoSteers::kNtuple) {
      absl::Status status = CheckNicSteers(config, found, **ethtool);
      if (!status.ok()) report.errors.push_back(std::move(status));
    }
  }
  if (const auto xdp = linux_sys::ReadXdpFeatures(config.netns, ifindex); xdp.ok()) {
    parts.push_back(xdp->native ? "native XDP" : "generic XDP only");
    parts.push_back(xdp->zero_copy ? "zero copy" : "no zero copy");
    found.xdp = *xdp;
  }
  CompareQueues(config, found, &report);
  CompareXdp(config, found, &report);
  bool ours = false;
  const absl::Status free = linux_sys::RunInNetns(config.netns, [&] {
    absl::Status none = CheckNoProgram(ifindex, netdev);
    ours = !none.ok() && MayBeOurs(ifindex);
    return none;
  });
  if (ours) {
    parts.push_back(std::string(free.message()));
  } else if (!free.ok()) {
    report.errors.push_back(free);
  }
  report.text = absl::StrJoin(parts, ", ");
  return report;
}

}  // namespace qsplit::af_xdp
