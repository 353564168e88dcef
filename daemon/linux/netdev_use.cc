#include "daemon/linux/netdev_use.h"

#include <linux/rtnetlink.h>
#include <netlink/cache.h>
#include <netlink/netlink.h>
#include <netlink/route/addr.h>
#include <netlink/route/link.h>
#include <netlink/route/nexthop.h>
#include <netlink/route/route.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"

namespace qsplit::linux_sys {
namespace {

struct Free {
  void operator()(nl_sock* socket) const { nl_socket_free(socket); }
  void operator()(nl_cache* cache) const { nl_cache_free(cache); }
  void operator()(rtnl_link* link) const { rtnl_link_put(link); }
};
using Socket = std::unique_ptr<nl_sock, Free>;
using Cache = std::unique_ptr<nl_cache, Free>;
using Link = std::unique_ptr<rtnl_link, Free>;

absl::Status NetlinkStatus(int error, const std::string& what) {
  return absl::UnavailableError(absl::StrCat("rtnetlink, ", what, ": ", nl_geterror(error)));
}

// Objects of a cache, from first to last.
template <typename Object, typename Visit>
void Each(const Cache& cache, Visit visit) {
  for (nl_object* at = nl_cache_get_first(cache.get()); at != nullptr; at = nl_cache_get_next(at)) {
    visit(reinterpret_cast<Object*>(at));
  }
}

// 169.254.0.0/16 (RFC 3927) and fe80::/10 (RFC 4291, 2.5.6).
bool IsLinkLocal(nl_addr* address) {
  uint8_t bytes[2];
  if (address == nullptr || nl_addr_get_len(address) < sizeof bytes) return false;
  std::memcpy(bytes, nl_addr_get_binary_addr(address), sizeof bytes);
  if (nl_addr_get_family(address) == AF_INET) return bytes[0] == 169 && bytes[1] == 254;
  return bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80;
}

std::string NameOf(rtnl_link* link) {
  const char* name = rtnl_link_get_name(link);
  return name != nullptr ? name : "";
}

std::string KindOf(rtnl_link* link) {
  const char* kind = rtnl_link_get_type(link);
  return kind != nullptr ? kind : "netdev";
}

void AddLinks(const Cache& links, rtnl_link* own, std::vector<std::string>& uses) {
  if (const int master = rtnl_link_get_master(own); master != 0) {
    const Link upper(rtnl_link_get(links.get(), master));
    uses.push_back(
        upper ? absl::StrCat("is a port of ", KindOf(upper.get()), " ", NameOf(upper.get()))
              : absl::StrCat("is a port of netdev number ", master));
  }
  Each<rtnl_link>(links, [&](rtnl_link* other) {
    int netns = 0;
    // Numbers of other namespaces' netdevs say nothing here, and a veth's is its peer.
    if (rtnl_link_get_link(other) != rtnl_link_get_ifindex(own) ||
        rtnl_link_get_link_netnsid(other, &netns) == 0 || KindOf(other) == "veth") {
      return;
    }
    uses.push_back(absl::StrCat("has ", NameOf(other), " on top of it"));
  });
}

void AddAddresses(const Cache& addresses, int index, std::vector<std::string>& uses) {
  Each<rtnl_addr>(addresses, [&](rtnl_addr* address) {
    nl_addr* local = rtnl_addr_get_local(address);
    if (rtnl_addr_get_ifindex(address) != index || local == nullptr || IsLinkLocal(local)) return;
    char text[128];
    uses.push_back(absl::StrCat("carries address ", nl_addr2str(local, text, sizeof text)));
  });
}

void AddDefaultRoutes(const Cache& routes, int index, std::vector<std::string>& uses) {
  bool seen[2] = {};
  Each<rtnl_route>(routes, [&](rtnl_route* route) {
    nl_addr* to = rtnl_route_get_dst(route);
    const bool ipv6 = rtnl_route_get_family(route) == AF_INET6;
    if ((to != nullptr && nl_addr_get_prefixlen(to) != 0) ||
        rtnl_route_get_type(route) != RTN_UNICAST || seen[ipv6 ? 1 : 0]) {
      return;
    }
    for (int i = 0; i < rtnl_route_get_nnexthops(route); ++i) {
      if (rtnl_route_nh_get_ifindex(rtnl_route_nexthop_n(route, i)) != index) continue;
      seen[ipv6 ? 1 : 0] = true;
      uses.push_back(ipv6 ? "carries the default route (IPv6)"
                          : "carries the default route (IPv4)");
      return;
    }
  });
}

}  // namespace

absl::StatusOr<std::vector<std::string>> NetdevUses(const std::string& netdev) {
  const Socket socket(nl_socket_alloc());
  if (!socket) return absl::ResourceExhaustedError("rtnetlink: no memory for a socket");
  if (const int error = nl_connect(socket.get(), NETLINK_ROUTE); error != 0) {
    return NetlinkStatus(error, "connect");
  }
  nl_cache* made = nullptr;
  if (const int error = rtnl_link_alloc_cache(socket.get(), AF_UNSPEC, &made); error != 0) {
    return NetlinkStatus(error, "links");
  }
  const Cache links(made);
  const Link own(rtnl_link_get_by_name(links.get(), netdev.c_str()));
  if (!own) return absl::NotFoundError(absl::StrCat("there is no netdev ", netdev, " here"));
  if (const int error = rtnl_addr_alloc_cache(socket.get(), &made); error != 0) {
    return NetlinkStatus(error, "addresses");
  }
  const Cache addresses(made);
  if (const int error = rtnl_route_alloc_cache(socket.get(), AF_UNSPEC, 0, &made); error != 0) {
    return NetlinkStatus(error, "routes");
  }
  const Cache routes(made);
  const int index = rtnl_link_get_ifindex(own.get());
  std::vector<std::string> uses;
  AddDefaultRoutes(routes, index, uses);
  AddAddresses(addresses, index, uses);
  AddLinks(links, own.get(), uses);
  return uses;
}

}  // namespace qsplit::linux_sys
