// The configuration as its writer meets it: what is accepted, and the exact words of each refusal.
#include "daemon/config/config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>

namespace qsplit::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr uint32_t kDaemonUid = 4711;

NameResolver Names() {
  return {.user = [](const std::string& name) -> std::optional<uint32_t> {
            if (name == "alice") return 1001;
            return std::nullopt;
          },
          .group = [](const std::string& name) -> std::optional<uint32_t> {
            if (name == "net") return 2001;
            return std::nullopt;
          }};
}

absl::StatusOr<Config> Parse(std::string_view text) {
  return ParseConfig(text, "q.toml", Names(), kDaemonUid);
}

// The refusal's text; "accepted" when there was none.
std::string Refusal(std::string_view text) {
  const auto config = Parse(text);
  return config.ok() ? "accepted" : std::string(config.status().message());
}

TEST(Config, EmptyTextGivesPeersAndItsOwnUidAsAdmin) {
  const auto config = Parse("");
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->devices.size(), 2u);
  EXPECT_EQ(config->devices[0].wire.peer, "nic1");
  EXPECT_EQ(config->devices[1].wire.peer, "nic0");
  ASSERT_EQ(config->tenants.size(), 1u);
  EXPECT_TRUE(config->tenants[0].admin);
  EXPECT_THAT(config->tenants[0].uids, ElementsAre(kDaemonUid));
}

TEST(Config, ReadsEverything) {
  const auto config = Parse(R"(
[daemon]
runtime_dir = "/tmp/q"
layouts_dir = "/tmp/l"
session_socket_mode = 0o660
rpc_socket_mode = "0600"
log_level = "debug"
log_format = "json"
[limits]
sessions = 10
sessions_per_uid = 5
rpc_connections = 20
rpc_connections_per_uid = 6
streams_per_connection = 7
watches = 8
rpc_idle_seconds = 9
rpc_memory = "32MiB"
[[device]]
name = "nic0"
backend = "softnic"
layouts = ["a.b"]
rx_queues = 4
tx_queues = 2
mac = "02:00:00:00:00:0A"
mtu = 9000
slots = 1024
worker = "w1"
cpu = 3
wire = {tap = "qtap0", netns = "ns1"}
representor = "nic0"
[[tenant]]
name = "web"
uids = [1, 2]
users = ["alice"]
gids = [3]
groups = ["net"]
admin = true
devices = ["nic0"]
may_join_rss = true
quotas = {leases = 1, region_bytes = "1GiB", rules = 0}
steer = [
  {flow_type = "udp4", dst_port = 4242, dst_ip = "10.1.0.0/16"},
  {flow_type = "ether", dst_mac = "02:00:00:00:00:01", ether_type = 0x88b5, ether_type_mask = 0xffff},
]
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->daemon.runtime_dir, "/tmp/q");
  EXPECT_EQ(config->daemon.session_socket_mode, 0660u);
  EXPECT_EQ(config->daemon.rpc_socket_mode, 0600u);
  EXPECT_EQ(config->daemon.log_format, LogFormat::kJson);
  EXPECT_EQ(config->limits.sessions_per_uid, 5u);
  EXPECT_EQ(config->limits.rpc_memory_bytes, 32u << 20);
  const DeviceSection& device = config->devices.at(0);
  EXPECT_EQ(device.rx_queues, 4u);
  EXPECT_EQ(device.tx_queues, 2u);
  EXPECT_EQ((*device.mac)[5], 0x0a);
  EXPECT_EQ(device.wire.kind, WireKind::kTap);
  EXPECT_EQ(device.wire.netns, "ns1");
  EXPECT_EQ(device.cpu, 3u);
  const TenantSection& tenant = config->tenants.at(0);
  EXPECT_THAT(tenant.uids, ElementsAre(1, 2, 1001));
  EXPECT_THAT(tenant.gids, ElementsAre(3, 2001));
  EXPECT_FALSE(tenant.all_devices);
  EXPECT_EQ(tenant.quotas.region_bytes, uint64_t{1} << 30);
  EXPECT_EQ(tenant.quotas.rules, 0u);
  EXPECT_FALSE(tenant.quotas.sessions.has_value());
  ASSERT_EQ(tenant.steer.size(), 2u);
  EXPECT_EQ(tenant.steer[0].dst_port().value(), 4242u);
  EXPECT_EQ(tenant.steer[0].dst_port().mask(), 0xffffu);
  EXPECT_EQ(tenant.steer[0].dst_ip().mask(), std::string("\xff\xff\0\0", 4));
  EXPECT_EQ(tenant.steer[1].ether_type().value(), 0x88b5u);
}

