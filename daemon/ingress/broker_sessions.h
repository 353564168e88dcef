// The session socket's requests, put to the broker. Any thread.
#ifndef QSPLIT_DAEMON_INGRESS_BROKER_SESSIONS_H_
#define QSPLIT_DAEMON_INGRESS_BROKER_SESSIONS_H_

#include <string_view>
#include <utility>

#include "daemon/ingress/session_handler.h"
#include "daemon/lease/broker.h"

namespace qsplit::ingress {

class BrokerSessions final : public SessionHandler {
 public:
  explicit BrokerSessions(lease::Broker& broker) : broker_(broker) {}

  absl::StatusOr<Opened> Open(const linux_sys::PeerCredentials& peer,
                              std::string_view program) override {
    auto opened = broker_.OpenSession({.uid = peer.uid, .gid = peer.gid, .pid = peer.pid}, program);
    if (!opened.ok()) return opened.status();
    return Opened{opened->id, std::move(opened->token)};
  }
  absl::StatusOr<uint64_t> PutDescriptor(uint64_t session, linux_sys::OwnedFd fd) override {
    return broker_.PutDescriptor(session, std::move(fd));
  }
  absl::StatusOr<SharedFds> FetchGrant(uint64_t session, uint64_t lease) override {
    return broker_.FetchGrant(session, lease);
  }
  void End(uint64_t session) override { broker_.EndSession(session); }

 private:
  lease::Broker& broker_;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_BROKER_SESSIONS_H_
