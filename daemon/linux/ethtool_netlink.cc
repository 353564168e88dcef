#include "daemon/linux/ethtool_netlink.h"

#include <linux/ethtool_netlink.h>
#include <linux/netlink.h>
#include <netlink/attr.h>
#include <netlink/errno.h>
#include <netlink/genl/ctrl.h>
#include <netlink/genl/genl.h>
#include <netlink/msg.h>

#include <cerrno>

#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {
namespace {

// The header's attribute has the same number in every request.
constexpr int kHeader = ETHTOOL_A_CHANNELS_HEADER;
static_assert(kHeader == ETHTOOL_A_RINGS_HEADER && kHeader == ETHTOOL_A_FEATURES_HEADER &&
              kHeader == ETHTOOL_A_LINKMODES_HEADER);

bool PutHeader(nl_msg* message, const std::string& netdev, uint32_t ifindex) {
  nlattr* header = nla_nest_start(message, kHeader);
  if (header == nullptr) return false;
  const int put = ifindex != 0 ? nla_put_u32(message, ETHTOOL_A_HEADER_DEV_INDEX, ifindex)
                               : nla_put_string(message, ETHTOOL_A_HEADER_DEV_NAME, netdev.c_str());
  return put == 0 && nla_nest_end(message, header) == 0;
}

}  // namespace

absl::StatusOr<std::unique_ptr<EthtoolNetlink>> EthtoolNetlink::Open(const std::string& netns) {
  absl::StatusOr<NetlinkSocket> socket = OpenNetlink(netns, NETLINK_GENERIC);
  if (!socket.ok()) return socket.status();
  const int family = genl_ctrl_resolve(socket->get(), ETHTOOL_GENL_NAME);
  if (family < 0) {
    return absl::UnimplementedError(absl::StrCat("generic netlink: this kernel has no family ",
                                                 ETHTOOL_GENL_NAME, ": ", nl_geterror(family)));
  }
  return std::unique_ptr<EthtoolNetlink>(new EthtoolNetlink(*std::move(socket), family));
}

NetlinkAnswer EthtoolNetlink::Call(uint8_t command, const std::string& netdev, uint32_t ifindex,
                                   const std::function<bool(nl_msg*)>& fill,
                                   const std::function<void(Attributes)>& read) {
  const NetlinkMessage message(nlmsg_alloc());
  if (!message ||
      genlmsg_put(message.get(), NL_AUTO_PORT, NL_AUTO_SEQ, family_, 0, NLM_F_REQUEST, command,
                  ETHTOOL_GENL_VERSION) == nullptr ||
      !PutHeader(message.get(), netdev, ifindex) || (fill && !fill(message.get()))) {
    return {.error = ENOMEM, .kernel_says = ""};
  }
  const std::lock_guard lock(mutex_);
  return Exchange(socket_.get(), message.get(), [&](nlmsghdr* reply) {
    nlattr* attributes[kMostAttributes + 1] = {};
    if (read && genlmsg_parse(reply, 0, attributes, kMostAttributes, nullptr) == 0) {
      read(attributes);
    }
  });
}

}  // namespace qsplit::linux_sys