constexpr char kFunctions[] = R"(
[[device]]
name = "pf"
backend = "vfio"
function = "0000:01:1F.0"
mode = "guarded"
allow_active = true
queues = 4
steering = "pools"
vfs = 2
mac = "02:00:00:00:00:01"
mtu = 9000
cpu = 1
layout = "intel.igb.advanced"
[[device]]
name = "vf1"
backend = "vfio"
vf_of = "pf"
vf = 1
[[device]]
name = "other"
backend = "vfio"
netdev = "eth1"
vf_token = "14D63F20-8445-11ea-8900-1f9ce7d5650d"
[[tenant]]
name = "slow"
uids = [1]
quotas = {tx_packets_per_second = 1000, tx_bytes_per_second = "1MiB", burst_bytes = "64KiB"}
)";

TEST(Config, ReadsPciFunctions) {
  const auto config = Parse(kFunctions);
  ASSERT_TRUE(config.ok()) << config.status();
  ASSERT_EQ(config->devices.size(), 3u);
  EXPECT_EQ(config->devices[0].vfio, (VfioSection{.function = "0000:01:1f.0",
                                                  .mode = VfioMode::kGuarded,
                                                  .allow_active = true,
                                                  .queues = 4,
                                                  .steering = VfioSteering::kPools,
                                                  .vfs = 2}));
  EXPECT_EQ(config->devices[0].mtu_bytes, 9000u);
  EXPECT_EQ(config->devices[0].cpu, 1u);
  EXPECT_EQ(config->devices[1].vfio, (VfioSection{.vf_of = "pf", .vf = 1}));
  EXPECT_EQ(config->devices[2].vfio,
            (VfioSection{.netdev = "eth1", .vf_token = "14d63f20-8445-11ea-8900-1f9ce7d5650d"}));
  const Quotas& quotas = config->tenants.at(0).quotas;
  EXPECT_EQ(quotas.tx_packets_per_second, 1000u);
  EXPECT_EQ(quotas.tx_bytes_per_second, 1u << 20);
  EXPECT_FALSE(quotas.burst_packets.has_value());
  EXPECT_EQ(quotas.burst_bytes, 64u << 10);
  EXPECT_THAT(
      Describe(*config),
      HasSubstr(
          "device         pf: vfio, function 0000:01:1f.0, guarded, at most 4 queues, steering by "
          "pools, 2 virtual functions, even if it is in use, mtu 9000, layouts intel.igb.advanced\n"
          "device         vf1: vfio, virtual function 1 of pf, guarded, or direct if it is a "
          "virtual function, all queues, steering by rss, mtu 1500, layouts all\n"
          "device         other: vfio, the function of netdev eth1, guarded, or direct if it is a "
          "virtual function, all queues, steering by rss, with a VF token, mtu 1500, layouts all\n"
          "tenant         slow: uid 1; devices any; steer 0 scopes; tx_packets_per_second 1000, "
          "tx_bytes_per_second 1048576, burst_bytes 65536\n"));
}

