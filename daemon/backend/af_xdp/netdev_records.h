// What the journal says of netdevs that were changed: how one was before, and the daemon's ntuple
// rules in it.
//
// A rule is written down twice: as it is asked for, before it goes into the NIC and while nothing
// stands in its place; then, in one step, as the NIC shows it, which may be in other words.
//
// A netdev has one former state, that of before the first change: a later daemon that finds the
// netdev still changed takes over what is written of it. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_RECORDS_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_RECORDS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/ethtool_link.h"
#include "daemon/linux/netdev_steering.h"

namespace qsplit::af_xdp {

// Which netdev. Its number is its own in its network namespace as long as it lives, and so is the
// namespace's number; names come again with others.
struct NetdevId {
  std::string netns;
  std::string netdev;
  uint32_t ifindex = 0;
  uint64_t netns_cookie = 0;  // NetnsCookie; 0: not known, names have to do

  bool operator==(const NetdevId& other) const {
    return ifindex == other.ifindex && netns_cookie == other.netns_cookie &&
           (netns_cookie != 0 || (netns == other.netns && netdev == other.netdev));
  }
};

struct NetdevRecords {
  struct Rule {
    journal::RecordId record = 0;
    linux_sys::NtupleRule rule{};
    bool shown = false;  // by the NIC; else only asked for, and perhaps never put in
  };

  NetdevId netdev;
  // As it was; absent: it stands no longer there, only rules do.
  std::optional<linux_sys::NetdevSteering> before;
  std::vector<journal::RecordId> former;  // the records that say so, oldest first
  // RSS tables of which one is there, as far as the daemon knows: the last, and the one that it was
  // about to set. Any other is somebody's wish. Empty: nothing is known.
  std::vector<std::vector<uint32_t>> tables;
  std::vector<Rule> rules;

  bool empty() const { return former.empty() && rules.empty(); }
};

// Newest netdev first. What does not read is left out, with an error in `damaged`.
std::vector<NetdevRecords> ReadNetdevRecords(const journal::Journal& journal,
                                             std::vector<absl::Status>* damaged);
// Those of one netdev; empty: there are none.
NetdevRecords RecordsOf(const journal::Journal& journal, const NetdevId& netdev);

// `before` and `tables` of `records`; one record more, or in the place of an older one.
absl::StatusOr<journal::RecordId> AddFormer(journal::Journal& journal,
                                            const NetdevRecords& records);
absl::StatusOr<journal::RecordId> ReplaceFormer(journal::Journal& journal, journal::RecordId older,
                                                const NetdevRecords& records);
absl::StatusOr<NetdevRecords::Rule> AskRule(journal::Journal& journal, const NetdevId& netdev,
                                            const linux_sys::NtupleRule& rule);
absl::StatusOr<NetdevRecords::Rule> ShowRule(journal::Journal& journal, const NetdevId& netdev,
                                             const NetdevRecords::Rule& asked,
                                             const linux_sys::NtupleRule& shown);

// Rules first: as long as one stands there, so does what the netdev was.
absl::Status Strike(journal::Journal& journal, const NetdevRecords& records);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_RECORDS_H_
