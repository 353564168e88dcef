#include "qsplit/rpc_session.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <mutex>
#include <optional>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client-lib/src/error_detail.h"
#include "client-lib/src/session_socket.h"
#include "qsplit/v1/session.pb.h"

namespace qsplit {
namespace {

constexpr char kTokenKey[] = "qsplit-session";
constexpr uint32_t kProtocol = 1;
constexpr size_t kMaxProgramBytes = 64;
constexpr int kMaxMessageBytes = 16 << 20;

std::string ProgramName() {
  std::string name;
  std::ifstream("/proc/self/comm") >> name;
  return name;
}

}  // namespace

struct RpcSession::Impl {
  SessionOptions options;
  std::string channel_path;
  std::shared_ptr<grpc::Channel> channel;

  mutable std::mutex mutex;  // guards the socket; the rest is written once, before `open`
  mutable std::optional<internal::SessionSocket> socket;
  std::atomic<bool> open = false;
  int fd = -1;
  std::string token;
  uint64_t session_id = 0;
  std::string daemon_version;

  absl::StatusOr<v1::SessionReply> Call(const v1::SessionRequest& request, int send_fd,
                                        std::vector<internal::OwnedFd>* received) const {
    std::lock_guard lock(mutex);
    if (!socket.has_value()) {
      return absl::FailedPreconditionError("no session is open; call OpenSession first");
    }
    return socket->Call(request, send_fd, received);
  }
};

RpcSession::RpcSession(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
RpcSession::~RpcSession() = default;

std::shared_ptr<RpcSession> RpcSession::Open(const SessionOptions& options) {
  auto impl = std::make_unique<Impl>();
  impl->options = options;
  std::string& dir = impl->options.runtime_dir;
  if (dir.empty()) {
    const char* from_environment = std::getenv("QSPLIT_RUNTIME_DIR");
    dir =
        from_environment != nullptr && *from_environment != '\0' ? from_environment : "/run/qsplit";
  }
  while (dir.size() > 1 && dir.back() == '/') dir.pop_back();
  std::string& program = impl->options.program;
  if (program.empty()) program = ProgramName();
  if (program.size() > kMaxProgramBytes) program.resize(kMaxProgramBytes);
  // The daemon takes printable ASCII alone, and nobody should fail for what a file is called.
  std::replace_if(
      program.begin(), program.end(),
      [](char c) { return !absl::ascii_isprint(static_cast<unsigned char>(c)); }, '?');
  impl->channel_path = absl::StrCat(dir, "/qsplitd.sock");
  grpc::ChannelArguments arguments;
  // One connection for each object, so that one program's sessions do not wait for each other.
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  impl->channel = grpc::CreateCustomChannel(absl::StrCat("unix:", impl->channel_path),
                                            grpc::InsecureChannelCredentials(), arguments);
  return std::shared_ptr<RpcSession>(new RpcSession(std::move(impl)));
}

absl::Status RpcSession::OpenSession() {
  std::lock_guard lock(impl_->mutex);
  if (impl_->socket.has_value()) return absl::OkStatus();
  absl::StatusOr<internal::SessionSocket> socket = internal::SessionSocket::Connect(
      absl::StrCat(impl_->options.runtime_dir, "/session.sock"), impl_->options.call_timeout);
  if (!socket.ok()) return socket.status();
  v1::SessionRequest request;
  request.mutable_hello()->set_protocol(kProtocol);
  request.mutable_hello()->set_program(impl_->options.program);
  absl::StatusOr<v1::SessionReply> reply = socket->Call(request, -1, nullptr);
  if (!reply.ok()) return reply.status();
  if (!reply->has_welcome() || reply->welcome().token().empty()) {
    return absl::InternalError("session socket: qsplitd did not answer hello with a token");
  }
  impl_->token = reply->welcome().token();
  impl_->session_id = reply->welcome().session_id();
  impl_->daemon_version = reply->welcome().daemon_version();
  impl_->fd = socket->fd();
  impl_->socket = *std::move(socket);
  impl_->open.store(true, std::memory_order_release);  // pairs with has_session
  return absl::OkStatus();
}

bool RpcSession::has_session() const { return impl_->open.load(std::memory_order_acquire); }

const std::shared_ptr<grpc::Channel>& RpcSession::channel() const { return impl_->channel; }

void RpcSession::PrepareContext(grpc::ClientContext& context) const {
  PrepareContext(context, impl_->options.call_timeout);
}

void RpcSession::PrepareContext(grpc::ClientContext& context, absl::Duration timeout) const {
  if (has_session()) context.AddMetadata(kTokenKey, impl_->token);
  if (timeout != absl::InfiniteDuration()) {
    context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout));
  }
}

