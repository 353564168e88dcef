// All that the daemon changes of a netdev and that outlives a process: channels, RSS table, ntuple
// filters and rules.
//
//   Open: how it is ──► before the first change: in the journal ──► changes ──► Restore: as it was
//   the daemon crashed ──► the next one: UndoLeftovers
//
// XDP programs and sockets are not among it: they end with the process. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_CHANGES_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_CHANGES_H_

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/backend/af_xdp/netdev_records.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::af_xdp {

class NetdevChanges {
 public:
  // Link, which is opened with the index, and journal outlive it. If the journal says already how
  // the netdev was, for nobody could undo that yet, this is what it goes back to. `filters`: the
  // feature without which some NICs take no ntuple rules.
  static absl::StatusOr<std::unique_ptr<NetdevChanges>> Open(
      const NetdevId& netdev, linux_sys::EthtoolLink& link, journal::Journal& journal,
      std::string filters = linux_sys::kNtupleFeature);
  // As Restore, without patience.
  ~NetdevChanges();
  NetdevChanges(const NetdevChanges&) = delete;
  NetdevChanges& operator=(const NetdevChanges&) = delete;

  const NetdevId& netdev() const { return records_.netdev; }
  linux_sys::EthtoolLink& link() const { return link_; }

  // All is as it was; a netdev that has been removed is left to itself, and so is another one of
  // its name. What the kernel refuses is tried for so long: it refuses fewer channels than AF_XDP
  // sockets use, and lets go of sockets some time after they were closed. On an error the rest
  // stays, and stands in the journal.
  absl::Status Restore(std::chrono::milliseconds patience);

  // Whether a netdev with these channels can have so many queues of each direction. OUT_OF_RANGE.
  static absl::Status CheckChannels(const std::string& netdev, const linux_sys::Channels& channels,
                                    uint32_t queues);
  // `queues` of each direction. OUT_OF_RANGE: it cannot have so many. UNIMPLEMENTED: it has no
  // channels. Otherwise as EthtoolLink.
  absl::Status SetChannels(uint32_t queues);
  // Ntuple filters, where they are off and can be turned on.
  absl::Status TurnOnFilters();
  // And off again, where they were.
  absl::Status TurnBackFilters();
  // The RSS table as it is. Where it is not what was read or set here last, it is the wish of
  // somebody else, and what Restore brings back.
  absl::StatusOr<linux_sys::RssState> ReadTable();
  absl::Status SetTable(const std::vector<uint32_t>& table);
  // At a location that is free. UNIMPLEMENTED: the driver chose another. Otherwise as
  // EthtoolLink::InsertRule.
  absl::Status AddRule(const linux_sys::NtupleRule& rule);
  // Somebody else's rule in its place stays.
  absl::Status RemoveRule(uint32_t location);

 private:
  NetdevChanges(linux_sys::EthtoolLink& link, journal::Journal& journal, std::string filters)
      : link_(link), journal_(journal), filters_(std::move(filters)) {}
  // Whether filters are not on by themselves, and can be turned on.
  bool FiltersAreOurs() const;
  absl::Status Note();
  absl::Status NoteAgain();

  linux_sys::EthtoolLink& link_;
  journal::Journal& journal_;
  const std::string filters_;
  NetdevRecords records_;                       // `before` also when nothing has been changed yet
  std::optional<std::vector<uint32_t>> table_;  // as last read or set
};

// Who answers ethtool's ioctls, instead of the kernel; null: the kernel.
using MakeIoctl = std::function<std::unique_ptr<linux_sys::EthtoolIoctl>()>;

// What a daemon that crashed has left. One error for each netdev that stays as it is, and in the
// journal.
std::vector<absl::Status> UndoLeftovers(journal::Journal& journal,
                                        const MakeIoctl& ioctl = nullptr);

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_CHANGES_H_
