// The services of qsplit.v1, each made by a function of its own file.
//
// They hold references to the parts, which outlive the server. gRPC's threads call them.
#ifndef QSPLIT_DAEMON_INGRESS_SERVICES_H_
#define QSPLIT_DAEMON_INGRESS_SERVICES_H_

#include <grpcpp/grpcpp.h>
#include <grpcpp/impl/service_type.h>

#include <functional>
#include <memory>

#include "absl/status/statusor.h"
#include "daemon/ingress/stats_ticker.h"
#include "daemon/ingress/watch.h"
#include "daemon/lease/broker.h"

namespace qsplit::ingress {

struct ServiceParts {
  lease::Broker& broker;
  WatchBudget& watches;
  StatsTicker& ticker;
  // Reads the configuration and sets the policy; gives the number of tenants.
  std::function<absl::StatusOr<uint32_t>()> reload_policy;
};

std::unique_ptr<grpc::Service> MakeDeviceService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeLayoutService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeRegionService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeLeaseService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeSteeringService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeStatsService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeQueueService(ServiceParts& parts);
std::unique_ptr<grpc::Service> MakeAdminService(ServiceParts& parts);

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_SERVICES_H_
