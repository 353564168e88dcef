// qsplit fault, qsplit policy: what operators do.
#include <map>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/context.h"
#include "cli/usage.h"
#include "qsplit/v1/admin.grpc.pb.h"

namespace qsplit::cli {
namespace {

const std::map<std::string, v1::InjectedFault> kFaults = {
    {"link-down", v1::INJECTED_FAULT_LINK_DOWN},
    {"stall-queue", v1::INJECTED_FAULT_STALL_QUEUE},
    {"lose-completion", v1::INJECTED_FAULT_LOSE_COMPLETION},
    {"repeat-completion", v1::INJECTED_FAULT_REPEAT_COMPLETION},
    {"delay-completion", v1::INJECTED_FAULT_DELAY_COMPLETION},
    {"wrong-length", v1::INJECTED_FAULT_WRONG_LENGTH},
};

struct InjectOptions {
  std::string device, fault, duration;
  uint32_t queue = 0, count = 1;
  bool transmit = false;
};

absl::Status Inject(Context& context, const InjectOptions& inject) {
  // A fault that lasts no time is none.
  const bool lasts = inject.fault == "link-down" || inject.fault == "stall-queue" ||
                     inject.fault == "delay-completion";
  if (lasts && inject.duration.empty()) {
    return WrongWords(absl::StrCat(inject.fault, " needs --duration"));
  }
  const auto duration =
      DurationOption("--duration", inject.duration.empty() ? "0" : inject.duration,
                     lasts ? absl::Nanoseconds(1) : absl::ZeroDuration(), absl::Hours(1));
  if (!duration.ok()) return duration.status();
  v1::InjectFaultRequest request;
  request.set_device(inject.device);
  request.set_fault(kFaults.at(inject.fault));
  request.set_queue(inject.queue);
  request.set_transmit(inject.transmit);
  request.set_count(inject.count);
  request.set_duration_ns(static_cast<uint64_t>(absl::ToInt64Nanoseconds(*duration)));
  v1::InjectFaultResponse response;
  auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::AdminService>()->InjectFault(rpc, request, out);
  });
  if (status.ok() && context.wants_json()) context.PrintJson(response);
  return status;
}

}  // namespace

void AddFaultVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "fault", "make a software NIC misbehave");
  auto inject = std::make_shared<InjectOptions>();
  CLI::App* verb =
      AddVerb(*object, context, "inject", "make a software NIC misbehave (needs policy's admin)",
              "  qsplit fault inject nic0 link-down --duration 2s\n"
              "  qsplit fault inject nic0 lose-completion --queue 3 --count 10\n"
              "  qsplit fault inject nic0 stall-queue --queue 3 --tx --duration 500ms\n\n"
              "Faults:\n"
              "  link-down          the link is down for the duration\n"
              "  stall-queue        the queue does nothing for the duration\n"
              "  lose-completion    the next completions never come\n"
              "  repeat-completion  the next completions come twice\n"
              "  delay-completion   the next completions come late by the duration\n"
              "  wrong-length       the next completions carry a wrong length",
              [&context, inject] { return Inject(context, *inject); });
  verb->add_option("DEVICE", inject->device, "the device's name")->required();
  verb->add_option("FAULT", inject->fault, "what goes wrong")->required()->check(OneOf(kFaults));
  verb->add_option("--queue", inject->queue, "which queue, where the fault is one of a queue [0]")
      ->type_name("NUMBER");
  verb->add_flag("--tx", inject->transmit, "a transmit queue, not a receive queue");
  verb->add_option("--count", inject->count, "how many completions [1]")->type_name("NUMBER");
  verb->add_option("--duration", inject->duration, "how long: 500ms, 2s; at most 1h")
      ->type_name("TIME");
}

void AddPolicyVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "policy", "who may do what");
  AddVerb(*object, context, "reload", "read the configuration's policy anew (needs policy's admin)",
          "  qsplit policy reload", [&context] {
            v1::ReloadPolicyResponse response;
            auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::AdminService>()->ReloadPolicy(rpc, {}, out);
            });
            if (!status.ok()) return status;
            if (context.wants_json()) {
              context.PrintJson(response);
            } else {
              std::printf("policy: %u tenant%s\n", response.tenants(),
                          response.tenants() == 1 ? "" : "s");
            }
            return status;
          });
}

}  // namespace qsplit::cli
