// The session socket with real connections, most of them hostile.
#include "daemon/ingress/fd_channel.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "daemon/linux/process_limits.h"
#include "tests/support/system/pauses.h"
#include "tests/unit/ingress/fake_sessions.h"
#include "tests/unit/ingress/raw_client.h"

namespace qsplit::ingress {
namespace {

using testing::FakeSessions;
using testing::Ping;
using testing::Put;
using testing::RawClient;

bool Eventually(const std::function<bool()>& holds, absl::Duration within = absl::Seconds(20)) {
  const absl::Time end = absl::Now() + within;
  while (absl::Now() < end) {
    if (holds()) return true;
    absl::SleepFor(absl::Milliseconds(1));
  }
  return holds();
}

class FdChannelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/qsplit-test-XXXXXX";
    ASSERT_NE(mkdtemp(name), nullptr);
    folder_ = name;
    path_ = folder_ + "/session.sock";
  }
  void TearDown() override {
    channel_.reset();
    EXPECT_EQ(sessions_.open(), 0u) << "sessions outlived the channel";
    EXPECT_NE(access(path_.c_str(), F_OK), 0) << "the socket was left behind";
    rmdir(folder_.c_str());
  }

  void Start(FdChannelOptions options = {}) {
    options.path = path_;
    options.version = "1.2.3";
    auto channel = FdChannel::Start(options, sessions_);
    ASSERT_TRUE(channel.ok()) << channel.status();
    channel_ = *std::move(channel);
  }

  // A client that breaks the protocol loses its connection and its session, and nothing it sent
  // stays open here.
  void ExpectCutOff(const std::function<void(RawClient&)>& misbehave, bool hello = true) {
    const int64_t before = linux_sys::CountOpenDescriptors();
    RawClient client(path_);
    if (hello) {
      ASSERT_TRUE(client.Hello().has_value());
      ASSERT_EQ(sessions_.open(), 1u);
    }
    misbehave(client);
    EXPECT_TRUE(client.ClosedWithin(absl::Seconds(10)));
    client.Close();
    EXPECT_TRUE(Eventually([&] { return sessions_.open() == 0 && channel_->connections() == 0; }));
    EXPECT_TRUE(Eventually([&] { return linux_sys::CountOpenDescriptors() == before; }));
  }

  std::string folder_;
  std::string path_;
  FakeSessions sessions_;
  std::unique_ptr<FdChannel> channel_;
};

TEST_F(FdChannelTest, HelloGetsTokenNumberAndVersion) {
  Start();
  RawClient client(path_);
  const auto reply = client.Hello();
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->code(), 0u);
  EXPECT_EQ(reply->welcome().token(), std::string(64, 'a'));
  EXPECT_EQ(reply->welcome().session_id(), 1u);
  EXPECT_EQ(reply->welcome().daemon_version(), "1.2.3");
  EXPECT_EQ(sessions_.uid_of_last(), getuid());
  ASSERT_TRUE(client.Call(Ping()).has_value());
}

TEST_F(FdChannelTest, SocketHasTheModeOfItsOptions) {
  Start({.mode = 0640});
  struct stat found {};
  ASSERT_EQ(stat(path_.c_str(), &found), 0);
  EXPECT_EQ(found.st_mode & 07777, 0640u);
}

TEST_F(FdChannelTest, EndOfTheConnectionEndsTheSession) {
  Start();
  RawClient client(path_);
  ASSERT_TRUE(client.Hello().has_value());
  qsplit::testing::Pauses pauses;
  const absl::Time closed = absl::Now();
  client.Close();
  EXPECT_TRUE(Eventually([&] { return sessions_.ended() == 1; }));
  const absl::Duration took = absl::Now() - closed;
  EXPECT_LT(took, pauses.Allow(qsplit::testing::kCleanUpTime));
}

