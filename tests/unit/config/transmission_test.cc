// Where a tenant may send and with which addresses: from the file's words to the policy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "daemon/config/config.h"
#include "daemon/policy_of_config.h"

namespace qsplit::config {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// A tenant of uid 1 with these keys more.
absl::StatusOr<Config> Parse(const std::string& keys) {
  const NameResolver nobody{.user = [](const std::string&) { return std::nullopt; },
                            .group = [](const std::string&) { return std::nullopt; }};
  return ParseConfig("[[tenant]]\nname = \"t\"\nuids = [1]\n" + keys + "\n", "q.toml", nobody, 0);
}

std::string Refusal(const std::string& keys) {
  const auto config = Parse(keys);
  return config.ok() ? "accepted" : std::string(config.status().message());
}

policy::Tenant Tenant(const std::string& keys) {
  const auto config = Parse(keys);
  EXPECT_TRUE(config.ok()) << config.status();
  return config.ok() ? daemon::PolicyOf(*config).value()->Find(1, 1) : policy::Tenant();
}

TEST(Transmission, MayTransmitIsTrueFalseNamesOrAbsent) {
  EXPECT_EQ(Tenant("").transmit, policy::Transmit::kOrdinary);
  EXPECT_EQ(Tenant("may_transmit = true").transmit, policy::Transmit::kEverywhere);
  EXPECT_EQ(Tenant("may_transmit = false").transmit, policy::Transmit::kNowhere);
  const policy::Tenant named = Tenant("may_transmit = [\"nic1\"]");
  EXPECT_EQ(named.transmit, policy::Transmit::kNamed);
  EXPECT_THAT(named.transmit_devices, ElementsAre("nic1"));
  // An operator is bound by what the file says, and by nothing else.
  EXPECT_EQ(Tenant("admin = true").transmit, policy::Transmit::kEverywhere);
  EXPECT_EQ(Tenant("admin = true\nmay_transmit = false").transmit, policy::Transmit::kNowhere);
  EXPECT_EQ(Refusal("may_transmit = \"any\""),
            "q.toml:4:16: tenant.may_transmit = 'any': allowed: true, false, or an array of "
            "devices' names");
  EXPECT_EQ(Refusal("may_transmit = [\"eth9\"]"),
            "q.toml:4:16: tenant.may_transmit = [ 'eth9' ]: no device 'eth9'; devices: nic0, nic1");
}

TEST(Transmission, SourcesAreAddressesAndPrefixes) {
  const policy::Tenant tenant = Tenant(
      "source_mac = [\"02:00:00:00:00:0a\"]\n"
      "source_ip = [\"10.1.0.0/16\", \"10.9.9.9\", \"2001:db8::/64\", \"::1\", \"0.0.0.0/0\"]");
  EXPECT_THAT(tenant.source.macs, ElementsAre(device::MacAddress{2, 0, 0, 0, 0, 10}));
  device::SourcePrefix loopback{{}, 6, 128};
  loopback.address[15] = 1;
  EXPECT_THAT(
      tenant.source.prefixes,
      ElementsAre(device::SourcePrefix{{10, 1}, 4, 16}, device::SourcePrefix{{10, 9, 9, 9}, 4, 32},
                  device::SourcePrefix{{0x20, 1, 0x0d, 0xb8}, 6, 64}, loopback,
                  device::SourcePrefix{{}, 4, 0}));
  EXPECT_TRUE(tenant.source_required) << "the safe one is the default";
  EXPECT_FALSE(
      Tenant("source_ip = [\"10.0.0.1\"]\nsource_check = \"where possible\"").source_required);
}

TEST(Transmission, WrongSourcesAreRefused) {
  EXPECT_EQ(Refusal("source_mac = [\"02:00\"]"),
            "q.toml:4:14: tenant.source_mac = [ '02:00' ]: '02:00' is no MAC address of one "
            "sender; allowed: six bytes such as \"02:00:00:00:00:01\", the first one even");
  EXPECT_THAT(Refusal("source_mac = [\"03:00:00:00:00:01\"]"), HasSubstr("the first one even"));
  for (const char* wrong : {"10.0.0.0/33", "10.0.0/24", "::/129", "10.0.0.0/", "10.0.0.0/x", ""}) {
    EXPECT_THAT(Refusal("source_ip = [\"" + std::string(wrong) + "\"]"),
                HasSubstr("' is no prefix; allowed: such as \"10.0.0.0/24\""))
        << wrong;
  }
  EXPECT_THAT(Refusal("source_ip = [\"10.0.0.1/24\"]"), HasSubstr("has bits outside its prefix"));
  EXPECT_THAT(Refusal("source_ip = [\"2001:db8::1/127\"]"), HasSubstr("bits outside its prefix"));
  EXPECT_THAT(Refusal("source_ip = []"), HasSubstr("allowed: 1..64 addresses"));
  EXPECT_THAT(Refusal("source_ip = [7]"), HasSubstr("not a string"));
  EXPECT_EQ(Refusal("source_check = \"required\""),
            "q.toml:4:16: tenant.source_check = 'required': there is no 'source_mac' or "
            "'source_ip' to check");
  EXPECT_THAT(Refusal("source_ip = [\"::1\"]\nsource_check = \"maybe\""),
              HasSubstr("allowed: \"required\", \"where possible\""));
}

TEST(Transmission, IsDescribed) {
  const auto text = [](const std::string& keys) { return Describe(*Parse(keys)); };
  EXPECT_THAT(text("may_transmit = [\"nic0\"]\nsource_ip = [\"10.0.0.1\"]"),
              HasSubstr("; sends on nic0; 1 source addresses, checked\n"));
  EXPECT_THAT(text("may_transmit = false"), HasSubstr("; sends on none\n"));
}

}  // namespace
}  // namespace qsplit::config
