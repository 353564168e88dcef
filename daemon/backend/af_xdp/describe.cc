#include "daemon/backend/af_xdp/describe.h"

#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "daemon/backend/af_xdp/xdp_link.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_link.h"
#include "daemon/linux/netns.h"
#include "daemon/linux/xdp_features.h"

namespace qsplit::af_xdp {

absl::StatusOr<std::string> DescribeNetdev(const std::string& netns, const std::string& netdev) {
  const auto link = linux_sys::NetdevLink::Open(netns, netdev);
  const auto facts =
      link.ok() ? (*link)->GetFacts() : absl::StatusOr<linux_sys::NetdevFacts>(link.status());
  if (!facts.ok()) return facts.status();
  const auto ifindex = static_cast<uint32_t>(facts->index);
  std::vector<std::string> parts{facts->up ? "up" : "down"};
  const auto ethtool = linux_sys::EthtoolLink::Open(netns, netdev);
  if (ethtool.ok()) {
    if (const auto driver = (*ethtool)->GetDriver(); driver.ok()) {
      parts.push_back("driver " + driver->driver);
    }
    if (const auto channels = (*ethtool)->GetChannels(); channels.ok()) {
      parts.push_back(absl::StrCat(channels->now.rx_queues(), " receive and ",
                                   channels->now.tx_queues(), " transmit queues"));
    }
    const auto features = (*ethtool)->GetFeatures();
    const bool filters = features.ok() && features->contains(linux_sys::kNtupleFeature) &&
                         (features->at(linux_sys::kNtupleFeature).on ||
                          features->at(linux_sys::kNtupleFeature).changeable);
    parts.push_back(filters ? "ntuple filters" : "no ntuple filters");
  }
  if (const auto xdp = linux_sys::ReadXdpFeatures(netns, ifindex); xdp.ok()) {
    parts.push_back(xdp->native ? "native XDP" : "generic XDP only");
    parts.push_back(xdp->zero_copy ? "zero copy" : "no zero copy");
  }
  const absl::Status free =
      linux_sys::RunInNetns(netns, [&] { return CheckNoProgram(ifindex, netdev); });
  if (!free.ok()) parts.push_back(std::string(free.message()));
  return absl::StrJoin(parts, ", ");
}

}  // namespace qsplit::af_xdp
