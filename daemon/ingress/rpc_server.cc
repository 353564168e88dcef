#include "daemon/ingress/rpc_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/support/log.h>
#include <grpcpp/ext/proto_server_reflection_plugin.h>
#include <grpcpp/grpcpp.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>

#include <mutex>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "daemon/ingress/rpc_acceptor.h"
#include "daemon/ingress/services.h"
#include "daemon/log/log.h"

namespace qsplit::ingress {
namespace {

constexpr int kMaxRequestBytes = 64 << 10;
constexpr int kMaxReplyBytes = 4 << 20;
constexpr int kMaxMetadataBytes = 8 << 10;
constexpr int kHandshakeMs = 5'000;
constexpr int kKeepaliveMs = 60'000;
constexpr int kKeepaliveTimeoutMs = 20'000;
constexpr int kMinPingIntervalMs = 10'000;
// For reflection, whose plugin gives each stream a thread: so many at a time, the rest is refused.
constexpr int kMaxReflectionThreads = 8;

// gRPC's own complaints, most of them about peers.
void LogGrpc(gpr_log_func_args* args) {
  static log::RateLimit limit(10);
  uint64_t suppressed = 0;
  if (!limit.Allow(suppressed)) return;
  log::Warning("grpc", {{"message", args->message}, {"suppressed", suppressed}});
}

// Protobuf's, all of them about bytes from peers; by itself it would print a line for each.
void LogProtobuf(google::protobuf::LogLevel /*level*/, const char* /*file*/, int /*line*/,
                 const std::string& message) {
  static log::RateLimit limit(10);
  uint64_t suppressed = 0;
  if (!limit.Allow(suppressed)) return;
  log::Warning("protobuf", {{"message", message}, {"suppressed", suppressed}});
}

void PrepareLibrariesOnce() {
  static std::once_flag once;
  std::call_once(once, [] {
    google::protobuf::SetLogHandler(LogProtobuf);
    gpr_set_log_function(LogGrpc);
    gpr_set_log_verbosity(GPR_LOG_SEVERITY_ERROR);
    grpc::EnableDefaultHealthCheckService(true);
    grpc::reflection::InitProtoReflectionServerBuilderPlugin();
  });
}

}  // namespace

struct RpcServer::Impl {
  Impl(RpcServerOptions given, lease::Broker& broker)
      : options(std::move(given)),
        watch_budget(options.max_watches),
        parts{broker, watch_budget, ticker, options.reload_policy} {}

  absl::Status Start();

  const RpcServerOptions options;
  WatchBudget watch_budget;
  StatsTicker ticker;
  ServiceParts parts;
  std::vector<std::unique_ptr<grpc::Service>> services;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> door;
  std::unique_ptr<grpc::Server> server;
  std::unique_ptr<RpcAcceptor> acceptor;
};

absl::Status RpcServer::Impl::Start() {
  PrepareLibrariesOnce();
  grpc::ServerBuilder builder;
  door = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      grpc::InsecureServerCredentials());
  services.push_back(MakeDeviceService(parts));
  services.push_back(MakeLayoutService(parts));
  services.push_back(MakeRegionService(parts));
  services.push_back(MakeLeaseService(parts));
  services.push_back(MakeSteeringService(parts));
  services.push_back(MakeStatsService(parts));
  services.push_back(MakeQueueService(parts));
  services.push_back(MakeAdminService(parts));
  for (const auto& service : services) builder.RegisterService(service.get());
  builder.SetMaxReceiveMessageSize(kMaxRequestBytes);
  builder.SetMaxSendMessageSize(kMaxReplyBytes);
  grpc::ResourceQuota quota("qsplitd");
  quota.Resize(options.memory_bytes).SetMaxThreads(kMaxReflectionThreads);
  builder.SetResourceQuota(quota);
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MIN_POLLERS, 1);
  builder.SetSyncServerOption(grpc::ServerBuilder::MAX_POLLERS, 1);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, options.max_streams_per_connection);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS,
                             static_cast<int>(absl::ToInt64Milliseconds(options.idle)));
  server = builder.BuildAndStart();
  if (server == nullptr) return absl::InternalError("gRPC refused to start");
  auto started = RpcAcceptor::Start(
      {.path = options.path,
       .mode = options.mode,
       .max_connections = options.max_connections,
       .max_connections_per_uid = options.max_connections_per_uid},
      [this](linux_sys::OwnedFd fd) {
        grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
        connection.fd = fd.Release();
        door->HandleNewConnection(&connection);
      });
  if (!started.ok()) return started.status();
  acceptor = *std::move(started);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<RpcServer>> RpcServer::Start(RpcServerOptions options,
                                                            lease::Broker& broker) {
  std::unique_ptr<RpcServer> server(
      new RpcServer(std::make_unique<Impl>(std::move(options), broker)));
  if (absl::Status started = server->impl_->Start(); !started.ok()) return started;
  server->SetServing(false);
  return server;
}

RpcServer::RpcServer(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

RpcServer::~RpcServer() { Stop(absl::ZeroDuration()); }

void RpcServer::SetServing(bool serving) {
  auto* health = impl_->server->GetHealthCheckService();
  if (health == nullptr) return;
  health->SetServingStatus("", serving);
  for (const char* service : {"DeviceService", "LayoutService", "RegionService", "LeaseService",
                              "SteeringService", "StatsService", "QueueService", "AdminService"}) {
    health->SetServingStatus(std::string("qsplit.v1.") + service, serving);
  }
}

void RpcServer::Stop(absl::Duration grace) {
  if (impl_->acceptor != nullptr) impl_->acceptor->Stop();
  if (impl_->server != nullptr) {
    impl_->server->Shutdown(absl::ToChronoTime(absl::Now() + grace));
  }
  impl_->ticker.Stop();
}

size_t RpcServer::connections() const { return impl_->acceptor->connections(); }

size_t RpcServer::watches() const { return impl_->watch_budget.used(); }

}  // namespace qsplit::ingress
