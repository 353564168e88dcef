#include "daemon/linux/ethtool_link.h"

#include <linux/ethtool_netlink.h>
#include <netlink/attr.h>

#include <cerrno>
#include <utility>

#include "daemon/linux/ethtool_status.h"

namespace qsplit::linux_sys {
namespace {

using Attributes = EthtoolNetlink::Attributes;

// 0 where the kernel leaves it out.
uint32_t Number(Attributes attributes, int which) {
  return attributes[which] != nullptr ? nla_get_u32(attributes[which]) : 0;
}

struct CountAttribute {
  uint32_t ChannelCounts::*count;
  int now, most;
};
constexpr CountAttribute kCounts[] = {
    {&ChannelCounts::rx, ETHTOOL_A_CHANNELS_RX_COUNT, ETHTOOL_A_CHANNELS_RX_MAX},
    {&ChannelCounts::tx, ETHTOOL_A_CHANNELS_TX_COUNT, ETHTOOL_A_CHANNELS_TX_MAX},
    {&ChannelCounts::other, ETHTOOL_A_CHANNELS_OTHER_COUNT, ETHTOOL_A_CHANNELS_OTHER_MAX},
    {&ChannelCounts::combined, ETHTOOL_A_CHANNELS_COMBINED_COUNT, ETHTOOL_A_CHANNELS_COMBINED_MAX},
};

}  // namespace

absl::StatusOr<std::unique_ptr<EthtoolLink>> EthtoolLink::Open(const std::string& netns,
                                                               const std::string& netdev,
                                                               std::unique_ptr<EthtoolIoctl> ioctl,
                                                               uint32_t ifindex) {
  absl::StatusOr<std::unique_ptr<EthtoolNetlink>> netlink = EthtoolNetlink::Open(netns);
  if (!netlink.ok()) return netlink.status();
  absl::StatusOr<NetdevName> name = NetdevName::Open(netns, ifindex);
  if (!name.ok()) return name.status();
  if (ioctl == nullptr) {
    absl::StatusOr<std::unique_ptr<EthtoolIoctl>> opened = OpenEthtoolIoctl(netns);
    if (!opened.ok()) return opened.status();
    ioctl = *std::move(opened);
  }
  return std::unique_ptr<EthtoolLink>(
      new EthtoolLink(netdev, ifindex, *std::move(name), *std::move(netlink), std::move(ioctl)));
}

bool EthtoolLink::Gone() const { return ifindex_ != 0 && absl::IsNotFound(name_.Ask().status()); }

absl::Status EthtoolLink::Ask(uint8_t command, const char* thing, const char* call,
                              const std::function<bool(nl_msg*)>& fill,
                              const std::function<void(Attributes)>& read) {
  const NetlinkAnswer answer = netlink_->Call(command, netdev_, ifindex_, fill, read);
  return EthtoolStatus(answer.error, netdev_, thing, call, answer.kernel_says);
}

absl::Status EthtoolLink::Ioctl(void* command, const char* thing, const char* call) {
  if (ifindex_ == 0) return EthtoolStatus(ioctl_->Call(netdev_, command), netdev_, thing, call);
  // An ioctl takes names only.
  const absl::StatusOr<std::string> name = name_.Ask();
  if (absl::IsNotFound(name.status())) return EthtoolStatus(ENODEV, netdev_, thing, call);
  if (!name.ok()) return name.status();
  return EthtoolStatus(ioctl_->Call(*name, command), netdev_, thing, call);
}

absl::StatusOr<Channels> EthtoolLink::GetChannels() {
  Channels channels;
  const absl::Status status = Ask(ETHTOOL_MSG_CHANNELS_GET, "channels", "ETHTOOL_MSG_CHANNELS_GET",
                                  {}, [&](Attributes attributes) {
                                    for (const CountAttribute& of : kCounts) {
                                      channels.now.*of.count = Number(attributes, of.now);
                                      channels.most.*of.count = Number(attributes, of.most);
                                    }
                                  });
  if (!status.ok()) return status;
  return channels;
}

absl::Status EthtoolLink::SetChannels(const ChannelCounts& counts) {
  // The kernel refuses even a 0 of a kind that the driver does not have.
  const absl::StatusOr<Channels> channels = GetChannels();
  if (!channels.ok()) return channels.status();
  if (channels->now == counts) return absl::OkStatus();
  return Ask(ETHTOOL_MSG_CHANNELS_SET, "channels that can be set", "ETHTOOL_MSG_CHANNELS_SET",
             [&](nl_msg* message) {
               for (const CountAttribute& of : kCounts) {
                 if (channels->now.*of.count != counts.*of.count &&
                     nla_put_u32(message, of.now, counts.*of.count) != 0) {
                   return false;
                 }
               }
               return true;
             },
             {});
}

absl::StatusOr<Rings> EthtoolLink::GetRings() {
  Rings rings;
  const absl::Status status =
      Ask(ETHTOOL_MSG_RINGS_GET, "rings", "ETHTOOL_MSG_RINGS_GET", {}, [&](Attributes attributes) {
        rings.now = {Number(attributes, ETHTOOL_A_RINGS_RX),
                     Number(attributes, ETHTOOL_A_RINGS_TX)};
        rings.most = {Number(attributes, ETHTOOL_A_RINGS_RX_MAX),
                      Number(attributes, ETHTOOL_A_RINGS_TX_MAX)};
      });
  if (!status.ok()) return status;
  return rings;
}

absl::StatusOr<uint32_t> EthtoolLink::GetSpeed() {
  uint32_t mbps = 0;
  const absl::Status status =
      Ask(ETHTOOL_MSG_LINKMODES_GET, "speed", "ETHTOOL_MSG_LINKMODES_GET", {},
          [&](Attributes attributes) { mbps = Number(attributes, ETHTOOL_A_LINKMODES_SPEED); });
  if (!status.ok()) return status;
  return mbps == static_cast<uint32_t>(SPEED_UNKNOWN) ? 0 : mbps;
}

}  // namespace qsplit::linux_sys
