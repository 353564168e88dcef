#include "daemon/linux/link_watch.h"

#include <linux/if.h>
#include <linux/rtnetlink.h>
#include <netlink/netlink.h>
#include <netlink/route/link.h>
#include <netlink/socket.h>
#include <poll.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/linux/eventfd.h"
#include "daemon/linux/netns.h"

namespace qsplit::linux_sys {
namespace {

struct FreeLink {
  void operator()(rtnl_link* link) const { rtnl_link_put(link); }
};
using Link = std::unique_ptr<rtnl_link, FreeLink>;

// By index, or by name where that is 0.
absl::StatusOr<Link> Ask(nl_sock* socket, uint32_t ifindex, const std::string& name) {
  rtnl_link* link = nullptr;
  const int error = rtnl_link_get_kernel(socket, static_cast<int>(ifindex),
                                         ifindex == 0 ? name.c_str() : nullptr, &link);
  if (error == 0) return Link(link);
  if (error == -NLE_NODEV || error == -NLE_OBJ_NOTFOUND) {
    return absl::NotFoundError(
        absl::StrCat("there is no netdev '", name,
                     "' in its network namespace; `ip link` shows those that are"));
  }
  return absl::UnavailableError(absl::StrCat("rtnetlink, netdev ", name, ": ", nl_geterror(error)));
}

LinkState StateOf(rtnl_link* link) {
  LinkState state;
  state.ifindex = static_cast<uint32_t>(rtnl_link_get_ifindex(link));
  const unsigned int flags = rtnl_link_get_flags(link);
  state.up = (flags & IFF_UP) != 0;
  state.carrier = state.up && (flags & IFF_LOWER_UP) != 0;
  state.promiscuous = (flags & IFF_PROMISC) != 0 || rtnl_link_get_promiscuity(link) > 0;
  state.all_multicast = (flags & IFF_ALLMULTI) != 0;
  state.mtu_bytes = rtnl_link_get_mtu(link);
  state.rx_queues = std::max(1u, rtnl_link_get_num_rx_queues(link));
  state.tx_queues = std::max(1u, rtnl_link_get_num_tx_queues(link));
  nl_addr* const address = rtnl_link_get_addr(link);
  if (address != nullptr && nl_addr_get_len(address) == state.mac.size()) {
    std::memcpy(state.mac.data(), nl_addr_get_binary_addr(address), state.mac.size());
  }
  return state;
}

}  // namespace

void LinkWatch::FreeSocket::operator()(nl_sock* socket) const { nl_socket_free(socket); }

absl::StatusOr<std::unique_ptr<LinkWatch>> LinkWatch::Open(const std::string& netns,
                                                           const std::string& netdev,
                                                           OnChange on_change) {
  std::unique_ptr<LinkWatch> watch(new LinkWatch);
  watch->events_.reset(nl_socket_alloc());
  watch->asks_.reset(nl_socket_alloc());
  if (watch->events_ == nullptr || watch->asks_ == nullptr) {
    return absl::ResourceExhaustedError("no memory for a netlink socket");
  }
  const absl::Status opened = RunInNetns(netns, [&]() -> absl::Status {
    nl_socket_disable_seq_check(watch->events_.get());
    int error = nl_connect(watch->events_.get(), NETLINK_ROUTE);
    if (error == 0) error = nl_connect(watch->asks_.get(), NETLINK_ROUTE);
    // Before the first look, so that nothing is missed.
    if (error == 0) error = nl_socket_add_memberships(watch->events_.get(), RTNLGRP_LINK, 0);
    if (error == 0) error = nl_socket_set_nonblocking(watch->events_.get());
    return error == 0 ? absl::OkStatus()
                      : absl::UnavailableError(absl::StrCat("rtnetlink: ", nl_geterror(error)));
  });
  if (!opened.ok()) return opened;
  absl::StatusOr<Link> link = Ask(watch->asks_.get(), 0, netdev);
  if (!link.ok()) return link.status();
  watch->state_ = StateOf(link->get());
  watch->ifindex_ = watch->state_.ifindex;
  watch->on_change_ = std::move(on_change);
  absl::StatusOr<OwnedFd> stop = CreateEventFd();
  if (!stop.ok()) return stop.status();
  watch->stop_ = *std::move(stop);
  watch->thread_ = std::thread([self = watch.get()] { self->Run(); });
  return watch;
}

absl::StatusOr<LinkState> LinkWatch::Look(const std::string& netns, const std::string& netdev) {
  Socket socket(nl_socket_alloc());
  if (socket == nullptr) return absl::ResourceExhaustedError("no memory for a netlink socket");
  LinkState state;
  const absl::Status looked = RunInNetns(netns, [&]() -> absl::Status {
    const int error = nl_connect(socket.get(), NETLINK_ROUTE);
    if (error != 0) {
      return absl::UnavailableError(absl::StrCat("rtnetlink: ", nl_geterror(error)));
    }
    absl::StatusOr<Link> link = Ask(socket.get(), 0, netdev);
    if (link.ok()) state = StateOf(link->get());
    return link.status();
  });
  if (!looked.ok()) return looked;
  return state;
}

LinkWatch::~LinkWatch() {
  if (!thread_.joinable()) return;
  SignalEventFd(stop_.get());
  thread_.join();
}

LinkState LinkWatch::state() const {
  const std::lock_guard lock(state_mutex_);
  return state_;
}

absl::StatusOr<LinkCounters> LinkWatch::Counters() const {
  const std::lock_guard lock(ask_mutex_);
  absl::StatusOr<Link> link = Ask(asks_.get(), ifindex_, {});
  if (!link.ok()) return link.status();
  const auto get = [&link](rtnl_link_stat_id_t id) { return rtnl_link_get_stat(link->get(), id); };
  LinkCounters counters;
  counters.rx_packets = get(RTNL_LINK_RX_PACKETS);
  counters.rx_bytes = get(RTNL_LINK_RX_BYTES);
  counters.tx_packets = get(RTNL_LINK_TX_PACKETS);
  counters.tx_bytes = get(RTNL_LINK_TX_BYTES);
  counters.rx_dropped = get(RTNL_LINK_RX_DROPPED);
  counters.tx_dropped = get(RTNL_LINK_TX_DROPPED);
  return counters;
}

void LinkWatch::Refresh() {
  LinkState now;
  {
    const std::lock_guard lock(ask_mutex_);
    absl::StatusOr<Link> link = Ask(asks_.get(), ifindex_, {});
    if (link.ok()) {
      now = StateOf(link->get());
    } else if (!absl::IsNotFound(link.status())) {
      return;  // it will be asked again at the next event
    }
  }
  const bool gone = now.ifindex == 0;
  {
    const std::lock_guard lock(state_mutex_);
    if (gone ? gone_ : now == state_) return;
    gone_ = gone;
    if (gone) {
      state_.up = state_.carrier = false;
    } else {
      state_ = now;
    }
  }
  on_change_(gone ? nullptr : &now);
}

void LinkWatch::Run() {
  const int events = nl_socket_get_fd(events_.get());
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {events, POLLIN, 0}};
  while (true) {
    if (::poll(fds, 2, -1) < 0) continue;  // EINTR
    if (fds[0].revents != 0) return;
    // What it says is asked for anew: events may be lost, and speak of every netdev.
    sockaddr_nl from;
    unsigned char* message = nullptr;
    while (nl_recv(events_.get(), &from, &message, nullptr) > 0) {
      free(message);
      message = nullptr;
    }
    Refresh();
  }
}

}  // namespace qsplit::linux_sys