TEST_F(FdChannelTest, DescriptorsTravelBothWays) {
  Start();
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  const linux_sys::OwnedFd reader(ends[0]);
  auto writer = std::make_shared<const linux_sys::OwnedFd>(ends[1]);
  sessions_.SetGrant(7, SessionHandler::SharedFds(linux_sys::kMaxPacketFds, writer));
  RawClient client(path_);
  ASSERT_TRUE(client.Hello().has_value());
  const auto stored = client.Call(Put(), {reader.get()});
  ASSERT_TRUE(stored.has_value());
  EXPECT_EQ(stored->descriptor_stored().handle(), 1u);
  v1::SessionRequest fetch;
  fetch.mutable_fetch_grant()->set_lease_id(7);
  std::vector<linux_sys::OwnedFd> fds;
  const auto granted = client.Call(fetch, {}, &fds);
  ASSERT_TRUE(granted.has_value());
  EXPECT_EQ(granted->grant_descriptors().count(), linux_sys::kMaxPacketFds);
  ASSERT_EQ(fds.size(), linux_sys::kMaxPacketFds);
  ASSERT_EQ(write(fds.back().get(), "x", 1), 1);
  char byte = 0;
  EXPECT_EQ(read(reader.get(), &byte, 1), 1);
  EXPECT_EQ(byte, 'x');
}

TEST_F(FdChannelTest, RefusedRequestsLeaveTheSessionOpen) {
  Start();
  RawClient client(path_);
  ASSERT_TRUE(client.Hello().has_value());
  v1::SessionRequest fetch;
  fetch.mutable_fetch_grant()->set_lease_id(99);
  const auto reply = client.Call(fetch);
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->code(), static_cast<uint32_t>(absl::StatusCode::kNotFound));
  EXPECT_EQ(reply->message(), "no such lease");
  EXPECT_TRUE(client.Call(Ping()).has_value());
}

TEST_F(FdChannelTest, RefusedHelloSaysWhyAndCloses) {
  Start();
  RawClient refused(path_);
  const auto reply = refused.Hello("refused");
  ASSERT_TRUE(reply.has_value());
  EXPECT_EQ(reply->code(), static_cast<uint32_t>(absl::StatusCode::kResourceExhausted));
  EXPECT_TRUE(refused.ClosedWithin(absl::Seconds(10)));

  RawClient future(path_);
  v1::SessionRequest request;
  request.mutable_hello()->set_protocol(9);
  const auto other = future.Call(request);
  ASSERT_TRUE(other.has_value());
  EXPECT_EQ(other->message(),
            "hello: protocol 9 is not spoken here; this daemon speaks 1: use a client library that "
            "fits qsplitd 1.2.3");
  EXPECT_TRUE(future.ClosedWithin(absl::Seconds(10)));

  RawClient unprintable(path_);
  const auto third = unprintable.Hello("evil\x1b[2J");
  ASSERT_TRUE(third.has_value());
  EXPECT_EQ(third->code(), static_cast<uint32_t>(absl::StatusCode::kInvalidArgument));
}

TEST_F(FdChannelTest, GarbageIsCutOff) {
  Start();
  ExpectCutOff([](RawClient& client) { client.SendBytes("\xff\xff\xff garbage"); });
  ExpectCutOff([](RawClient& client) { client.SendBytes("\xff\xff\xff"); }, /*hello=*/false);
}

TEST_F(FdChannelTest, AnEmptyRequestIsCutOff) {
  Start();
  // An unknown field alone: it parses, and asks for nothing.
  ExpectCutOff([](RawClient& client) { client.SendBytes(std::string("\xf8\x01\x01", 3)); });
}

