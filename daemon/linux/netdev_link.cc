#include "daemon/linux/netdev_link.h"

#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <netlink/attr.h>
#include <netlink/msg.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/ethtool_status.h"
#include "daemon/linux/netns.h"

namespace qsplit::linux_sys {
namespace {

uint32_t Number(const nlattr* attribute) {
  return attribute != nullptr ? nla_get_u32(attribute) : 0;
}

NetdevFacts FactsOf(const ifinfomsg& head, nlattr* const* attributes) {
  NetdevFacts facts;
  facts.index = head.ifi_index;
  facts.mtu_bytes = Number(attributes[IFLA_MTU]);
  facts.up = (head.ifi_flags & IFF_UP) != 0;
  facts.carrier =
      facts.up && attributes[IFLA_CARRIER] != nullptr && nla_get_u8(attributes[IFLA_CARRIER]) != 0;
  // The flags say what an administrator asked for; the counts, also what programs did.
  facts.promiscuous = Number(attributes[IFLA_PROMISCUITY]) != 0;
  facts.all_multicast =
      (head.ifi_flags & IFF_ALLMULTI) != 0 || Number(attributes[IFLA_ALLMULTI]) != 0;
  facts.rx_queues = Number(attributes[IFLA_NUM_RX_QUEUES]);
  facts.tx_queues = Number(attributes[IFLA_NUM_TX_QUEUES]);
  if (const nlattr* mac = attributes[IFLA_ADDRESS];
      mac != nullptr && nla_len(mac) == static_cast<int>(facts.mac.size())) {
    std::memcpy(facts.mac.data(), nla_data(mac), facts.mac.size());
  }
  return facts;
}

}  // namespace

absl::StatusOr<std::unique_ptr<NetdevLink>> NetdevLink::Open(const std::string& netns,
                                                             const std::string& netdev) {
  absl::StatusOr<NetlinkSocket> socket = OpenNetlink(netns, NETLINK_ROUTE);
  if (!socket.ok()) return socket.status();
  std::unique_ptr<NetdevLink> link(new NetdevLink(netdev, *std::move(socket)));
  if (absl::Status there = link->GetFacts().status(); !there.ok()) return there;
  return link;
}

absl::Status NetdevLink::Ask(const std::function<void(const ifinfomsg&, nlattr* const*)>& read) {
  const NetlinkMessage message(nlmsg_alloc_simple(RTM_GETLINK, NLM_F_REQUEST));
  ifinfomsg head{};
  if (!message || nlmsg_append(message.get(), &head, sizeof head, NLMSG_ALIGNTO) != 0 ||
      nla_put_string(message.get(), IFLA_IFNAME, netdev_.c_str()) != 0) {
    return absl::ResourceExhaustedError("rtnetlink: no memory for a message");
  }
  bool answered = false;
  const std::lock_guard lock(mutex_);
  const NetlinkAnswer answer = Exchange(socket_.get(), message.get(), [&](nlmsghdr* reply) {
    nlattr* attributes[IFLA_ALLMULTI + 1] = {};
    if (nlmsg_parse(reply, sizeof head, attributes, IFLA_ALLMULTI, nullptr) != 0) return;
    read(*static_cast<const ifinfomsg*>(nlmsg_data(reply)), attributes);
    answered = true;
  });
  if (answer.error != 0) return EthtoolStatus(answer.error, netdev_, "facts", "RTM_GETLINK");
  if (!answered) {
    return absl::UnavailableError(
        absl::StrCat("rtnetlink: no answer about netdev ", netdev_, "; ask again"));
  }
  return absl::OkStatus();
}

absl::StatusOr<NetdevFacts> NetdevLink::GetFacts() {
  NetdevFacts facts;
  const absl::Status status = Ask([&facts](const ifinfomsg& head, nlattr* const* attributes) {
    facts = FactsOf(head, attributes);
  });
  if (!status.ok()) return status;
  return facts;
}

absl::StatusOr<NetdevCounters> NetdevLink::GetCounters() {
  rtnl_link_stats64 kernel{};
  const absl::Status status = Ask([&kernel](const ifinfomsg&, nlattr* const* attributes) {
    const nlattr* const at = attributes[IFLA_STATS64];
    // Younger kernels count more behind those that are known here.
    if (at != nullptr) {
      std::memcpy(&kernel, nla_data(at), std::min(sizeof kernel, static_cast<size_t>(nla_len(at))));
    }
  });
  if (!status.ok()) return status;
  return NetdevCounters{.rx_packets = kernel.rx_packets,
                        .rx_bytes = kernel.rx_bytes,
                        .tx_packets = kernel.tx_packets,
                        .tx_bytes = kernel.tx_bytes,
                        .rx_dropped = kernel.rx_dropped,
                        .tx_dropped = kernel.tx_dropped,
                        .rx_missed = kernel.rx_missed_errors,
                        .rx_fifo = kernel.rx_fifo_errors};
}

absl::StatusOr<NetdevWatch> NetdevWatch::Open(const std::string& netns) {
  OwnedFd fd;
  const absl::Status status = RunInNetns(netns, [&]() -> absl::Status {
    fd = OwnedFd(::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE));
    if (!fd.valid()) return ErrnoStatus(errno, "socket", "of rtnetlink");
    sockaddr_nl address{};
    address.nl_family = AF_NETLINK;
    address.nl_groups = RTMGRP_LINK;
    if (::bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      return ErrnoStatus(errno, "bind", "to the news of rtnetlink");
    }
    return absl::OkStatus();
  });
  if (!status.ok()) return status;
  return NetdevWatch(std::move(fd));
}

bool NetdevWatch::TakeNews(int index) {
  bool news = false;
  std::vector<uint64_t> buffer(32768 / sizeof(uint64_t));
  for (;;) {
    const ssize_t got =
        ::recv(fd_.get(), buffer.data(), buffer.size() * sizeof(uint64_t), MSG_TRUNC);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0 && errno == ENOBUFS) {
      news = true;
      continue;
    }
    if (got < 0) return news;
    const auto have = std::min(static_cast<size_t>(got), buffer.size() * sizeof(uint64_t));
    news = news || have < static_cast<size_t>(got);
    int left = static_cast<int>(have);
    for (auto* at = reinterpret_cast<nlmsghdr*>(buffer.data()); nlmsg_ok(at, left) != 0;
         at = nlmsg_next(at, &left)) {
      if (nlmsg_datalen(at) < static_cast<int>(sizeof(ifinfomsg))) continue;
      news = news || static_cast<const ifinfomsg*>(nlmsg_data(at))->ifi_index == index;
    }
  }
}

}  // namespace qsplit::linux_sys
