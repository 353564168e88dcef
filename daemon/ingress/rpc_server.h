// The RPC socket: gRPC on a UNIX socket, with every service of qsplit.v1, reflection and health.
//
// gRPC's callback interface: a few threads serve all calls and all watches, and none belongs to a
// client. What one client may take is bounded: connections by uid, streams by connection, watches
// in total, 64 KiB a request, 8 KiB of metadata, and the memory of all buffers; a connection whose
// HTTP/2 handshake takes more than 5 s is closed. Peers are hostile.
#ifndef QSPLIT_DAEMON_INGRESS_RPC_SERVER_H_
#define QSPLIT_DAEMON_INGRESS_RPC_SERVER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/lease/broker.h"

namespace qsplit::ingress {

struct RpcServerOptions {
  std::string path;  // of the socket
  uint32_t mode = 0666;
  size_t max_connections = 1024;
  size_t max_connections_per_uid = 64;
  int max_streams_per_connection = 32;
  size_t max_watches = 4096;
  size_t memory_bytes = size_t{256} << 20;
  absl::Duration idle = absl::Hours(1);
  // For ReloadPolicy: reads the configuration, sets the broker's policy, gives the number of
  // tenants. Called on gRPC's threads, one at a time or together.
  std::function<absl::StatusOr<uint32_t>()> reload_policy;
};

class RpcServer {
 public:
  // Serves when it returns; health says NOT_SERVING until SetServing(true). `broker` outlives it.
  static absl::StatusOr<std::unique_ptr<RpcServer>> Start(RpcServerOptions options,
                                                          lease::Broker& broker);
  // Stop(0), and removes the socket.
  ~RpcServer();
  RpcServer(const RpcServer&) = delete;
  RpcServer& operator=(const RpcServer&) = delete;

  // What health says of every service.
  void SetServing(bool serving);
  // No new connections or calls; cancels the calls that have not ended after `grace`; returns when
  // none is left. The broker's watches end earlier if EndAll was called before.
  void Stop(absl::Duration grace);

  // Connections that are open, and watches. Any thread.
  size_t connections() const;
  size_t watches() const;

 private:
  struct Impl;
  explicit RpcServer(std::unique_ptr<Impl> impl);

  std::unique_ptr<Impl> impl_;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_RPC_SERVER_H_
