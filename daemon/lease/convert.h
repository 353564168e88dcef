// From the daemon's plain types to the contract's messages, and back where requests need it.
//
// Pure functions; any thread. Nothing here decides who may see what.
#ifndef QSPLIT_DAEMON_LEASE_CONVERT_H_
#define QSPLIT_DAEMON_LEASE_CONVERT_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "absl/time/time.h"
#include "daemon/device/device.h"
#include "daemon/region/region_table.h"
#include "daemon/steering/rule_table.h"
#include "qsplit/v1/admin.pb.h"
#include "qsplit/v1/device.pb.h"
#include "qsplit/v1/grant.pb.h"
#include "qsplit/v1/lease.pb.h"
#include "qsplit/v1/region.pb.h"
#include "qsplit/v1/stats.pb.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::lease {

v1::LayoutReference ToProto(const layout::VerifiedLayout& layout);
v1::ProtectionMode ToProto(device::Protection protection);
// "direct".
std::string_view WordOf(device::Protection protection);
v1::RateLimit ToProto(const device::RateLimit& limit);
// nullopt: unspecified or unknown.
std::optional<device::Protection> FromProto(v1::ProtectionMode mode);
std::optional<device::InjectedFault> FromProto(v1::InjectedFault fault);

// What the device says of itself; free queues and rules are the caller's to fill in.
v1::Device ToProto(const device::DeviceInfo& info, const device::DeviceState& state);
// Overwrites the part of it that DeviceState speaks of.
void SetState(const device::DeviceState& state, v1::Device& device);

v1::Grant ToProto(const device::Grant& grant, const device::QueueRequest& request);
v1::Fault ToProto(const device::Fault& fault);
v1::Region ToProto(const region::Region& region);
// Without counters.
v1::Rule ToProto(std::string_view device, const steering::OwnedRule& rule);
v1::QueueStats ToProto(uint32_t queue, bool transmit, const device::QueueCounters& counters);
// Without queues.
v1::DeviceStats ToProto(std::string_view device, absl::Time time,
                        const device::DeviceCounters& counters);
// Flow types of which nothing is hashed are left out.
v1::Rss ToProto(const device::DeviceInfo& info, const device::RssConfig& config);

// Nanoseconds since the epoch; 0 before it.
uint64_t Nanoseconds(absl::Time time);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_CONVERT_H_
