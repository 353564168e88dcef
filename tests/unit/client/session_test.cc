// The session as far as it goes without a daemon: a small peer that plays one badly, and errors
// that say where they looked.
#include <gmock/gmock.h>
#include <grpcpp/support/status.h>
#include <gtest/gtest.h>
#include <qsplit/error.h>
#include <qsplit/rpc_session.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "qsplit/v1/device.grpc.pb.h"
#include "qsplit/v1/error.pb.h"
#include "qsplit/v1/session.pb.h"

namespace qsplit {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SessionTest : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/qsplit_client_XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    dir_ = name;
  }
  void TearDown() override {
    if (peer_.joinable()) peer_.join();
    std::filesystem::remove_all(dir_);
  }

  // Listens on session.sock and serves one connection.
  void Serve(std::function<void(int)> serve) {
    const int listener = ::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::snprintf(address.sun_path, sizeof address.sun_path, "%s/session.sock", dir_.c_str());
    ASSERT_EQ(::bind(listener, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    ASSERT_EQ(::listen(listener, 1), 0);
    peer_ = std::thread([listener, serve = std::move(serve)] {
      const int fd = ::accept(listener, nullptr, nullptr);
      serve(fd);
      ::close(fd);
      ::close(listener);
    });
  }

  static v1::SessionRequest Read(int fd) {
    char buffer[4096];
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    v1::SessionRequest request;
    EXPECT_TRUE(n > 0 && request.ParseFromArray(buffer, static_cast<int>(n)));
    return request;
  }
  static void Write(int fd, const v1::SessionReply& reply, const std::vector<int>& fds = {}) {
    std::string bytes = reply.SerializeAsString();
    iovec part{bytes.data(), bytes.size()};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
      message.msg_control = control.data();
      message.msg_controllen = control.size();
      cmsghdr* header = CMSG_FIRSTHDR(&message);
      header->cmsg_level = SOL_SOCKET;
      header->cmsg_type = SCM_RIGHTS;
      header->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
      std::memcpy(CMSG_DATA(header), fds.data(), fds.size() * sizeof(int));
    }
    EXPECT_EQ(::sendmsg(fd, &message, MSG_NOSIGNAL), static_cast<ssize_t>(bytes.size()));
  }
  static void Welcome(int fd) {
    EXPECT_EQ(Read(fd).hello().protocol(), 1u);
    v1::SessionReply reply;
    reply.mutable_welcome()->set_token(std::string(64, 'a'));
    reply.mutable_welcome()->set_session_id(7);
    reply.mutable_welcome()->set_daemon_version("9.9");
    Write(fd, reply);
  }

  SessionOptions Options(absl::Duration call_timeout = absl::Seconds(20)) const {
    return {.runtime_dir = dir_, .program = "test", .call_timeout = call_timeout};
  }

  std::string dir_;
  std::thread peer_;
};

TEST_F(SessionTest, SaysWhereItLookedWhenNobodyListens) {
  const absl::Status status = Session::Connect(Options()).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(dir_ + "/session.sock"), HasSubstr("QSPLIT_RUNTIME_DIR")));
}

TEST_F(SessionTest, SaysThatThePathIsTooLong) {
  SessionOptions options = Options();
  options.runtime_dir = "/" + std::string(200, 'x');
  const absl::Status status = Session::Connect(options).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(status.message()), HasSubstr("107"));
}

TEST_F(SessionTest, ReadingCallsSayWhereTheyLookedToo) {
  const std::shared_ptr<RpcSession> rpc = RpcSession::Open(Options());
  EXPECT_FALSE(rpc->has_session());
  grpc::ClientContext context;
  rpc->PrepareContext(context);
  v1::ListDevicesResponse response;
  const absl::Status status = rpc->ToStatus(
      v1::DeviceService::NewStub(rpc->channel())->ListDevices(&context, {}, &response));
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr(dir_ + "/qsplitd.sock"));
}

TEST_F(SessionTest, RuntimeDirectoryComesFromTheEnvironment) {
  ::setenv("QSPLIT_RUNTIME_DIR", "/tmp/elsewhere/", 1);
  EXPECT_EQ(RpcSession::Open({})->runtime_dir(), "/tmp/elsewhere");
  ::unsetenv("QSPLIT_RUNTIME_DIR");
  EXPECT_EQ(RpcSession::Open({})->runtime_dir(), "/run/qsplit");
}

