#include "daemon/lease/transmission.h"

#include <fmt/format.h>

#include <algorithm>

#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;

// Its client writes the device's own registers.
bool HandedOverWhole(const device::DeviceInfo& device) {
  return device.whole_function_only &&
         std::count(device.protections.begin(), device.protections.end(),
                    device::Protection::kDirect) != 0;
}

// Why policy grants no transmission, and whom to ask.
std::string NotGranted(const device::DeviceInfo& device, std::string_view what,
                       std::string_view instead) {
  const char* const why =
      device.transmit_needs_grant ? ", on which a sender can forge every address" : "";
  return fmt::format(
      "policy gives you no {} on device {}{}; {}, or have an operator name the device in your "
      "tenant's may_transmit",
      what, device.name, why, instead);
}

}  // namespace

absl::StatusOr<SourcePlan> PlanTransmission(const policy::Tenant& tenant,
                                            const device::DeviceInfo& device, uint32_t tx_queues) {
  SourcePlan plan;
  const bool whole = HandedOverWhole(device);
  if (tx_queues == 0 && !whole) return plan;
  if (!policy::MayTransmit(tenant, device)) {
    if (whole) {
      return Error(v1::ERROR_REASON_NOT_ALLOWED, "device", device.name, "",
                   NotGranted(device, "transmission",
                              "who leases it, leases it whole and can send: choose another"));
    }
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "tx_queue_count", fmt::format("{}", tx_queues), "0",
                 NotGranted(device, "transmit queues", "ask for none"));
  }
  if (!tenant.source.any()) return plan;
  if (device.source_check_trouble.empty()) {
    plan.filter = tenant.source;
    return plan;
  }
  if (tenant.source_required) {
    const char* const instead =
        whole ? "choose another device" : "ask for no transmit queues or choose another device";
    return Error(
        v1::ERROR_REASON_NOT_ALLOWED, "tx_queue_count", fmt::format("{}", tx_queues), "0",
        fmt::format("policy wants the source addresses of your packets checked, and device "
                    "{} cannot: {}; {}, or have an operator set your tenant's source_check to "
                    "\"where possible\"",
                    device.name, device.source_check_trouble, instead));
  }
  plan.trouble = device.source_check_trouble;
  return plan;
}

absl::Status CheckReflection(const policy::Tenant& tenant, const device::DeviceInfo& device) {
  if (!policy::MayTransmit(tenant, device)) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "reflect", "true", "",
                 NotGranted(device, "transmission", "send to a queue, drop or pass"));
  }
  if (tenant.source.any() && tenant.source_required) {
    return Error(v1::ERROR_REASON_NOT_ALLOWED, "reflect", "true", "",
                 "policy wants the source addresses of your packets checked, and those that a rule "
                 "sends back bear others'; send to a queue, drop or pass");
  }
  return absl::OkStatus();
}

}  // namespace qsplit::lease