TEST(Config, FunctionsThatCannotBeAreRefused) {
  const auto vfio = [](const std::string& keys) {
    return Refusal("[[device]]\nname = \"a\"\nbackend = \"vfio\"\n" + keys);
  };
  EXPECT_EQ(vfio(""),
            "q.toml:1:1: device: exactly one of 'function', 'netdev' and 'vf_of' says "
            "which function it is");
  EXPECT_EQ(vfio("function = \"0000:01:00.0\"\nnetdev = \"eth1\"\n"),
            "q.toml:1:1: device: exactly one of 'function', 'netdev' and 'vf_of' says which "
            "function it is");
  for (const char* address : {"01:00.0", "0000:01:20.0", "0000:01:00.8", "0000:0g:00.0",
                              "0000:01:00.00", "0000-01:00.0", ""}) {
    EXPECT_EQ(vfio(std::string("function = \"") + address + "\"\n"),
              std::string("q.toml:4:12: device.function = '") + address +
                  "': no PCI address; allowed: such as \"0000:01:00.0\"");
  }
  EXPECT_EQ(vfio("function = \"0000:01:00.0\"\nmode = \"kernel\"\n"),
            "q.toml:5:8: device.mode = 'kernel': unknown; allowed: \"direct\", \"guarded\"");
  EXPECT_EQ(vfio("function = \"0000:01:00.0\"\nvf_token = \"1234\"\n"),
            "q.toml:5:12: device.vf_token = '1234': no UUID; allowed: such as "
            "\"14d63f20-8445-11ea-8900-1f9ce7d5650d\"");
  EXPECT_EQ(vfio("function = \"0000:01:00.0\"\nvf = 1\n"),
            "q.toml:5:6: device.vf = 1: there is no 'vf_of' that says of which device");
  EXPECT_EQ(vfio("vf_of = \"b\"\n"),
            "q.toml:1:1: device.vf is missing; the number of the virtual "
            "function, from 0 on\nq.toml:4:9: device.vf_of = 'b': no "
            "device 'b'; devices: a");
  EXPECT_EQ(
      vfio("vf_of = \"a\"\nvf = 0\nvfs = 1\nvf_token = "
           "\"14d63f20-8445-11ea-8900-1f9ce7d5650d\"\n"),
      "q.toml:4:9: device.vf_of = 'a': device 'a' has no virtual functions; it needs backend "
      "= \"vfio\" and 'vfs'\n"
      "q.toml:6:7: device.vfs = 1: a virtual function has no virtual functions\n"
      "q.toml:7:12: device.vf_token = '14d63f20-8445-11ea-8900-1f9ce7d5650d': the daemon owns "
      "the device of 'vf_of' and chose its token itself");
  // Keys of one back end are no keys of the other.
  EXPECT_EQ(
      vfio("function = \"0000:01:00.0\"\nwire = {peer = \"b\"}\nworker = \"w\"\n"),
      "q.toml:5:8: device.wire = {…}: only a device with backend = \"softnic\" has this; drop "
      "it\n"
      "q.toml:6:10: device.worker = 'w': only a device with backend = \"softnic\" has this; "
      "drop it");
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\nfunction = \"0000:01:00.0\"\nvfs = 1\n"),
            "q.toml:3:12: device.function = '0000:01:00.0': only a device with backend = \"vfio\" "
            "has this; drop it, or name that back end\n"
            "q.toml:4:7: device.vfs = 1: only a device with backend = \"vfio\" has this; drop it, "
            "or name that back end");
  const std::string pf =
      "[[device]]\nname = \"a\"\nbackend = \"vfio\"\nnetdev = \"eth1\"\nvfs = 2\n"
      "[[device]]\nname = \"b\"\n";
  EXPECT_EQ(Refusal(pf + "backend = \"vfio\"\nnetdev = \"eth1\"\n"),
            "q.toml:9:10: device.netdev = 'eth1': another device is this function already");
  EXPECT_EQ(Refusal(pf + "backend = \"vfio\"\nvf_of = \"a\"\nvf = 2\n"),
            "q.toml:10:6: device.vf = 2: device 'a' has virtual functions 0..1");
  EXPECT_EQ(Refusal(pf + "backend = \"vfio\"\nvf_of = \"a\"\nvf = 1\n[[device]]\nname = \"c\"\n"
                         "backend = \"vfio\"\nvf_of = \"a\"\nvf = 1\n"),
            "q.toml:15:6: device.vf = 1: another device is this function already");
  EXPECT_EQ(Refusal(pf + "wire = {peer = \"a\"}\n"),
            "q.toml:8:8: device.wire = {…}: device 'a' is no software NIC");
}

