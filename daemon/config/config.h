// The daemon's configuration, checked: what a TOML file said, or the default.
//
// Plain values with no owner and no lock; main.cc turns them into devices, policy and limits.
// Nothing here opens a device, a socket or a layout. docs/configuration.md describes the file.
#ifndef QSPLIT_DAEMON_CONFIG_CONFIG_H_
#define QSPLIT_DAEMON_CONFIG_CONFIG_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::config {

enum class LogFormat : uint8_t { kText, kJson };

// [daemon]
struct DaemonSection {
  std::string runtime_dir = "/run/qsplit";
  uint32_t session_socket_mode = 0666;
  uint32_t rpc_socket_mode = 0666;
  std::string layouts_dir;         // empty: beside the executable
  std::string log_level = "info";  // trace, debug, info, warning, error
  LogFormat log_format = LogFormat::kText;
};

// [limits]: what one uid, and all together, may keep open. They hold before policy is asked.
struct LimitsSection {
  uint32_t sessions = 4096;                // connections on session.sock
  uint32_t sessions_per_uid = 256;         //
  uint32_t rpc_connections = 1024;         // connections on qsplitd.sock
  uint32_t rpc_connections_per_uid = 64;   //
  uint32_t streams_per_connection = 32;    // RPCs at a time on one connection
  uint32_t watches = 4096;                 // watch streams, all together
  uint64_t rpc_memory_bytes = 256u << 20;  // buffers of all RPCs
  uint32_t rpc_idle_seconds = 3600;        // an RPC connection without calls is closed
};

enum class WireKind : uint8_t { kNone, kTap, kPeer };

// device.wire
struct Wire {
  WireKind kind = WireKind::kNone;
  std::string tap;    // kTap: netdev, made and removed by the daemon
  std::string netns;  // kTap: name or path of the network namespace; empty: the daemon's
  std::string peer;   // kPeer: name of the other device
};

// How a function is leased; absent: guarded for a physical function, direct for a virtual one.
enum class VfioMode : uint8_t { kDirect, kGuarded };
// How a function that is shared sends packets to its leases: by hash and rules, or by MAC address
// and VLAN to pools of queues.
enum class VfioSteering : uint8_t { kRss, kPools };

// Of [[device]], what only backend = "vfio" has. Exactly one of function, netdev and vf_of is
// given.
struct VfioSection {
  std::string function;        // PCI address, "0000:01:00.0"
  std::string netdev;          // whose function is meant
  std::string vf_of;           // name of a device that is a physical function of this daemon's, …
  std::optional<uint32_t> vf;  // … and which of its virtual functions
  std::optional<VfioMode> mode;
  bool allow_active = false;       // take it even if it carries an address or the default route
  std::optional<uint32_t> queues;  // at most so many of each direction; absent: all that it has
  VfioSteering steering = VfioSteering::kRss;
  uint32_t vfs = 0;              // virtual functions to switch on
  std::optional<uint16_t> vlan;  // of a vf_of: the tag that its packets get and lose on the wire
  std::string vf_token;  // UUID, for a virtual function whose physical one somebody else holds

  bool operator==(const VfioSection&) const = default;
};

// Who brings packets to the queues of a kernel netdev: the NIC's own rules, or an XDP program;
// auto: the NIC where it can.
enum class AfXdpSteering : uint8_t { kAuto, kNtuple, kXdp };
// Where the XDP program runs: in the driver, or behind it; auto: in the driver where it can.
enum class XdpMode : uint8_t { kAuto, kNative, kGeneric };
// Whether packets go between wire and regions without a copy; auto: where the driver can and the
// NIC steers, so that nobody else's packets pass through a lease's memory. Always: where the driver
// can.
enum class ZeroCopy : uint8_t { kAuto, kNever, kAlways };

// Of [[device]], what only backend = "af_xdp" has.
struct AfXdpSection {
  std::string netdev;
  std::string netns;                 // its network namespace; empty: the daemon's
  std::optional<uint32_t> queues;    // so many of the first may be leased; absent: all
  std::optional<uint32_t> channels;  // that the netdev is to have; absent: as it is
  AfXdpSteering steering = AfXdpSteering::kAuto;
  XdpMode xdp_mode = XdpMode::kAuto;
  ZeroCopy zero_copy = ZeroCopy::kAuto;
  uint32_t busy_poll_us = 0;  // 0: off

  bool operator==(const AfXdpSection&) const = default;
};

