#include "daemon/session/session_table.h"

#include <fmt/format.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "daemon/policy/error.h"

namespace qsplit::session {
namespace {

using policy::Error;

constexpr size_t kTokenBytes = 32;
constexpr size_t kRememberedEnded = 1024;

// What is shown to people on terminals must not drive them.
std::string Printable(std::string_view text) {
  std::string out(text.substr(0, kMaxProgramBytes));
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
  return out;
}

absl::Status Ended() {
  return Error(v1::ERROR_REASON_SESSION_ENDED, "", "", "",
               "the session has ended; connect to the session socket again");
}

}  // namespace

SessionTable::Digest SessionTable::DigestOf(std::string_view token) {
  Digest digest;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest.data());
  return digest;
}

absl::StatusOr<SessionTable::Opened> SessionTable::Open(const Peer& peer, std::string_view program,
                                                        uint32_t max_of_uid) {
  if (sessions_.size() >= max_sessions_) {
    return Error(v1::ERROR_REASON_QUOTA, "", "", "",
                 "the daemon has no room for another session; try again later");
  }
  const auto of_uid = by_uid_.find(peer.uid);
  if ((of_uid == by_uid_.end() ? 0 : of_uid->second) >= max_of_uid) {
    return Error(
        v1::ERROR_REASON_QUOTA, "", fmt::format("{}", peer.uid), fmt::format("{}", max_of_uid),
        fmt::format("uid {} may have {} sessions and has them; close one", peer.uid, max_of_uid));
  }
  std::array<uint8_t, kTokenBytes> secret;
  random_(secret);
  Opened opened;
  opened.id = next_id_++;
  for (uint8_t byte : secret) opened.token += fmt::format("{:02x}", byte);
  Entry entry;
  entry.session = {opened.id, peer, Printable(program), clock_()};
  entry.token = DigestOf(opened.token);
  by_token_[entry.token] = opened.id;
  ++by_uid_[peer.uid];
  sessions_.emplace(opened.id, std::move(entry));
  return opened;
}

absl::StatusOr<SessionId> SessionTable::Authenticate(std::string_view token) const {
  if (token.empty()) {
    return Error(v1::ERROR_REASON_NO_SESSION, "", "", "",
                 "no session token came with the call; connect to the session socket and send its "
                 "token as metadata qsplit-session");
  }
  const Digest digest = DigestOf(token);
  if (const auto found = by_token_.find(digest); found != by_token_.end()) return found->second;
  if (ended_set_.contains(digest)) return Ended();
  return Error(v1::ERROR_REASON_NO_SESSION, "", "", "",
               "nobody has this session token; connect to the session socket for one");
}

const Session* SessionTable::Find(SessionId id) const {
  const auto found = sessions_.find(id);
  return found == sessions_.end() ? nullptr : &found->second.session;
}

absl::StatusOr<const Session*> SessionTable::Get(SessionId id) const {
  if (const Session* session = Find(id)) return session;
  if (id != 0 && id < next_id_) return Ended();
  return Error(v1::ERROR_REASON_NO_SESSION, "", "", "",
               "the call needs a session; connect to the session socket first");
}

std::vector<SessionId> SessionTable::ids() const {
  std::vector<SessionId> ids;
  ids.reserve(sessions_.size());
  for (const auto& [id, entry] : sessions_) ids.push_back(id);
  return ids;
}

absl::StatusOr<uint64_t> SessionTable::PutDescriptor(SessionId id, linux_sys::OwnedFd fd) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return Get(id).status();
  auto& waiting = found->second.descriptors;
  if (waiting.size() >= kMaxPendingDescriptors) {
    return Error(v1::ERROR_REASON_QUOTA, "", fmt::format("{}", waiting.size() + 1),
                 fmt::format("{}", kMaxPendingDescriptors),
                 fmt::format("{} descriptors of this session wait already; register them first",
                             kMaxPendingDescriptors));
  }
  const uint64_t handle = found->second.next_handle++;
  waiting.emplace(handle, std::move(fd));
  return handle;
}

absl::StatusOr<linux_sys::OwnedFd> SessionTable::TakeDescriptor(SessionId id, uint64_t handle) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return Get(id).status();
  auto& waiting = found->second.descriptors;
  const auto descriptor = waiting.find(handle);
  if (descriptor == waiting.end()) {
    return policy::ErrorWithCode(
        absl::StatusCode::kInvalidArgument, v1::ERROR_REASON_NOT_FOUND, "descriptor_handle",
        fmt::format("{}", handle), "",
        fmt::format("descriptor handle {} is unknown or used up; send the memfd on the session "
                    "socket again",
                    handle));
  }
  linux_sys::OwnedFd fd = std::move(descriptor->second);
  waiting.erase(descriptor);
  return fd;
}

std::vector<linux_sys::OwnedFd> SessionTable::Close(SessionId id) {
  std::vector<linux_sys::OwnedFd> fds;
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return fds;
  for (auto& [handle, fd] : found->second.descriptors) fds.push_back(std::move(fd));
  const uint32_t uid = found->second.session.peer.uid;
  if (--by_uid_[uid] == 0) by_uid_.erase(uid);
  const Digest token = found->second.token;
  by_token_.erase(token);
  ended_.push_back(token);
  ended_set_.insert(token);
  if (ended_.size() > kRememberedEnded) {
    ended_set_.erase(ended_.front());
    ended_.pop_front();
  }
  sessions_.erase(found);
  return fds;
}

}  // namespace qsplit::session
