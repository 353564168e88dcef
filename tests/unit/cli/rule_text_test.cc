// Rules as people see them: where each stands, where that differs.
#include "cli/rule_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

namespace qsplit::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

void AddUdp(const char* device, uint32_t location, v1::ListRulesResponse& rules) {
  v1::Rule* rule = rules.add_rules();
  rule->set_device(device);
  rule->set_location(location);
  rule->set_queue(3);
  rule->mutable_match()->set_flow_type(v1::FLOW_TYPE_UDP4);
}

std::string Text(const v1::ListRulesResponse& rules, const v1::ListDevicesResponse& devices) {
  return RuleTable(rules, devices, [](const v1::Rule&) { return "udp4"; }).Text();
}

TEST(RuleText, OfKernelNetdevsItSaysWhereRulesStand) {
  v1::ListRulesResponse rules;
  AddUdp("nic0", 7, rules);
  v1::ListDevicesResponse devices;
  devices.add_devices()->set_name("nic0");
  EXPECT_THAT(Text(rules, devices), Not(HasSubstr("STANDS")));
  for (const char* steering : {"ntuple", "xdp"}) {
    v1::Device* device = devices.add_devices();
    device->set_name(std::string("by_") + steering);
    device->mutable_netdev()->set_steering(steering);
    EXPECT_THAT(Text(rules, devices), Not(HasSubstr("STANDS"))) << "none has rules";
  }
  AddUdp("by_ntuple", 1, rules);
  AddUdp("by_ntuple", 2, rules);
  rules.mutable_rules(2)->set_drop(true);
  AddUdp("by_xdp", 3, rules);
  const std::string text = Text(rules, devices);
  EXPECT_THAT(text, ContainsRegex("ACTION   STANDS IN  MATCH"));
  EXPECT_THAT(text, ContainsRegex("nic0 +7 .*queue 3  device     "));
  EXPECT_THAT(text, ContainsRegex("by_ntuple +1 .*queue 3  nic, xdp   "));
  EXPECT_THAT(text, ContainsRegex("by_ntuple +2 .*drop     xdp        "));
  EXPECT_THAT(text, ContainsRegex("by_xdp +3 .*queue 3  xdp        "));
}

}  // namespace
}  // namespace qsplit::cli
