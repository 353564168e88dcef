// Policy: who may do what. A peer is what the kernel says of it (uid, gid), a tenant what the
// configuration makes of peers.
//
// Immutable once created; replaced whole on reload, so any thread may read one that it holds.
// It never reads files: the configuration is parsed elsewhere and handed in as Tenants.
#ifndef QSPLIT_DAEMON_POLICY_POLICY_H_
#define QSPLIT_DAEMON_POLICY_POLICY_H_

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "daemon/device/device.h"
#include "daemon/device/flow_rule.h"

namespace qsplit::policy {

inline constexpr uint32_t kUnlimited = 0xffffffff;
inline constexpr uint64_t kUnlimitedBytes = ~uint64_t{0};

// The most that a tenant may have at once, over all of its sessions and all devices; 0: none.
struct Quota {
  uint32_t max_sessions = 16;  // of each uid, not of the tenant
  uint32_t max_regions = 64;
  uint64_t max_region_bytes = uint64_t{1} << 30;
  uint32_t max_leases = 16;
  uint32_t max_rx_queues = 16;
  uint32_t max_tx_queues = 16;
  uint32_t max_rules = 64;

  bool operator==(const Quota&) const = default;
};

// Traffic that rules may take: each rule must lie inside one of the matches. Neither: none.
struct Scope {
  bool any = false;
  std::vector<device::FlowMatch> matches;
};

// Where a tenant may have transmit queues, of the devices that it may use.
enum class Transmit : uint8_t {
  kOrdinary,  // wherever DeviceInfo::transmit_needs_grant is not set
  kEverywhere,
  kNowhere,
  kNamed,  // on those that transmit_devices names
};

// A tenant of the configuration.
struct Tenant {
  std::string name;  // 1..64 bytes of [a-z0-9_-]; unique
  // Who belongs to it; the first tenant that a peer belongs to is its own.
  std::vector<uint32_t> uids;
  std::vector<uint32_t> gids;
  bool any_peer = false;
  // May do what operators do, and is exempt from scope; quotas hold all the same.
  bool admin = false;
  bool any_device = false;
  std::vector<std::string> devices;  // names, when not any_device
  bool may_join_rss = false;
  Transmit transmit = Transmit::kOrdinary;
  std::vector<std::string> transmit_devices;
  // Source addresses of what it sends. A device that cannot check them gives it no transmit queue
  // when that is required, else unchecked ones.
  device::SourceFilter source;
  bool source_required = true;
  Quota quota;
  // How fast each of its leases may send; a lease gets only protection modes that keep to it.
  device::RateLimit limit;
  Scope scope;
};

class Policy {
 public:
  // Tenants in the order in which they are tried, and the one for everybody else, whose name is
  // set to "default". INVALID_ARGUMENT: a name that is malformed, twice there or reserved
  // ("root", "default"), a tenant without peers, a scope match whose value has bits outside of
  // its mask.
  static absl::StatusOr<std::shared_ptr<const Policy>> Create(std::vector<Tenant> tenants,
                                                              Tenant everybody_else);
  // Root is admin, nobody else may lease anything.
  static std::shared_ptr<const Policy> RootOnly();

  // The peer's tenant. uid 0 is the admin "root" unless a tenant lists uid 0 itself.
  const Tenant& Find(uint32_t uid, uint32_t gid) const;
  // Names the peer's tenant for quotas and conflicts. Peers of the default tenant are tenants of
  // their own, one for each uid ("uid:1000").
  std::string KeyOf(uint32_t uid, uint32_t gid) const;

  // Tenants without root and default.
  size_t tenant_count() const { return tenants_.size(); }

 private:
  Policy(std::vector<Tenant> tenants, Tenant everybody_else);

  std::vector<Tenant> tenants_;
  Tenant root_;
  Tenant default_;
};

// May the tenant lease queues of this device?
bool MayUse(const Tenant& tenant, std::string_view device);
// May it send on this one?
bool MayTransmit(const Tenant& tenant, const device::DeviceInfo& device);

}  // namespace qsplit::policy

#endif  // QSPLIT_DAEMON_POLICY_POLICY_H_
