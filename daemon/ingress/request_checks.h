// The shape of each request, before anything looks up what it names: lengths, counts, enums.
//
// A request that passes is small and well-formed; whether it may be granted is the broker's to
// say. Every refusal is INVALID_ARGUMENT with a detail that names field, value and limit. Pure
// functions; any thread.
#ifndef QSPLIT_DAEMON_INGRESS_REQUEST_CHECKS_H_
#define QSPLIT_DAEMON_INGRESS_REQUEST_CHECKS_H_

#include "absl/status/status.h"
#include "qsplit/v1/admin.pb.h"
#include "qsplit/v1/device.pb.h"
#include "qsplit/v1/layout_service.pb.h"
#include "qsplit/v1/lease.pb.h"
#include "qsplit/v1/queue.pb.h"
#include "qsplit/v1/region.pb.h"
#include "qsplit/v1/stats.pb.h"
#include "qsplit/v1/steering.pb.h"

namespace qsplit::ingress {

// check_device.cc
absl::Status Check(const v1::GetDeviceRequest& request);
absl::Status Check(const v1::WatchDevicesRequest& request);
absl::Status Check(const v1::SetDeviceRequest& request);
// check_layout.cc
absl::Status Check(const v1::GetLayoutRequest& request);
// check_region.cc
absl::Status Check(const v1::RegisterRegionRequest& request);
absl::Status Check(const v1::UnregisterRegionRequest& request);
// check_lease.cc
absl::Status Check(const v1::AcquireLeaseRequest& request);
absl::Status Check(const v1::GetLeaseRequest& request);
absl::Status Check(const v1::ReleaseLeaseRequest& request);
// check_steering.cc
absl::Status Check(const v1::AddRuleRequest& request);
absl::Status Check(const v1::RemoveRuleRequest& request);
absl::Status Check(const v1::ListRulesRequest& request);
absl::Status Check(const v1::GetRssRequest& request);
absl::Status Check(const v1::SetRssRequest& request);
// check_stats.cc
absl::Status Check(const v1::GetStatsRequest& request);
absl::Status Check(const v1::WatchStatsRequest& request);
// check_queue.cc
absl::Status Check(const v1::ExplainQueueRequest& request);
absl::Status Check(const v1::ReadQueueRequest& request);
// check_admin.cc
absl::Status Check(const v1::RevokeLeaseRequest& request);
absl::Status Check(const v1::InjectFaultRequest& request);

// Requests that can have no wrong shape.
inline absl::Status Check(const v1::ListDevicesRequest&) { return absl::OkStatus(); }
inline absl::Status Check(const v1::ListLayoutsRequest&) { return absl::OkStatus(); }
inline absl::Status Check(const v1::ListRegionsRequest&) { return absl::OkStatus(); }
inline absl::Status Check(const v1::ListLeasesRequest&) { return absl::OkStatus(); }
inline absl::Status Check(const v1::WatchLeasesRequest&) { return absl::OkStatus(); }
inline absl::Status Check(const v1::ReloadPolicyRequest&) { return absl::OkStatus(); }

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_REQUEST_CHECKS_H_