TEST(Config, BurstsBelongToRates) {
  const auto quotas = [](const std::string& text) {
    return Refusal("[[tenant]]\nname = \"t\"\nuids = [1]\nquotas = {" + text + "}\n");
  };
  EXPECT_EQ(quotas("burst_packets = 5"),
            "q.toml:4:27: tenant.quotas.burst_packets = 5: there is no 'tx_packets_per_second' "
            "that it is a burst of");
  EXPECT_EQ(quotas("burst_bytes = \"64KiB\", tx_packets_per_second = 9"),
            "q.toml:4:25: tenant.quotas.burst_bytes = '64KiB': there is no 'tx_bytes_per_second' "
            "that it is a burst of");
  EXPECT_THAT(quotas("tx_packets_per_second = 0"), HasSubstr("out of range"));
}

TEST(Config, OneEndOfAPeerWireSuffices) {
  const auto config = Parse(R"(
[[device]]
name = "a"
wire = {peer = "b"}
[[device]]
name = "b"
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->devices[1].wire.peer, "a");
}

TEST(Config, RefusalsSayPlaceKeyValueAndWhatIsAllowed) {
  EXPECT_EQ(Refusal("[daemon]\nruntime_dir = \"run\"\n"),
            "q.toml:2:15: daemon.runtime_dir = 'run': not an absolute path of at most 93 bytes");
  EXPECT_EQ(Refusal("[daemon]\nlog_level = \"loud\"\n"),
            "q.toml:2:13: daemon.log_level = 'loud': unknown; allowed: \"trace\", \"debug\", "
            "\"info\", \"warning\", \"error\"");
  EXPECT_EQ(Refusal("[[device]]\nname = \"nic0\"\nqueues = 65\n"),
            "q.toml:3:10: device.queues = 65: out of range; allowed: 1..64");
  EXPECT_EQ(Refusal("[[device]]\nname = \"nic0\"\nqueues = \"8\"\n"),
            "q.toml:3:10: device.queues = '8': not an integer; allowed: 1..64");
  EXPECT_EQ(Refusal("[[device]]\nname = \"nic0\"\nqueues = -1\n"),
            "q.toml:3:10: device.queues = -1: out of range; allowed: 1..64");
  EXPECT_EQ(Refusal("[[device]]\nname = \"Nic 0\"\n"),
            "q.toml:2:8: device.name = 'Nic 0': no name; allowed: 1..32 characters of a-z 0-9 _ -");
  EXPECT_EQ(Refusal("[[device]]\nname = \"n\"\nmac = \"03:00:00:00:00:01\"\n"),
            "q.toml:3:7: device.mac = '03:00:00:00:00:01': a multicast address; allowed: one whose "
            "first byte is even");
  EXPECT_EQ(Refusal("[[device]]\nname = \"n\"\nrepresentor = \"a name too long for it\"\n"),
            "q.toml:3:15: device.representor = 'a name too long for it': no netdev name; allowed: "
            "1..15 characters, no / : % space");
  EXPECT_EQ(Refusal("[daemon]\nrpc_socket_mode = 666\n"),
            "q.toml:2:19: daemon.rpc_socket_mode = 666: no permission bits; allowed: 0o000..0o777, "
            "as an octal integer (0o666) or string (\"0666\")");
  EXPECT_EQ(Refusal("[limits]\nrpc_memory = \"much\"\n"),
            "q.toml:2:14: limits.rpc_memory = 'much': no size; allowed: a number of bytes, or a "
            "string such as \"512MiB\" or \"2GiB\"");
  EXPECT_EQ(Refusal("[[tenant]]\nname = \"t\"\nusers = [\"bob\"]\n"),
            "q.toml:3:9: tenant.users = [ 'bob' ]: this machine has no user 'bob'; add it, or give "
            "its number");
  EXPECT_EQ(Refusal("[[tenant]]\nname = \"t\"\nuids = [1]\nsteer = \"some\"\n"),
            "q.toml:4:9: tenant.steer = 'some': allowed: \"any\", or an array of scopes");
}

