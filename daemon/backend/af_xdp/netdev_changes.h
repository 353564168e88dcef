// All that the daemon changes of a netdev and that outlives a process: channels, RSS table, ntuple
// filters and rules.
//
//   Open: how it is ──► before the first change: in the journal ──► changes ──► the end: as it was
//   the daemon crashed ──► the next one: UndoLeftovers
//
// XDP programs and sockets are not among it: they end with the process. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_CHANGES_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_CHANGES_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_steering.h"

namespace qsplit::af_xdp {

// Which netdev, for the journal; the index tells whether the one of that name is still the same.
struct NetdevId {
  std::string netns;
  std::string netdev;
  uint32_t ifindex = 0;

  bool operator==(const NetdevId&) const = default;
};

class NetdevChanges {
 public:
  // Link and journal outlive it.
  static absl::StatusOr<std::unique_ptr<NetdevChanges>> Open(const NetdevId& netdev,
                                                             linux_sys::EthtoolLink& link,
                                                             journal::Journal& journal);
  // All is as it was. What cannot be changed back stays in the journal.
  ~NetdevChanges();
  NetdevChanges(const NetdevChanges&) = delete;
  NetdevChanges& operator=(const NetdevChanges&) = delete;

  const NetdevId& netdev() const { return netdev_; }
  linux_sys::EthtoolLink& link() const { return link_; }
  // As it was when it was opened.
  const linux_sys::NetdevSteering& before() const { return before_; }

  // `queues` of each direction. OUT_OF_RANGE: it cannot have so many. UNIMPLEMENTED: it has no
  // channels. Otherwise as EthtoolLink.
  absl::Status SetChannels(uint32_t queues);
  // Ntuple filters, where they are off and can be turned on.
  absl::Status TurnOnFilters();
  absl::Status SetTable(const std::vector<uint32_t>& table);
  absl::Status AddRule(const linux_sys::NtupleRule& rule);
  absl::Status RemoveRule(uint32_t location);

 private:
  struct Added {
    journal::RecordId record = 0;
    linux_sys::NtupleRule rule{};
  };

  NetdevChanges(NetdevId netdev, linux_sys::EthtoolLink& link, journal::Journal& journal)
      : netdev_(std::move(netdev)), link_(link), journal_(journal) {}
  absl::Status Note();

  const NetdevId netdev_;
  linux_sys::EthtoolLink& link_;
  journal::Journal& journal_;
  linux_sys::NetdevSteering before_;
  std::optional<journal::RecordId> record_;  // of `before_`
  std::map<uint32_t, Added> added_;          // by the NIC's location
};

// Who answers ethtool's ioctls, instead of the kernel; null: the kernel.
using MakeIoctl = std::function<std::unique_ptr<linux_sys::EthtoolIoctl>()>;

// What a daemon that crashed has left. One error for each netdev that stays as it is, and in the
// journal.
std::vector<absl::Status> UndoLeftovers(journal::Journal& journal,
                                        const MakeIoctl& ioctl = nullptr);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_CHANGES_H_
