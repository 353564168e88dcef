#include "daemon/linux/xdp_features.h"

#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <cstring>

#include "absl/strings/str_cat.h"
#include "daemon/linux/netlink_exchange.h"

namespace qsplit::linux_sys {
namespace {

// include/uapi/linux/netdev.h, which Debian 12 has not.
constexpr char kFamily[] = "netdev";
constexpr uint8_t kFamilyVersion = 1;  // NETDEV_FAMILY_VERSION
constexpr uint8_t kDevGet = 1;         // NETDEV_CMD_DEV_GET
enum : int { kIfindex = 1, kXdpFeatures = 3, kZeroCopySegments = 4, kXskFeatures = 6, kMost = 16 };
enum : uint64_t { kBasic = 1, kRedirect = 2, kZeroCopy = 8, kRxSg = 32 };  // NETDEV_XDP_ACT_*
enum : uint64_t { kTxTimestamp = 1, kTxChecksum = 2 };                     // NETDEV_XSK_FLAGS_*

}  // namespace

absl::StatusOr<XdpFeatures> ReadXdpFeatures(const std::string& netns, uint32_t ifindex) {
  const absl::StatusOr<NetlinkSocket> socket = OpenNetlink(netns, NETLINK_GENERIC);
  if (!socket.ok()) return socket.status();
  const int family = genl_ctrl_resolve(socket->get(), kFamily);
  if (family < 0) {
    return absl::UnimplementedError("this kernel does not tell what drivers can do with XDP");
  }
  const NetlinkMessage message(nlmsg_alloc());
  if (!message ||
      genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family, 0, NLM_F_REQUEST, kDevGet,
                  kFamilyVersion) == nullptr ||
      nla_put_u32(message.get(), kIfindex, ifindex) != 0) {
    return absl::ResourceExhaustedError("no memory for a netlink message");
  }
  XdpFeatures features;
  const NetlinkAnswer answer = Exchange(socket->get(), message.get(), [&](nlmsghdr* reply) {
    nlattr* attributes[kMost + 1] = {};
    if (genlmsg_parse(reply, 0, attributes, kMost, nullptr) != 0) return;
    const auto number = [&attributes](int name) -> uint64_t {
      const nlattr* const at = attributes[name];
      if (at == nullptr) return 0;
      return nla_len(at) == sizeof(uint32_t) ? nla_get_u32(at) : nla_get_u64(at);
    };
    const uint64_t xdp = number(kXdpFeatures);
    const uint64_t xsk = number(kXskFeatures);
    features.native = (xdp & kBasic) != 0;
    features.redirect = (xdp & kRedirect) != 0;
    features.zero_copy = (xdp & kZeroCopy) != 0;
    features.multi_buffer = (xdp & kRxSg) != 0;
    features.zero_copy_segments = static_cast<uint32_t>(number(kZeroCopySegments));
    features.tx_timestamp = (xsk & kTxTimestamp) != 0;
    features.tx_checksum = (xsk & kTxChecksum) != 0;
  });
  if (answer.error != 0) {
    return absl::UnavailableError(absl::StrCat("XDP features of netdev ", ifindex, ": ",
                                               std::strerror(answer.error), " ",
                                               answer.kernel_says));
  }
  return features;
}

}  // namespace qsplit::linux_sys