absl::Status RpcSession::ToStatus(const grpc::Status& status) const {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  std::string message = status.error_message();
  std::optional<v1::ErrorDetail> detail = internal::FindErrorDetail(status.error_details());
  if (status.error_code() == grpc::StatusCode::UNAVAILABLE && !detail.has_value()) {
    // gRPC wraps the reason into the addresses that it tried; here is one.
    const std::string before_reason = absl::StrCat(impl_->channel_path, ": ");
    if (const size_t at = message.rfind(before_reason); at != std::string::npos) {
      message.erase(0, at + before_reason.size());
    }
    message = absl::StrCat("no answer at ", impl_->channel_path, " (", message,
                           "); is qsplitd running? Another folder is chosen by QSPLIT_RUNTIME_DIR "
                           "or the option for it");
  }
  absl::Status result(code, message);
  if (detail.has_value()) {
    result.SetPayload(internal::kErrorDetailUrl, absl::Cord(detail->SerializeAsString()));
  }
  return result;
}

absl::StatusOr<uint64_t> RpcSession::PutDescriptor(int fd) const {
  v1::SessionRequest request;
  request.mutable_put_descriptor();
  absl::StatusOr<v1::SessionReply> reply = impl_->Call(request, fd, nullptr);
  if (!reply.ok()) return reply.status();
  if (!reply->has_descriptor_stored()) {
    return absl::InternalError("session socket: qsplitd did not answer put_descriptor");
  }
  return reply->descriptor_stored().handle();
}

absl::StatusOr<std::vector<int>> RpcSession::FetchGrant(uint64_t lease_id) const {
  v1::SessionRequest request;
  request.mutable_fetch_grant()->set_lease_id(lease_id);
  std::vector<internal::OwnedFd> received;
  absl::StatusOr<v1::SessionReply> reply = impl_->Call(request, -1, &received);
  if (!reply.ok()) return reply.status();
  if (!reply->has_grant_descriptors() || reply->grant_descriptors().count() != received.size()) {
    return absl::InternalError(absl::StrCat("session socket: the grant of lease ", lease_id,
                                            " came with ", received.size(),
                                            " file descriptors, not with those it names"));
  }
  std::vector<int> fds;
  fds.reserve(received.size());
  for (internal::OwnedFd& fd : received) fds.push_back(fd.Release());
  return fds;
}

absl::Status RpcSession::Ping() const {
  v1::SessionRequest request;
  request.mutable_ping();
  absl::StatusOr<v1::SessionReply> reply = impl_->Call(request, -1, nullptr);
  if (!reply.ok()) return reply.status();
  return reply->has_pong() ? absl::OkStatus()
                           : absl::InternalError("session socket: qsplitd did not answer ping");
}

uint64_t RpcSession::session_id() const { return has_session() ? impl_->session_id : 0; }

const std::string& RpcSession::daemon_version() const {
  static const std::string* const none = new std::string;
  return has_session() ? impl_->daemon_version : *none;
}

int RpcSession::session_fd() const { return has_session() ? impl_->fd : -1; }
absl::Duration RpcSession::call_timeout() const { return impl_->options.call_timeout; }
const std::string& RpcSession::runtime_dir() const { return impl_->options.runtime_dir; }

}  // namespace qsplit
