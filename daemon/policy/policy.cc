#include "daemon/policy/policy.h"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <set>
#include <utility>

#include "daemon/policy/error.h"

namespace qsplit::policy {
namespace {

bool GoodName(std::string_view name) {
  return !name.empty() && name.size() <= 64 && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
  });
}

bool InsideMask(const device::FlowMatch& match) {
  using Bytes = std::array<uint8_t, sizeof(device::FlowKey)>;
  const auto value = std::bit_cast<Bytes>(match.value);
  const auto mask = std::bit_cast<Bytes>(match.mask);
  for (size_t i = 0; i < value.size(); ++i) {
    if ((value[i] & ~mask[i]) != 0) return false;
  }
  return true;
}

Tenant Root() {
  Tenant root;
  root.name = "root";
  root.admin = true;
  root.any_device = true;
  root.may_join_rss = true;
  root.transmit = Transmit::kEverywhere;
  root.quota = {.max_sessions = kUnlimited,
                .max_regions = kUnlimited,
                .max_region_bytes = kUnlimitedBytes,
                .max_leases = kUnlimited,
                .max_rx_queues = kUnlimited,
                .max_tx_queues = kUnlimited,
                .max_rules = kUnlimited};
  root.scope.any = true;
  return root;
}

bool Has(const std::vector<uint32_t>& ids, uint32_t id) {
  return std::find(ids.begin(), ids.end(), id) != ids.end();
}

bool Names(const std::vector<std::string>& devices, std::string_view device) {
  return std::find(devices.begin(), devices.end(), device) != devices.end();
}

absl::Status CheckScope(const Tenant& tenant) {
  for (size_t i = 0; i < tenant.scope.matches.size(); ++i) {
    if (!InsideMask(tenant.scope.matches[i])) {
      return Error(v1::ERROR_REASON_BAD_CONFIGURATION, "scope", fmt::format("{}", i), "",
                   fmt::format("tenant {}: scope {} has value bits outside of its mask; clear them",
                               tenant.name, i));
    }
  }
  return absl::OkStatus();
}

}  // namespace

Policy::Policy(std::vector<Tenant> tenants, Tenant everybody_else)
    : tenants_(std::move(tenants)), root_(Root()), default_(std::move(everybody_else)) {
  default_.name = "default";
}

absl::StatusOr<std::shared_ptr<const Policy>> Policy::Create(std::vector<Tenant> tenants,
                                                             Tenant everybody_else) {
  std::set<std::string_view> names = {"root", "default"};
  for (const Tenant& tenant : tenants) {
    if (!GoodName(tenant.name)) {
      return Error(
          v1::ERROR_REASON_BAD_CONFIGURATION, "name", tenant.name, "1..64 bytes of [a-z0-9_-]",
          fmt::format("tenant name '{}' is malformed; use 1 to 64 of a-z 0-9 _ -", tenant.name));
    }
    if (!names.insert(tenant.name).second) {
      return Error(
          v1::ERROR_REASON_BAD_CONFIGURATION, "name", tenant.name, "unique",
          fmt::format("tenant name '{}' is there twice or reserved; choose another", tenant.name));
    }
    if (tenant.uids.empty() && tenant.gids.empty() && !tenant.any_peer) {
      return Error(
          v1::ERROR_REASON_BAD_CONFIGURATION, "uids", "", "at least one",
          fmt::format("tenant {} has no peers; give it uids, gids or any peer", tenant.name));
    }
    if (absl::Status status = CheckScope(tenant); !status.ok()) return status;
  }
  if (absl::Status status = CheckScope(everybody_else); !status.ok()) return status;
  return std::shared_ptr<const Policy>(new Policy(std::move(tenants), std::move(everybody_else)));
}

std::shared_ptr<const Policy> Policy::RootOnly() {
  return std::shared_ptr<const Policy>(new Policy({}, Tenant{}));
}

const Tenant& Policy::Find(uint32_t uid, uint32_t gid) const {
  for (const Tenant& tenant : tenants_) {
    if (Has(tenant.uids, uid)) return tenant;
    if (uid != 0 && (tenant.any_peer || Has(tenant.gids, gid))) return tenant;
  }
  return uid == 0 ? root_ : default_;
}

std::string Policy::KeyOf(uint32_t uid, uint32_t gid) const {
  const Tenant& tenant = Find(uid, gid);
  // ':' is in no tenant's name.
  if (&tenant == &default_) return fmt::format("uid:{}", uid);
  return tenant.name;
}

bool MayUse(const Tenant& tenant, std::string_view device) {
  return tenant.any_device || Names(tenant.devices, device);
}

bool MayTransmit(const Tenant& tenant, const device::DeviceInfo& device) {
  switch (tenant.transmit) {
    case Transmit::kOrdinary:
      return !device.transmit_needs_grant;
    case Transmit::kEverywhere:
      return true;
    case Transmit::kNowhere:
      return false;
    case Transmit::kNamed:
      return Names(tenant.transmit_devices, device.name);
  }
  return false;
}

}  // namespace qsplit::policy
