// Rules in ethtool's words from anywhere: no crash, errors are printable, and what is accepted can
// be written down and read back to the same rule.
#include <qsplit/flow_rule.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "qsplit/rpc_flow_rule.h"

namespace {

void Require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "%s\n", what);
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<qsplit::FlowRule> rule = qsplit::ParseRule(text);
  if (!rule.ok()) {
    Require(rule.status().code() == absl::StatusCode::kInvalidArgument, "another code");
    for (const char c : rule.status().message()) {
      Require(c >= ' ' || c < 0, "a control character in a message");
    }
    return 0;
  }
  const std::string written = qsplit::FormatRule(*rule);
  const absl::StatusOr<qsplit::FlowRule> again = qsplit::ParseRule(written);
  Require(again.ok(), "what was written does not read");
  Require(*again == *rule, "what was written reads as something else");

  qsplit::v1::AddRuleRequest request;
  qsplit::FillRequest(*rule, /*of_lease=*/false, &request);
  qsplit::v1::Rule answer;
  *answer.mutable_match() = request.match();
  switch (request.action_case()) {
    case qsplit::v1::AddRuleRequest::kDrop:
      answer.set_drop(request.drop());
      break;
    case qsplit::v1::AddRuleRequest::kPass:
      answer.set_pass(request.pass());
      break;
    case qsplit::v1::AddRuleRequest::kReflect:
      answer.set_reflect(request.reflect());
      break;
    default:
      answer.set_queue(request.queue());
  }
  answer.set_location(request.location());
  const absl::StatusOr<qsplit::FlowRule> back = qsplit::FromProto(answer);
  Require(back.ok(), "the protocol loses the rule");
  qsplit::FlowRule expected = *rule;
  expected.location = rule->location.value_or(0);
  Require(*back == expected, "the protocol changes the rule");
  return 0;
}