TEST(Config, UnknownKeysAreRefusedWithASuggestion) {
  EXPECT_EQ(Refusal("[daemon]\nlog_levle = \"info\"\n"),
            "q.toml:2:1: daemon.log_levle: unknown key; did you mean 'log_level'? Allowed: "
            "layouts_dir, log_format, log_level, rpc_socket_mode, runtime_dir, "
            "session_socket_mode");
  EXPECT_EQ(Refusal("[devices]\nx = 1\n"),
            "q.toml:1:2: devices: unknown key; did you mean 'device'? Allowed: daemon, device, "
            "limits, tenant");
  EXPECT_THAT(Refusal("[[tenant]]\nname=\"t\"\nuids=[1]\nquotas={lease=1}\n"),
              HasSubstr("tenant.quotas.lease: unknown key; did you mean 'leases'?"));
}

TEST(Config, ScopesAreChecked) {
  const auto scope = [](std::string_view text) {
    return Refusal("[[tenant]]\nname = \"t\"\nuids = [1]\nsteer = [{" + std::string(text) + "}]\n");
  };
  EXPECT_EQ(scope("dst_port = 1"),
            "q.toml:4:10: tenant.steer.flow_type is missing; allowed: \"ether\", \"ip4\", \"ip6\", "
            "\"tcp4\", \"udp4\", \"sctp4\", \"tcp6\", \"udp6\", \"sctp6\", \"ah4\", \"esp4\", "
            "\"ah6\", \"esp6\"");
  EXPECT_EQ(scope("flow_type = \"ip4\", dst_port = 1"),
            "q.toml:4:41: tenant.steer.dst_port = 1: flow type ip4 has no such field");
  EXPECT_EQ(scope("flow_type = \"esp4\", l4_bytes = 1"),
            "q.toml:4:42: tenant.steer.l4_bytes = 1: flow type esp4 has no such field");
  EXPECT_EQ(scope("flow_type = \"udp4\", dst_port_mask = 1"),
            "q.toml:4:47: tenant.steer.dst_port_mask = 1: a mask without 'dst_port'");
  EXPECT_EQ(scope("flow_type = \"udp4\", dst_port = 3, dst_port_mask = 1"),
            "q.toml:4:42: tenant.steer.dst_port = 3: has bits outside its mask 0x1");
  EXPECT_EQ(scope("flow_type = \"udp4\", dst_ip = \"10.0.0.1/8\""),
            "q.toml:4:40: tenant.steer.dst_ip = '10.0.0.1/8': has bits outside its mask; clear "
            "them");
  EXPECT_EQ(scope("flow_type = \"udp6\", dst_ip = \"10.0.0.1\""),
            "q.toml:4:40: tenant.steer.dst_ip = '10.0.0.1': no IPv6 address; allowed: such as "
            "\"fd00::/8\"");
  EXPECT_EQ(scope("flow_type = \"udp4\", dst_ip = \"10.0.0.0/33\""),
            "q.toml:4:40: tenant.steer.dst_ip = '10.0.0.0/33': the prefix length must be 1..32");
}

