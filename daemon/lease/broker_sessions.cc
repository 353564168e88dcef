// The broker's calls for the session socket.
#include <fmt/format.h>

#include <utility>

#include "daemon/lease/broker.h"
#include "daemon/lease/broker_state.h"
#include "daemon/policy/error.h"

namespace qsplit::lease {

using policy::Error;
using policy::InCall;

absl::StatusOr<session::SessionTable::Opened> Broker::OpenSession(const session::Peer& peer,
                                                                  std::string_view program) {
  Locked state(*state_);
  if (state->stopping) {
    return Error(v1::ERROR_REASON_NOT_READY, "", "", "",
                 "Hello: the daemon is stopping; connect again when it has started");
  }
  auto opened = state->sessions.Open(peer, program, state->TenantOf(peer).quota.max_sessions);
  if (!opened.ok()) return InCall("Hello", opened.status());
  return opened;
}

absl::StatusOr<SessionId> Broker::Authenticate(std::string_view token) const {
  Locked state(*state_);
  return state->sessions.Authenticate(token);
}

absl::StatusOr<uint64_t> Broker::PutDescriptor(SessionId session, linux_sys::OwnedFd fd) {
  Locked state(*state_);
  if (auto caller = state->Caller(session); !caller.ok()) {
    return InCall("PutDescriptor", caller.status());
  }
  auto handle = state->sessions.PutDescriptor(session, std::move(fd));
  if (!handle.ok()) return InCall("PutDescriptor", handle.status());
  return handle;
}

absl::StatusOr<linux_sys::OwnedFd> Broker::TakeDescriptor(SessionId session, uint64_t handle) {
  Locked state(*state_);
  if (auto caller = state->Caller(session); !caller.ok()) {
    return InCall("RegisterRegion", caller.status());
  }
  auto fd = state->sessions.TakeDescriptor(session, handle);
  if (!fd.ok()) return InCall("RegisterRegion", fd.status());
  return fd;
}

absl::StatusOr<std::vector<std::shared_ptr<const linux_sys::OwnedFd>>> Broker::FetchGrant(
    SessionId session, LeaseId id) {
  Locked state(*state_);
  auto caller = state->Caller(session);
  if (!caller.ok()) return InCall("FetchGrant", caller.status());
  auto lease = state->Lease(session, id, false);
  if (!lease.ok()) return InCall("FetchGrant", lease.status());
  if (absl::Status status = State::CheckRuns(**lease); !status.ok()) {
    return InCall("FetchGrant", status);
  }
  if ((*lease)->fetched) {
    return policy::ErrorWithCode(
        absl::StatusCode::kFailedPrecondition, v1::ERROR_REASON_IN_USE, "lease_id",
        fmt::format("{}", id), "",
        fmt::format("FetchGrant: the grant of lease {} was fetched already; keep its descriptors, "
                    "or release the lease and acquire another",
                    id));
  }
  (*lease)->fetched = true;
  return std::exchange((*lease)->descriptors, {});
}

}  // namespace qsplit::lease