// [[device]]
struct DeviceSection {
  std::string name;
  std::string backend = "softnic";
  std::vector<std::string> layouts;           // empty: all loaded ones for packets
  std::optional<std::array<uint8_t, 6>> mac;  // absent: made from the name
  uint32_t mtu_bytes = 1500;
  std::optional<uint32_t> slots;    // of a ring, when the client names none; absent: the back end's
  std::optional<uint32_t> cpu;      // that its thread (worker, guard) is pinned to
  std::optional<VfioSection> vfio;  // with backend = "vfio"
  std::optional<AfXdpSection>
      af_xdp;          // with backend = "af_xdp"; what follows is the softnic's alone
  std::string worker;  // devices of one worker share its threads; empty: one of its own
  uint32_t threads = 1;
  std::vector<uint32_t> cpus;           // one for each thread, where there are several
  std::vector<uint32_t> queue_threads;  // by queue; empty: queue modulo `threads`
  uint32_t rx_queues = 8;
  uint32_t tx_queues = 8;
  Wire wire;
  std::string representor;        // netdev; empty: none
  std::string representor_netns;  // network namespace of it; empty: the daemon's
};

// tenant.quotas; absent: no limit but the device's.
struct Quotas {
  std::optional<uint32_t> sessions;
  std::optional<uint32_t> leases;
  std::optional<uint32_t> rx_queues;
  std::optional<uint32_t> tx_queues;
  std::optional<uint32_t> regions;
  std::optional<uint64_t> region_bytes;
  std::optional<uint32_t> rules;
  // How fast each lease may send; bursts are given only with their rates.
  std::optional<uint64_t> tx_packets_per_second;
  std::optional<uint64_t> tx_bytes_per_second;
  std::optional<uint64_t> burst_packets;
  std::optional<uint64_t> burst_bytes;
};

// tenant.may_transmit; kOrdinary: absent.
enum class MayTransmit : uint8_t { kOrdinary, kEverywhere, kNowhere, kNamed };

// One of tenant.source_ip: "10.0.0.0/24". Bits outside the prefix are 0.
struct IpPrefix {
  std::array<uint8_t, 16> address{};  // IPv4: the first 4 bytes, the rest 0
  uint8_t ip_version = 4;             // 4 or 6
  uint8_t bits = 0;

  bool operator==(const IpPrefix&) const = default;
};

// [[tenant]]
struct TenantSection {
  std::string name;
  std::vector<uint32_t> uids;  // users' names resolved
  std::vector<uint32_t> gids;  // groups' names resolved
  bool everybody = false;      // uids = "any"
  bool admin = false;
  bool all_devices = true;
  std::vector<std::string> devices;  // unless all_devices
  Quotas quotas;
  bool may_join_rss = false;
  MayTransmit may_transmit = MayTransmit::kOrdinary;
  std::vector<std::string> transmit_devices;  // with kNamed
  std::vector<std::array<uint8_t, 6>> source_macs;
  std::vector<IpPrefix> source_ips;
  bool source_required = true;  // source_check
  bool steer_any = false;
  std::vector<v1::FlowMatch> steer;  // scopes; a rule must lie inside one of them
};

struct Config {
  std::string file;  // where it came from; empty: the default
  DaemonSection daemon;
  LimitsSection limits;
  std::vector<DeviceSection> devices;
  std::vector<TenantSection> tenants;
};

// Numbers of users and groups; absent: there is none of this name.
struct NameResolver {
  std::function<std::optional<uint32_t>(const std::string&)> user;
  std::function<std::optional<uint32_t>(const std::string&)> group;

  static NameResolver System();
};

// INVALID_ARGUMENT: one line for each error, "FILE:LINE:COLUMN: KEY = VALUE: what is wrong; what
// is allowed". `file` only names the text in errors. A text without [[device]] gets the default
// devices; one without [[tenant]] makes `daemon_uid` the admin.
absl::StatusOr<Config> ParseConfig(std::string_view text, const std::string& file,
                                   const NameResolver& names, uint32_t daemon_uid);

// Reads the file (at most 1 MiB) and parses it.
absl::StatusOr<Config> LoadConfig(const std::string& file, const NameResolver& names,
                                  uint32_t daemon_uid);

// Two software NICs, nic0 and nic1, wired to each other, and `daemon_uid` as the admin: needs no
// privilege.
Config DefaultConfig(uint32_t daemon_uid);

// What a daemon with this configuration does, for people: one line for each socket, device and
// tenant.
std::string Describe(const Config& config);

}  // namespace qsplit::config

#endif  // QSPLIT_DAEMON_CONFIG_CONFIG_H_
