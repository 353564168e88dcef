// qsplit rule: steering rules, in ethtool's own words.
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "cli/context.h"
#include "cli/rule_text.h"
#include "cli/usage.h"
#include "qsplit/flow_rule.h"
#include "qsplit/rpc_flow_rule.h"
#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/steering.grpc.pb.h"

namespace qsplit::cli {
namespace {

std::string Match(const v1::Rule& rule) {
  const auto words = FromProto(rule);
  return words.ok() ? FormatMatch(*words) : std::string(words.status().message());
}

absl::Status List(Context& context, const std::string& device) {
  v1::ListRulesRequest request;
  request.set_device(device);
  request.set_all(true);
  v1::ListRulesResponse response;
  auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::SteeringService>()->ListRules(rpc, request, out);
  });
  if (!status.ok()) return status;
  if (context.wants_json()) {
    context.PrintJson(response);
    return status;
  }
  v1::ListDevicesResponse devices;
  if (response.rules_size() > 0) {
    status = context.Ask(&devices, [&](auto* rpc, auto* out) {
      return context.Stub<v1::DeviceService>()->ListDevices(rpc, {}, out);
    });
  }
  if (status.ok()) RuleTable(response, devices, Match).Print();
  return status;
}

absl::Status Add(Context& context, const std::string& device, uint64_t lease,
                 const std::vector<std::string>& words) {
  if (words.empty()) {
    return WrongWords("RULE is missing: flow-type TYPE [FIELD VALUE [m MASK]]... action ACTION");
  }
  const auto rule = ParseRule(absl::StrJoin(words, " "));
  if (!rule.ok()) {
    // "rule: it begins" is what the library says.
    absl::string_view why = rule.status().message();
    const bool whole = absl::ConsumePrefix(&why, "rule: it ");
    absl::ConsumePrefix(&why, "rule: ");
    return WrongWords(absl::StrCat(whole ? "the rule " : "", why));
  }
  v1::AddRuleRequest request;
  FillRequest(*rule, /*of_lease=*/false, &request);
  request.set_device(device);
  request.set_lease_id(lease);
  v1::AddRuleResponse response;
  auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::SteeringService>()->AddRule(rpc, request, out);
  });
  if (!status.ok()) return status;
  if (context.wants_json()) {
    context.PrintJson(response);
  } else {
    // As ethtool says it.
    std::printf("Added rule with location %u\n", response.rule().location());
  }
  return status;
}

}  // namespace

void AddRuleVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "rule", "steering rules: which packet goes to which queue");

  auto listed = std::make_shared<std::string>();
  AddVerb(*object, context, "list", "all rules that you may see, a line each",
          "  qsplit rule list\n  qsplit rule list nic0",
          [&context, listed] { return List(context, *listed); })
      ->add_option("DEVICE", *listed, "only this device's");

  // Everything behind the device is ethtool's: words like -1 are no options here.
  auto lease = std::make_shared<uint64_t>(0);
  auto target = std::make_shared<std::string>();
  auto words = std::make_shared<std::vector<std::string>>();
  CLI::App* add =
      AddVerb(*object, context, "add", "add a rule, in the words of ethtool -N",
              "  qsplit rule add nic0 flow-type udp4 dst-port 4242 action 3\n"
              "  qsplit rule add nic0 flow-type ip4 src-ip 10.0.0.0 m 0.0.0.255 action -1 loc 7\n"
              "  qsplit rule add --lease 5 nic0 flow-type tcp6 dst-port 80 action 2\n"
              "  qsplit rule add nic0 flow-type udp4 dst-port 7 action reflect\n\n"
              "RULE: flow-type TYPE [FIELD VALUE [m MASK]]... action ACTION [loc N]\n"
              "  TYPE    ether ip4 tcp4 udp4 sctp4 ah4 esp4 ip6 tcp6 udp6 sctp6 ah6 esp6\n"
              "  FIELD   ether: src dst proto; ip4, ip6: src-ip dst-ip tos l4proto l4data;\n"
              "          tcp, udp, sctp: src-ip dst-ip tos src-port dst-port;\n"
              "          ah, esp: src-ip dst-ip tos spi; of IPv6 tos is called tclass;\n"
              "          all: vlan vlan-etype, and dst-mac where it is not ether\n"
              "  MASK    bits that are 1 are ignored\n"
              "  ACTION  a receive queue of the device; -1 or drop; pass: to the kernel or\n"
              "          representor; reflect: to the wire, Ethernet addresses exchanged\n"
              "  loc     the lowest location that matches wins; without it any free one is taken",
              [&context, target, lease, words] { return Add(context, *target, *lease, *words); });
  // Words like -1 and -j are no options behind the rule's first.
  add->fallthrough(false);
  add->add_option("DEVICE", *target, "the device's name")->required();
  add->add_option("--lease", *lease, "lease that the rule belongs to and dies with")
      ->type_name("LEASE")
      ->check(WholeNumber());
  add->prefix_command();
  add->callback([&context, add, target, words, lease] {
    *words = add->remaining();
    context.run = [&context, target, lease, words] {
      return Add(context, *target, *lease, *words);
    };
  });

  auto device = std::make_shared<std::string>();
  auto location = std::make_shared<uint32_t>(0);
  CLI::App* del =
      AddVerb(*object, context, "del", "remove a rule by its location", "  qsplit rule del nic0 7",
              [&context, device, location] {
                v1::RemoveRuleRequest request;
                request.set_device(*device);
                request.set_location(*location);
                v1::RemoveRuleResponse response;
                auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
                  return context.Stub<v1::SteeringService>()->RemoveRule(rpc, request, out);
                });
                if (status.ok() && context.wants_json()) context.PrintJson(response);
                return status;
              });
  del->add_option("DEVICE", *device, "the device's name")->required();
  del->add_option("LOCATION", *location, "the rule's location")->required();
}

}  // namespace qsplit::cli
