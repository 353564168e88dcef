#include "daemon/policy_of_config.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "daemon/steering/flow_match.h"

namespace qsplit::daemon {
namespace {

policy::Quota QuotaOf(const config::Quotas& given) {
  policy::Quota quota;
  quota.max_sessions = given.sessions.value_or(quota.max_sessions);
  quota.max_leases = given.leases.value_or(quota.max_leases);
  quota.max_rx_queues = given.rx_queues.value_or(quota.max_rx_queues);
  quota.max_tx_queues = given.tx_queues.value_or(quota.max_tx_queues);
  quota.max_regions = given.regions.value_or(quota.max_regions);
  quota.max_region_bytes = given.region_bytes.value_or(quota.max_region_bytes);
  quota.max_rules = given.rules.value_or(quota.max_rules);
  return quota;
}

// How much a bucket holds where the file does not say: what 10 ms bring, and at least a burst of 32
// packets, or of one packet that the device cuts into segments.
constexpr uint64_t kBurstsPerSecond = 100;
constexpr uint64_t kLeastBurstPackets = 32;
constexpr uint64_t kLeastBurstBytes = 128 << 10;

device::RateLimit LimitOf(const config::Quotas& given) {
  device::RateLimit limit;
  limit.tx_packets_per_second = given.tx_packets_per_second.value_or(0);
  limit.tx_bytes_per_second = given.tx_bytes_per_second.value_or(0);
  if (given.tx_packets_per_second) {
    limit.burst_packets = given.burst_packets.value_or(
        std::max(kLeastBurstPackets, *given.tx_packets_per_second / kBurstsPerSecond));
  }
  if (given.tx_bytes_per_second) {
    limit.burst_bytes = given.burst_bytes.value_or(
        std::max(kLeastBurstBytes, *given.tx_bytes_per_second / kBurstsPerSecond));
  }
  return limit;
}

// An operator is bound by the device alone, unless the file says otherwise.
config::Quotas Unlimited(config::Quotas given) {
  const auto lift = [](std::optional<uint32_t>& quota) {
    quota = quota.value_or(policy::kUnlimited);
  };
  lift(given.sessions);
  lift(given.leases);
  lift(given.rx_queues);
  lift(given.tx_queues);
  lift(given.regions);
  lift(given.rules);
  given.region_bytes = given.region_bytes.value_or(policy::kUnlimitedBytes);
  return given;
}

policy::Transmit TransmitOf(const config::TenantSection& section) {
  switch (section.may_transmit) {
    case config::MayTransmit::kEverywhere:
      return policy::Transmit::kEverywhere;
    case config::MayTransmit::kNowhere:
      return policy::Transmit::kNowhere;
    case config::MayTransmit::kNamed:
      return policy::Transmit::kNamed;
    case config::MayTransmit::kOrdinary:
      break;
  }
  // As with quotas.
  return section.admin ? policy::Transmit::kEverywhere : policy::Transmit::kOrdinary;
}

device::SourceFilter SourceOf(const config::TenantSection& section) {
  device::SourceFilter filter{.macs = section.source_macs, .prefixes = {}};
  for (const config::IpPrefix& prefix : section.source_ips) {
    filter.prefixes.push_back({prefix.address, prefix.ip_version, prefix.bits});
  }
  return filter;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const policy::Policy>> PolicyOf(const config::Config& config) {
  std::vector<policy::Tenant> tenants;
  for (const config::TenantSection& section : config.tenants) {
    policy::Tenant tenant;
    tenant.name = section.name;
    tenant.uids = section.uids;
    tenant.gids = section.gids;
    tenant.any_peer = section.everybody;
    tenant.admin = section.admin;
    tenant.any_device = section.all_devices;
    tenant.devices = section.devices;
    tenant.may_join_rss = section.may_join_rss;
    tenant.transmit = TransmitOf(section);
    tenant.transmit_devices = section.transmit_devices;
    tenant.source = SourceOf(section);
    tenant.source_required = section.source_required;
    tenant.quota = QuotaOf(section.admin ? Unlimited(section.quotas) : section.quotas);
    tenant.limit = LimitOf(section.quotas);
    tenant.scope.any = section.steer_any;
    for (size_t i = 0; i < section.steer.size(); ++i) {
      auto match = steering::ToMatch(section.steer[i], absl::StrCat("steer[", i, "]"));
      if (!match.ok()) {
        return absl::InvalidArgumentError(
            absl::StrCat("tenant '", section.name, "': ", match.status().message()));
      }
      tenant.scope.matches.push_back(*std::move(match));
    }
    tenants.push_back(std::move(tenant));
  }
  return policy::Policy::Create(std::move(tenants), policy::Tenant{});
}

}  // namespace qsplit::daemon