TEST(Config, NamesThatDoNotFitTogetherAreRefused) {
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\nwire = {peer = \"b\"}\n"),
            "q.toml:3:8: device.wire = {…}: no device 'b'; devices: a");
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\nwire = {peer = \"a\"}\n"),
            "q.toml:3:8: device.wire = {…}: a device cannot be its own peer");
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\n[[device]]\nname = \"a\"\n"),
            "q.toml:4:8: device.name = 'a': another device has this name already");
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\nwire = {tap = \"t\", peer = \"b\"}\n"),
            "q.toml:3:8: device.wire: exactly one of 'tap' and 'peer' is needed");
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\nqueues = 2\nrx_queues = 1\n"),
            "q.toml:4:13: device.rx_queues = 1: 'queues' sets both already; give one or the other");
  EXPECT_EQ(Refusal("[[device]]\nname=\"a\"\nwire={tap=\"t\"}\nrepresentor=\"t\"\n"),
            "q.toml:4:13: device.representor = 't': netdev 't' is used twice");
  EXPECT_EQ(Refusal("[[tenant]]\nname = \"t\"\nuids = [1]\ndevices = [\"eth9\"]\n"),
            "q.toml:4:11: tenant.devices = [ 'eth9' ]: no device 'eth9'; devices: nic0, nic1");
  EXPECT_EQ(Refusal("[[tenant]]\nname = \"t\"\n"),
            "q.toml:1:1: tenant: nobody belongs to it; give one of 'uids', 'users', 'gids', "
            "'groups'");
  EXPECT_EQ(Refusal("[[tenant]]\nuids = [1]\n"),
            "q.toml:1:1: tenant.name is missing; allowed: 1..32 characters of a-z 0-9 _ -");
}

TEST(Config, AllErrorsAreReportedInTheirOrder) {
  EXPECT_EQ(Refusal("[[device]]\nname = \"a\"\nmtu = 1\n[daemon]\nlog_format = \"xml\"\n"),
            "q.toml:3:7: device.mtu = 1: out of range; allowed: 68..9216\n"
            "q.toml:5:14: daemon.log_format = 'xml': unknown; allowed: \"text\", \"json\"");
}

TEST(Config, BrokenTomlIsRefusedWithItsPlace) {
  EXPECT_THAT(Refusal("[daemon\n"), ::testing::StartsWith("q.toml:1:8: "));
  EXPECT_THAT(Refusal("a = 1\na = 2\n"), ::testing::StartsWith("q.toml:2:"));
}

TEST(Config, FilesAreReadAndTheirAbsenceIsSaid) {
  const auto missing = LoadConfig("/nonexistent/q.toml", Names(), kDaemonUid);
  EXPECT_EQ(missing.status().message(), "/nonexistent/q.toml: cannot be opened for reading");
  const std::string path = testing::TempDir() + "/q" + std::to_string(getpid()) + ".toml";
  std::ofstream(path) << "[limits]\nsessions = 3\n";
  const auto config = LoadConfig(path, Names(), kDaemonUid);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->limits.sessions, 3u);
  std::ofstream(path) << std::string((1 << 20) + 1, '#');
  EXPECT_EQ(LoadConfig(path, Names(), kDaemonUid).status().message(), path + ": longer than 1 MiB");
  unlink(path.c_str());
}

TEST(Config, DescribeNamesSocketsDevicesAndTenants) {
  const std::string text = Describe(DefaultConfig(kDaemonUid));
  EXPECT_THAT(text, HasSubstr("/run/qsplit/session.sock, mode 0666"));
  EXPECT_THAT(text, HasSubstr("device         nic0: softnic, 8 rx and 8 tx queues, mtu 1500, wire "
                              "peer nic1, representor none, layouts all"));
  EXPECT_THAT(text, HasSubstr("tenant         operator: uid 4711, admin; devices any; steer any"));
}

}  // namespace
}  // namespace qsplit::config