TEST_F(SessionTest, OpensAndPings) {
  Serve([](int fd) {
    Welcome(fd);
    EXPECT_TRUE(Read(fd).has_ping());
    v1::SessionReply reply;
    reply.mutable_pong();
    Write(fd, reply);
  });
  absl::StatusOr<Session> session = Session::Connect(Options());
  ASSERT_TRUE(session.ok()) << session.status();
  EXPECT_EQ(session->id(), 7u);
  EXPECT_EQ(session->daemon_version(), "9.9");
  EXPECT_TRUE(session->Ping().ok());
  peer_.join();
  EXPECT_EQ(session->Ping().code(), absl::StatusCode::kUnavailable) << "the peer has closed";
}

TEST_F(SessionTest, RefusalsKeepTheirCodeAndWords) {
  Serve([](int fd) {
    Read(fd);
    v1::SessionReply reply;
    reply.set_code(8);
    reply.set_message("too many sessions: 64 of 64");
    Write(fd, reply);
  });
  const absl::Status status = Session::Connect(Options()).status();
  EXPECT_EQ(status, absl::ResourceExhaustedError("too many sessions: 64 of 64"));
}

TEST_F(SessionTest, ASilentDaemonDoesNotHoldUsForever) {
  Serve([](int fd) {
    Read(fd);
    char byte;
    EXPECT_EQ(::recv(fd, &byte, 1, 0), 0) << "until the client gives up";
  });
  EXPECT_EQ(Session::Connect(Options(absl::Milliseconds(500))).status().code(),
            absl::StatusCode::kDeadlineExceeded);
}

TEST_F(SessionTest, GarbageAndUnexpectedAnswersAreErrors) {
  Serve([](int fd) {
    Read(fd);
    EXPECT_EQ(::send(fd, "\xff\xff\xff", 3, 0), 3);
  });
  EXPECT_EQ(Session::Connect(Options()).status().code(), absl::StatusCode::kInternal);
}

TEST_F(SessionTest, FetchGrantCountsWhatCame) {
  Serve([](int fd) {
    Welcome(fd);
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(Read(fd).fetch_grant().lease_id(), 5u);
      v1::SessionReply reply;
      reply.mutable_grant_descriptors()->set_count(2);
      Write(fd, reply, i == 0 ? std::vector<int>{0, 1} : std::vector<int>{0});
    }
    Read(fd);
    v1::SessionReply reply;
    reply.mutable_pong();
    Write(fd, reply, {0});  // a descriptor that nobody asked for
  });
  const std::shared_ptr<RpcSession> rpc = RpcSession::Open(Options());
  EXPECT_EQ(rpc->FetchGrant(5).status().code(), absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(rpc->OpenSession().ok());
  absl::StatusOr<std::vector<int>> fds = rpc->FetchGrant(5);
  ASSERT_TRUE(fds.ok()) << fds.status();
  EXPECT_EQ(fds->size(), 2u);
  for (const int fd : *fds) EXPECT_EQ(::close(fd), 0);
  EXPECT_EQ(rpc->FetchGrant(5).status().code(), absl::StatusCode::kInternal);
  EXPECT_EQ(rpc->Ping().code(), absl::StatusCode::kInternal);
}

TEST_F(SessionTest, ErrorDetailsComeThrough) {
  v1::ErrorDetail detail;
  detail.set_reason(v1::ERROR_REASON_MISALIGNED);
  detail.set_field("length_bytes");
  detail.set_value("0x1800");
  detail.set_limit("0x1000");
  v1::RpcStatus rpc_status;
  rpc_status.set_code(3);
  rpc_status.add_details()->PackFrom(detail);
  const std::string bytes = rpc_status.SerializeAsString();
  const std::shared_ptr<RpcSession> rpc = RpcSession::Open(Options());
  const absl::Status status =
      rpc->ToStatus(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no", bytes));
  const std::optional<ErrorDetail> found = GetErrorDetail(status);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->reason, "ERROR_REASON_MISALIGNED");
  EXPECT_EQ(found->field, "length_bytes");
  EXPECT_EQ(found->value, "0x1800");
  EXPECT_EQ(found->limit, "0x1000");
  // Whatever stands there instead, the message stays.
  for (size_t cut = 0; cut < bytes.size(); ++cut) {
    const absl::Status broken =
        rpc->ToStatus(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "no", bytes.substr(0, cut)));
    EXPECT_EQ(broken.message(), "no");
    EXPECT_FALSE(GetErrorDetail(broken).has_value()) << cut;
  }
}

}  // namespace
}  // namespace qsplit
