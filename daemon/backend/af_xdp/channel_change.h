// How many queues a netdev has, changed for as long as a device needs it, and back.
//
//   Make ──► journal: what it was ──► the netdev has another number ──► ~ChannelChange: as it was
//   the daemon crashed ──► the next one: UndoChannels
//
// One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_CHANNEL_CHANGE_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_CHANNEL_CHANGE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/journal/journal.h"
#include "daemon/linux/ethtool_link.h"

namespace qsplit::af_xdp {

// Record "netdev-channels": a netdev's counts as they were. The index tells whether the netdev of
// that name is still the same one.
struct FormerChannels {
  static constexpr char kKind[] = "netdev-channels";

  std::string netns;
  std::string netdev;
  uint32_t ifindex = 0;
  linux_sys::ChannelCounts counts;

  journal::Fields ToFields() const;
};
// DATA_LOSS: no such record, or a field is missing or does not read.
absl::StatusOr<FormerChannels> FormerChannelsOf(const journal::Record& record);

// Sets the counts as they were. OK as well where the netdev has gone.
absl::Status UndoChannels(const FormerChannels& former);

class ChannelChange {
 public:
  // Both outlive it. Null: the netdev has `queues` of each direction already. OUT_OF_RANGE: it
  // cannot have so many. Otherwise as EthtoolLink.
  static absl::StatusOr<std::unique_ptr<ChannelChange>> Make(const std::string& netns,
                                                             uint32_t ifindex, uint32_t queues,
                                                             linux_sys::EthtoolLink& link,
                                                             journal::Journal& journal);
  // What cannot be changed back stays in the journal.
  ~ChannelChange();
  ChannelChange(const ChannelChange&) = delete;
  ChannelChange& operator=(const ChannelChange&) = delete;

 private:
  ChannelChange(const linux_sys::ChannelCounts& former, journal::RecordId record,
                linux_sys::EthtoolLink& link, journal::Journal& journal)
      : former_(former), record_(record), link_(link), journal_(journal) {}

  const linux_sys::ChannelCounts former_;
  const journal::RecordId record_;
  linux_sys::EthtoolLink& link_;
  journal::Journal& journal_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_CHANNEL_CHANGE_H_
