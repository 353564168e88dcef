// Devices that are kernel netdevs: from the file's words to plain values.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "daemon/config/config.h"

namespace qsplit::config {
namespace {

using ::testing::HasSubstr;

absl::StatusOr<Config> Parse(const std::string& keys) {
  const NameResolver nobody{.user = [](const std::string&) { return std::nullopt; },
                            .group = [](const std::string&) { return std::nullopt; }};
  return ParseConfig("[[device]]\nname = \"a\"\nbackend = \"af_xdp\"\n" + keys, "q.toml", nobody,
                     0);
}

std::string Refusal(const std::string& keys) {
  const auto config = Parse(keys);
  return config.ok() ? "accepted" : std::string(config.status().message());
}

TEST(AfXdp, ANameSuffices) {
  const auto config = Parse("netdev = \"eth0\"\n");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->devices[0].af_xdp, AfXdpSection{.netdev = "eth0"});
  EXPECT_THAT(
      Describe(*config),
      HasSubstr("device         a: af_xdp, netdev eth0, all queues, steering by the NIC, or "
                "else the XDP program, XDP mode native, or else generic, zero copy where "
                "the NIC steers, layouts all\n"));
}

TEST(AfXdp, ReadsEveryKey) {
  const auto config = Parse(R"(
netdev = "eth0"
netns = "lab"
queues = 2
channels = 4
steering = "xdp"
xdp_mode = "generic"
zero_copy = "never"
busy_poll = 50
slots = 4096
)");
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->devices[0].af_xdp, (AfXdpSection{.netdev = "eth0",
                                                     .netns = "lab",
                                                     .queues = 2,
                                                     .channels = 4,
                                                     .steering = AfXdpSteering::kXdp,
                                                     .xdp_mode = XdpMode::kGeneric,
                                                     .zero_copy = ZeroCopy::kNever,
                                                     .busy_poll_us = 50}));
  EXPECT_EQ(config->devices[0].slots, 4096u);
  EXPECT_THAT(Describe(*config),
              HasSubstr("netdev eth0 in netns lab, the first 2 queues of 4 channels, steering by "
                        "the XDP program, XDP mode generic, zero copy never, busy polling for 50 "
                        "us"));
}

TEST(AfXdp, WhatCannotBeIsRefused) {
  EXPECT_EQ(Refusal(""),
            "q.toml:1:1: device.netdev is missing; the name of a network device, such as \"eth0\"");
  EXPECT_EQ(Refusal("netdev = \"a b\"\n"),
            "q.toml:4:10: device.netdev = 'a b': no netdev name; allowed: 1..15 characters, no / : "
            "% space");
  EXPECT_EQ(Refusal("netdev = \"eth0\"\nqueues = 5\nchannels = 4\n"),
            "q.toml:5:10: device.queues = 5: more than 'channels' gives the netdev; lease fewer, "
            "or give it more");
  EXPECT_EQ(Refusal("netdev = \"eth0\"\nsteering = \"rss\"\n"),
            "q.toml:5:12: device.steering = 'rss': unknown; allowed: \"auto\", \"ntuple\", "
            "\"xdp\"");
  EXPECT_EQ(Refusal("netdev = \"eth0\"\nmtu = 9000\n"),
            "q.toml:5:7: device.mtu = 9000: the netdev is the kernel's, and so is this; `ip link "
            "set` changes it");
  EXPECT_EQ(Refusal("netdev = \"eth0\"\nvfs = 2\n"),
            "q.toml:5:7: device.vfs = 2: only a device with backend = \"vfio\" has this; drop it, "
            "or name that back end");
  EXPECT_EQ(Refusal("netdev = \"eth0\"\nworker = \"w\"\n"),
            "q.toml:5:10: device.worker = 'w': only a device with backend = \"softnic\" has this; "
            "drop it");
}

TEST(AfXdp, ANetdevIsOneDevice) {
  EXPECT_THAT(Refusal("netdev = \"eth0\"\n[[device]]\nname = \"b\"\nbackend = \"af_xdp\"\nnetdev = "
                      "\"eth0\"\n"),
              HasSubstr("netdev 'eth0' is used twice"));
  EXPECT_EQ(Refusal("netdev = \"eth0\"\n[[device]]\nname = \"b\"\nbackend = \"af_xdp\"\nnetdev = "
                    "\"eth0\"\nnetns = \"lab\"\n"),
            "accepted");
}

}  // namespace
}  // namespace qsplit::config