TEST_F(FdChannelTest, TooLongPacketsAreCutOff) {
  Start();
  ExpectCutOff([](RawClient& client) { client.SendBytes(std::string(kMaxSessionMessage + 1, 0)); });
  ExpectCutOff([](RawClient& client) { client.SendBytes(std::string(100'000, 'x')); });
}

TEST_F(FdChannelTest, RequestsOutOfTurnAreCutOff) {
  Start();
  ExpectCutOff([](RawClient& client) { client.Send(Ping()); }, /*hello=*/false);
  ExpectCutOff([](RawClient& client) { client.Hello(); });
}

TEST_F(FdChannelTest, UnexpectedDescriptorsAreClosedAndTheirSenderIsCutOff) {
  Start();
  ExpectCutOff([](RawClient& client) { client.Send(Ping(), {STDERR_FILENO}); });
  ExpectCutOff([](RawClient& client) { client.Send(Put(), {STDERR_FILENO, STDERR_FILENO}); });
  ExpectCutOff([](RawClient& client) { client.Send(Put()); });
  ExpectCutOff([](RawClient& client) {
    client.Send(Put(), std::vector<int>(linux_sys::kMaxPacketFds, STDERR_FILENO));
  });
  ExpectCutOff(
      [](RawClient& client) {
        client.SendBytes("garbage", std::vector<int>(linux_sys::kMaxPacketFds, STDERR_FILENO));
      },
      /*hello=*/false);
  EXPECT_EQ(sessions_.stored(), 0u);
}

TEST_F(FdChannelTest, SilentConnectionsAreClosedAndOthersStay) {
  Start({.hello_timeout = absl::Milliseconds(200)});
  RawClient talker(path_);
  ASSERT_TRUE(talker.Hello().has_value());
  const absl::Time connecting = absl::Now();
  RawClient silent(path_);
  EXPECT_TRUE(!silent.ClosedWithin(absl::Milliseconds(100)) ||
              absl::Now() - connecting > absl::Milliseconds(200));
  EXPECT_TRUE(silent.ClosedWithin(absl::Seconds(10)));
  absl::SleepFor(absl::Milliseconds(300));
  EXPECT_TRUE(talker.Call(Ping()).has_value());
}

TEST_F(FdChannelTest, APeerThatReadsNoRepliesIsCutOff) {
  Start();
  RawClient deaf(path_);
  ASSERT_TRUE(deaf.Hello().has_value());
  const absl::Time end = absl::Now() + absl::Seconds(5);
  while (!deaf.ClosedWithin(absl::ZeroDuration()) && absl::Now() < end) deaf.Send(Ping());
  EXPECT_TRUE(deaf.ClosedWithin(absl::ZeroDuration()));
  EXPECT_TRUE(Eventually([&] { return sessions_.open() == 0; }));
  RawClient other(path_);
  EXPECT_TRUE(other.Hello().has_value());
}

TEST_F(FdChannelTest, OneUidGetsSoManyConnections) {
  Start({.max_connections = 10, .max_connections_per_uid = 3});
  std::vector<std::unique_ptr<RawClient>> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(std::make_unique<RawClient>(path_));
    ASSERT_TRUE(clients.back()->Hello().has_value());
  }
  RawClient surplus(path_);
  EXPECT_TRUE(surplus.ClosedWithin(absl::Seconds(10)));
  clients.pop_back();
  EXPECT_TRUE(Eventually([&] { return channel_->connections() == 2; }));
  RawClient next(path_);
  EXPECT_TRUE(next.Hello().has_value());
}

TEST_F(FdChannelTest, AChildThatSharesTheSocketKeepsTheSession) {
  Start();
  RawClient client(path_);
  ASSERT_TRUE(client.Hello().has_value());
  linux_sys::OwnedFd inherited(dup(client.fd()));
  client.Close();
  absl::SleepFor(absl::Milliseconds(100));
  EXPECT_EQ(sessions_.open(), 1u);
  inherited.Reset();
  EXPECT_TRUE(Eventually([&] { return sessions_.open() == 0; }));
}

TEST_F(FdChannelTest, StopEndsAllSessions) {
  Start();
  RawClient a(path_), b(path_);
  ASSERT_TRUE(a.Hello().has_value());
  ASSERT_TRUE(b.Hello().has_value());
  channel_->Stop();
  EXPECT_EQ(sessions_.ended(), 2u);
  EXPECT_TRUE(a.ClosedWithin(absl::Seconds(10)));
}

TEST_F(FdChannelTest, WhatIsNoSocketIsNotReplaced) {
  FILE* file = fopen(path_.c_str(), "w");
  ASSERT_NE(file, nullptr);
  fclose(file);
  const auto channel = FdChannel::Start({.path = path_}, sessions_);
  EXPECT_EQ(channel.status().message(),
            path_ + " exists and is no socket; move it away or choose another directory");
  unlink(path_.c_str());
}

}  // namespace
}  // namespace qsplit::ingress
