#include "daemon/ingress/session_connection.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::ingress {
namespace {

constexpr size_t kMaxProgram = 64;

SessionConnection::Answer Violation(const char* why) {
  SessionConnection::Answer answer;
  answer.close = true;
  answer.violation = why;
  return answer;
}

SessionConnection::Answer Reply(const v1::SessionReply& reply) {
  SessionConnection::Answer answer;
  answer.reply = reply.SerializeAsString();
  return answer;
}

SessionConnection::Answer Refuse(const absl::Status& status) {
  v1::SessionReply reply;
  reply.set_code(static_cast<uint32_t>(status.code()));
  // Leaves room for the rest of the message.
  reply.set_message(std::string(status.message().substr(0, kMaxSessionMessage - 256)));
  return Reply(reply);
}

bool IsPrintable(const std::string& text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c <= '~'; });
}

}  // namespace

SessionConnection::~SessionConnection() {
  if (session_ != 0) handler_.End(session_);
}

SessionConnection::Answer SessionConnection::Handle(std::span<const uint8_t> bytes,
                                                    std::vector<linux_sys::OwnedFd> fds, bool cut) {
  if (cut || bytes.size() > kMaxSessionMessage) return Violation("packet too long");
  v1::SessionRequest request;
  if (bytes.empty() || !request.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    return Violation("packet does not parse");
  }
  const auto kind = request.request_case();
  if (kind == v1::SessionRequest::REQUEST_NOT_SET) return Violation("no request in the packet");
  if (is_open() == (kind == v1::SessionRequest::kHello)) {
    return Violation(is_open() ? "second hello" : "first message is no hello");
  }
  const size_t expected = kind == v1::SessionRequest::kPutDescriptor ? 1 : 0;
  if (fds.size() != expected) {
    return Violation(expected == 0 ? "descriptors where none belong"
                                   : "not exactly one descriptor");
  }
  switch (kind) {
    case v1::SessionRequest::kHello:
      return OnHello(request.hello());
    case v1::SessionRequest::kPutDescriptor:
      return OnPut(std::move(fds.front()));
    case v1::SessionRequest::kFetchGrant:
      return OnFetchGrant(request.fetch_grant());
    case v1::SessionRequest::kPing: {
      v1::SessionReply reply;
      reply.mutable_pong();
      return Reply(reply);
    }
    case v1::SessionRequest::REQUEST_NOT_SET:
      break;
  }
  return Violation("no request in the packet");
}

SessionConnection::Answer SessionConnection::OnHello(const v1::Hello& hello) {
  absl::Status refused;
  if (hello.protocol() != kSessionProtocol) {
    refused = absl::InvalidArgumentError(absl::StrCat(
        "hello: protocol ", hello.protocol(), " is not spoken here; this daemon speaks ",
        kSessionProtocol, ": use a client library that fits qsplitd ", version_));
  } else if (hello.program().size() > kMaxProgram || !IsPrintable(hello.program())) {
    refused = absl::InvalidArgumentError(absl::StrCat("hello: program has ", hello.program().size(),
                                                      " bytes; allowed: at most ", kMaxProgram,
                                                      ", printable ASCII"));
  } else {
    auto opened = handler_.Open(peer_, hello.program());
    if (opened.ok()) {
      session_ = opened->session;
      v1::SessionReply reply;
      v1::Welcome& welcome = *reply.mutable_welcome();
      welcome.set_token(std::move(opened->token));
      welcome.set_session_id(session_);
      welcome.set_daemon_version(version_);
      return Reply(reply);
    }
    refused = opened.status();
  }
  Answer answer = Refuse(refused);
  answer.close = true;
  return answer;
}

SessionConnection::Answer SessionConnection::OnPut(linux_sys::OwnedFd fd) {
  const auto handle = handler_.PutDescriptor(session_, std::move(fd));
  if (!handle.ok()) return Refuse(handle.status());
  v1::SessionReply reply;
  reply.mutable_descriptor_stored()->set_handle(*handle);
  return Reply(reply);
}

SessionConnection::Answer SessionConnection::OnFetchGrant(const v1::FetchGrant& request) {
  auto fds = handler_.FetchGrant(session_, request.lease_id());
  if (!fds.ok()) return Refuse(fds.status());
  if (fds->size() > linux_sys::kMaxPacketFds) {
    return Refuse(absl::InternalError(absl::StrCat(
        "fetch_grant: the grant has ", fds->size(), " descriptors; a packet carries at most ",
        linux_sys::kMaxPacketFds, ": acquire fewer queues")));
  }
  v1::SessionReply reply;
  reply.mutable_grant_descriptors()->set_count(static_cast<uint32_t>(fds->size()));
  Answer answer = Reply(reply);
  answer.fds = *std::move(fds);
  return answer;
}

}  // namespace qsplit::ingress
