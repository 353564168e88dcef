// Sessions: a client's live connections, each with its secret token and the file descriptors that
// it has sent and not used yet.
//
// Pure logic: clock and randomness are injected. Not thread-safe: the broker's lock guards it. It
// keeps no token, only SHA-256 of each, so that looking one up takes a time that tells nothing
// about the tokens of others.
#ifndef QSPLIT_DAEMON_SESSION_SESSION_TABLE_H_
#define QSPLIT_DAEMON_SESSION_SESSION_TABLE_H_

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::session {

// Number of a session, from 1, never used again in the daemon's life. Not secret.
using SessionId = uint64_t;

// Who is on the other end, as the kernel said when it connected.
struct Peer {
  uint32_t uid = 0;
  uint32_t gid = 0;
  int32_t pid = 0;
};

// What injects the time.
using Clock = std::function<absl::Time()>;
// Fills the bytes with unpredictable ones.
using RandomSource = std::function<void(std::span<uint8_t>)>;

// File descriptors that a session may have waiting.
inline constexpr size_t kMaxPendingDescriptors = 16;
inline constexpr size_t kMaxProgramBytes = 64;

struct Session {
  SessionId id = 0;
  Peer peer;
  std::string program;  // what it calls itself; at most 64 bytes of printable ASCII, for people
  absl::Time opened;
};

class SessionTable {
 public:
  struct Opened {
    SessionId id = 0;
    std::string token;  // 64 hexadecimal digits; kept nowhere else
  };

  SessionTable(Clock clock, RandomSource random, size_t max_sessions)
      : clock_(std::move(clock)), random_(std::move(random)), max_sessions_(max_sessions) {}

  // RESOURCE_EXHAUSTED (QUOTA): too many sessions of this uid (max_of_uid) or of all.
  absl::StatusOr<Opened> Open(const Peer& peer, std::string_view program, uint32_t max_of_uid);

  // UNAUTHENTICATED: NO_SESSION nobody has this token; SESSION_ENDED it is one of the last 1024
  // that ended.
  absl::StatusOr<SessionId> Authenticate(std::string_view token) const;

  // nullptr: there is none, or it has ended. Valid until Close.
  const Session* Find(SessionId id) const;
  // Find, or UNAUTHENTICATED (SESSION_ENDED, or NO_SESSION for a number never given out).
  absl::StatusOr<const Session*> Get(SessionId id) const;
  std::vector<SessionId> ids() const;
  size_t size() const { return sessions_.size(); }

  // Keeps a descriptor until TakeDescriptor. RESOURCE_EXHAUSTED (QUOTA): 16 wait already.
  absl::StatusOr<uint64_t> PutDescriptor(SessionId id, linux_sys::OwnedFd fd);
  // INVALID_ARGUMENT (reason NOT_FOUND): no such handle, or used up.
  absl::StatusOr<linux_sys::OwnedFd> TakeDescriptor(SessionId id, uint64_t handle);

  // Forgets the session and hands back the descriptors that waited. Nothing happens for a session
  // that is not there.
  std::vector<linux_sys::OwnedFd> Close(SessionId id);

 private:
  using Digest = std::array<uint8_t, 32>;
  struct Entry {
    Session session;
    Digest token{};
    uint64_t next_handle = 1;
    std::map<uint64_t, linux_sys::OwnedFd> descriptors;
  };

  static Digest DigestOf(std::string_view token);

  const Clock clock_;
  const RandomSource random_;
  const size_t max_sessions_;
  SessionId next_id_ = 1;
  std::map<SessionId, Entry> sessions_;
  std::map<Digest, SessionId> by_token_;
  std::map<uint32_t, uint32_t> by_uid_;  // number of sessions
  std::deque<Digest> ended_;             // oldest first
  std::set<Digest> ended_set_;
};

}  // namespace qsplit::session

#endif  // QSPLIT_DAEMON_SESSION_SESSION_TABLE_H_
