#include "daemon/session/session_table.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "daemon/policy/error.h"

namespace qsplit::session {
namespace {

v1::ErrorReason ReasonOf(const absl::Status& status) {
  return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
}

// Random bytes that count upwards: each token differs.
RandomSource Counting() {
  return [next = uint8_t{0}](std::span<uint8_t> bytes) mutable {
    std::fill(bytes.begin(), bytes.end(), ++next);
  };
}

class SessionTableTest : public ::testing::Test {
 protected:
  SessionTable table_{[this] { return now_; }, Counting(), 4};
  absl::Time now_ = absl::FromUnixSeconds(1000);
};

TEST_F(SessionTableTest, FindsASessionByItsToken) {
  const auto a = table_.Open({1000, 100, 42}, "one", 8);
  const auto b = table_.Open({1001, 100, 43}, "two", 8);
  ASSERT_TRUE(a.ok() && b.ok());
  EXPECT_EQ(a->token.size(), 64U);
  EXPECT_EQ(a->token.find_first_not_of("0123456789abcdef"), std::string::npos);
  EXPECT_EQ(table_.Authenticate(a->token).value(), a->id);
  EXPECT_EQ(table_.Authenticate(b->token).value(), b->id);
  EXPECT_EQ(table_.Find(a->id)->peer.pid, 42);
  EXPECT_EQ(table_.Find(a->id)->opened, now_);
}

TEST_F(SessionTableTest, RefusesTokensThatNobodyHas) {
  const auto a = table_.Open({}, "", 8);
  std::string forged = a->token;
  forged.back() = forged.back() == '0' ? '1' : '0';
  for (const std::string& token : {std::string(), forged, a->token.substr(1), a->token + "0",
                                   std::string(1 << 20, 'a'), std::string(64, '\0')}) {
    const auto found = table_.Authenticate(token);
    EXPECT_EQ(found.status().code(), absl::StatusCode::kUnauthenticated);
    EXPECT_EQ(ReasonOf(found.status()), v1::ERROR_REASON_NO_SESSION);
  }
}

TEST_F(SessionTableTest, SaysThatASessionHasEnded) {
  const auto a = table_.Open({}, "", 8);
  table_.Close(a->id);
  EXPECT_EQ(ReasonOf(table_.Authenticate(a->token).status()), v1::ERROR_REASON_SESSION_ENDED);
  EXPECT_EQ(ReasonOf(table_.Get(a->id).status()), v1::ERROR_REASON_SESSION_ENDED);
  EXPECT_EQ(ReasonOf(table_.Get(a->id + 1).status()), v1::ERROR_REASON_NO_SESSION);
  EXPECT_EQ(ReasonOf(table_.Get(0).status()), v1::ERROR_REASON_NO_SESSION);
  EXPECT_EQ(table_.size(), 0U);
  EXPECT_TRUE(table_.Close(a->id).empty());
}

TEST_F(SessionTableTest, RemembersTheLast1024Ended) {
  SessionTable table([] { return absl::UnixEpoch(); },
                     [n = uint32_t{0}](std::span<uint8_t> bytes) mutable {
                       ++n;
                       for (size_t i = 0; i < bytes.size(); ++i) {
                         bytes[i] = static_cast<uint8_t>(n >> (8 * (i % 4)));
                       }
                     },
                     4);
  std::vector<std::string> tokens;
  for (int i = 0; i < 1025; ++i) {
    const auto opened = table.Open({}, "", 8);
    tokens.push_back(opened->token);
    table.Close(opened->id);
  }
  EXPECT_EQ(ReasonOf(table.Authenticate(tokens[0]).status()), v1::ERROR_REASON_NO_SESSION);
  EXPECT_EQ(ReasonOf(table.Authenticate(tokens[1]).status()), v1::ERROR_REASON_SESSION_ENDED);
}

TEST_F(SessionTableTest, LimitsSessionsOfAUidAndOfAll) {
  const auto first = table_.Open({.uid = 7}, "", 2);
  ASSERT_TRUE(first.ok());
  ASSERT_TRUE(table_.Open({.uid = 7}, "", 2).ok());
  EXPECT_EQ(ReasonOf(table_.Open({.uid = 7}, "", 2).status()), v1::ERROR_REASON_QUOTA);
  ASSERT_TRUE(table_.Open({.uid = 8}, "", 2).ok());
  ASSERT_TRUE(table_.Open({.uid = 9}, "", 2).ok());
  const auto full = table_.Open({.uid = 10}, "", 2);
  EXPECT_EQ(full.status().code(), absl::StatusCode::kResourceExhausted);
  table_.Close(first->id);
  EXPECT_TRUE(table_.Open({.uid = 7}, "", 2).ok());
}

TEST_F(SessionTableTest, MakesProgramNamesHarmless) {
  const auto a = table_.Open({}, "a\x1b[2J\xff" + std::string(100, 'x'), 8);
  const std::string& name = table_.Find(a->id)->program;
  EXPECT_EQ(name.size(), 64U);
  EXPECT_EQ(name.substr(0, 6), "a?[2J?");
}

TEST_F(SessionTableTest, KeepsSixteenDescriptorsAndGivesEachOnce) {
  const auto a = table_.Open({}, "", 8);
  const auto b = table_.Open({}, "", 8);
  std::vector<uint64_t> handles;
  for (size_t i = 0; i < kMaxPendingDescriptors; ++i) {
    const auto handle = table_.PutDescriptor(a->id, linux_sys::OwnedFd(::dup(0)));
    ASSERT_TRUE(handle.ok());
    handles.push_back(*handle);
  }
  EXPECT_EQ(ReasonOf(table_.PutDescriptor(a->id, linux_sys::OwnedFd()).status()),
            v1::ERROR_REASON_QUOTA);
  // Handles are the session's own.
  EXPECT_EQ(ReasonOf(table_.TakeDescriptor(b->id, handles[0]).status()),
            v1::ERROR_REASON_NOT_FOUND);
  const auto fd = table_.TakeDescriptor(a->id, handles[0]);
  ASSERT_TRUE(fd.ok());
  EXPECT_TRUE(fd->valid());
  const auto again = table_.TakeDescriptor(a->id, handles[0]);
  EXPECT_EQ(again.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(table_.Close(a->id).size(), kMaxPendingDescriptors - 1);
  EXPECT_EQ(ReasonOf(table_.PutDescriptor(a->id, linux_sys::OwnedFd()).status()),
            v1::ERROR_REASON_SESSION_ENDED);
}

}  // namespace
}  // namespace qsplit::session
