// What ethtool says of one netdev, and sets: channels, rings, features, RSS, ntuple rules,
// statistics.
//
//   by netlink   channels, rings, features, speed, RSS read (Linux 6.2 on)
//   by ioctl     RSS set, ntuple rules, statistics, driver: netlink has them not, or not in every
//                kernel that we run on
//
// Nothing is remembered but which netdev: each call asks the kernel. It never undoes what it set;
// see netdev_steering.h. What the netdev lacks is UNIMPLEMENTED, with the netdev's name and what it
// is that it lacks; NOT_FOUND: no such netdev (any more); PERMISSION_DENIED: needs CAP_NET_ADMIN.
// Any thread.
#ifndef QSPLIT_DAEMON_LINUX_ETHTOOL_LINK_H_
#define QSPLIT_DAEMON_LINUX_ETHTOOL_LINK_H_

#include <linux/ethtool.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/linux/ethtool_ioctl.h"
#include "daemon/linux/ethtool_netlink.h"
#include "daemon/linux/netdev_name.h"

namespace qsplit::linux_sys {

// Interrupts with their queues: a combined one has a queue of both kinds.
struct ChannelCounts {
  uint32_t rx = 0, tx = 0, other = 0, combined = 0;

  uint32_t rx_queues() const { return rx + combined; }
  uint32_t tx_queues() const { return tx + combined; }
  bool operator==(const ChannelCounts&) const = default;
};
struct Channels {
  ChannelCounts now, most;
};

struct RingSlots {
  uint32_t rx = 0, tx = 0;
  bool operator==(const RingSlots&) const = default;
};
struct Rings {
  RingSlots now, most;
};

// By the kernel's name. `ethtool -k` calls some by older names: "ntuple-filters" is
// "rx-ntuple-filter", "rx-checksumming" is "rx-checksum".
struct Feature {
  bool on = false;
  bool changeable = false;
};
using Features = std::map<std::string, Feature>;
inline constexpr char kNtupleFeature[] = "rx-ntuple-filter";
// The NIC takes VLAN tags off what it receives; `ethtool -k` calls it "rx-vlan-offload".
inline constexpr char kTagsOffFeature[] = "rx-vlan-hw-parse";

struct RssState {
  std::vector<uint32_t> table;  // queues
  std::vector<uint8_t> key;     // empty: the driver shows none
  uint32_t hash_function = 0;   // a bit, numbered as the strings ETH_SS_RSS_HASH_FUNCS

  bool operator==(const RssState&) const = default;
};

// Rules in ethtool's form, which <linux/ethtool.h> describes: in m_u and m_ext a bit that is 1 is
// compared; numbers are big endian.
using NtupleRule = ethtool_rx_flow_spec;

struct NtupleTable {
  uint32_t slots = 0;           // locations are below it; 0: the driver does not say
  bool driver_chooses = false;  // it takes RX_CLS_LOC_ANY, RX_CLS_LOC_FIRST, RX_CLS_LOC_LAST
  std::vector<uint32_t> taken;  // locations, in the driver's order
};

struct DriverFacts {
  std::string driver;
  std::string bus;  // "0000:01:00.0"; empty: none
};

struct NicStatistic {
  std::string name;  // the driver's
  uint64_t value = 0;
};

class EthtoolLink {
 public:
  // Sockets are opened in `netns` (as RunInNetns) and kept. `ioctl`: who answers ioctls, instead of
  // the kernel. `ifindex`: that netdev and no other, whatever its name is by now; 0: the one that
  // has the name. NOT_FOUND: no such namespace; whether the netdev is there shows later.
  static absl::StatusOr<std::unique_ptr<EthtoolLink>> Open(
      const std::string& netns, const std::string& netdev,
      std::unique_ptr<EthtoolIoctl> ioctl = nullptr, uint32_t ifindex = 0);

  const std::string& netdev() const { return netdev_; }
  // The netdev of the number that it was opened with has been removed.
  bool Gone() const;

  absl::StatusOr<Channels> GetChannels();
  // INVALID_ARGUMENT: more than there can be, none for receiving or sending; or, with the kernel's
  // words, fewer than the RSS table or AF_XDP sockets use.
  absl::Status SetChannels(const ChannelCounts& counts);

  absl::StatusOr<Rings> GetRings();
  // Mbit/s; 0: unknown, or no carrier.
  absl::StatusOr<uint32_t> GetSpeed();

  absl::StatusOr<Features> GetFeatures();
  // UNIMPLEMENTED: no such feature, or it does not change. FAILED_PRECONDITION: the driver left it
  // as it was.
  absl::Status SetFeature(const std::string& name, bool on);

  absl::StatusOr<RssState> GetRss();
  // Sets the table and, where it is not empty, the key; many drivers take no key. The kernel counts
  // the table as an administrator's wish from then on, and refuses fewer channels than it uses.
  // INVALID_ARGUMENT: another number of entries, another length, an entry that is no queue.
  absl::Status SetRss(std::span<const uint32_t> table, std::span<const uint8_t> key = {});
  // Spreads the table evenly over all queues; nobody's wish any more.
  absl::Status ResetRss();

  absl::StatusOr<NtupleTable> GetNtupleTable();
  // Drivers without a rule there say NOT_FOUND or INVALID_ARGUMENT.
  absl::StatusOr<NtupleRule> GetRule(uint32_t location);
  absl::StatusOr<std::vector<NtupleRule>> GetRules();
  // ALREADY_EXISTS: a rule stands there.
  absl::Status CheckFree(uint32_t location);
  // Returns the location, which the driver has chosen where rule.location is RX_CLS_LOC_ANY.
  // ALREADY_EXISTS: the location is taken (most drivers would replace that rule).
  absl::StatusOr<uint32_t> InsertRule(const NtupleRule& rule);
  absl::Status DeleteRule(uint32_t location);

  absl::StatusOr<DriverFacts> GetDriver();
  absl::StatusOr<std::vector<NicStatistic>> GetStatistics();

 private:
  EthtoolLink(std::string netdev, uint32_t ifindex, NetdevName name,
              std::unique_ptr<EthtoolNetlink> netlink, std::unique_ptr<EthtoolIoctl> ioctl)
      : netdev_(std::move(netdev)),
        ifindex_(ifindex),
        name_(std::move(name)),
        netlink_(std::move(netlink)),
        ioctl_(std::move(ioctl)) {}

  // `thing` and `call` are for errors.
  absl::Status Ask(uint8_t command, const char* thing, const char* call,
                   const std::function<bool(nl_msg*)>& fill,
                   const std::function<void(EthtoolNetlink::Attributes)>& read);
  absl::Status Ioctl(void* command, const char* thing, const char* call);
  absl::StatusOr<RssState> GetRssByIoctl();

  const std::string netdev_;
  const uint32_t ifindex_;
  const NetdevName name_;
  const std::unique_ptr<EthtoolNetlink> netlink_;
  const std::unique_ptr<EthtoolIoctl> ioctl_;
};

// The table that ResetRss makes: entry i names queue i modulo `queues`.
std::vector<uint32_t> EvenRssTable(size_t entries, uint32_t queues);

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_ETHTOOL_LINK_H_
