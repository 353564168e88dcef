// A SessionHandler without a daemon behind it: remembers what is open. Thread-safe.
#ifndef QSPLIT_TESTS_UNIT_INGRESS_FAKE_SESSIONS_H_
#define QSPLIT_TESTS_UNIT_INGRESS_FAKE_SESSIONS_H_

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "daemon/ingress/session_handler.h"

namespace qsplit::ingress::testing {

class FakeSessions : public SessionHandler {
 public:
  absl::StatusOr<Opened> Open(const linux_sys::PeerCredentials& peer,
                              std::string_view program) override {
    std::lock_guard lock(mutex_);
    if (program == "refused") return absl::ResourceExhaustedError("no more sessions for you");
    const uint64_t id = ++last_;
    open_[id] = peer.uid;
    return Opened{id, std::string(64, 'a')};
  }
  absl::StatusOr<uint64_t> PutDescriptor(uint64_t session, linux_sys::OwnedFd fd) override {
    std::lock_guard lock(mutex_);
    stored_.push_back(std::move(fd));
    return stored_.size() + (open_.contains(session) ? 0 : 1000);
  }
  absl::StatusOr<SharedFds> FetchGrant(uint64_t, uint64_t lease) override {
    std::lock_guard lock(mutex_);
    const auto found = grants_.find(lease);
    if (found == grants_.end()) return absl::NotFoundError("no such lease");
    return found->second;
  }
  void End(uint64_t session) override {
    std::lock_guard lock(mutex_);
    open_.erase(session);
    ++ended_;
  }

  void SetGrant(uint64_t lease, SharedFds fds) {
    std::lock_guard lock(mutex_);
    grants_[lease] = std::move(fds);
  }
  size_t open() const {
    std::lock_guard lock(mutex_);
    return open_.size();
  }
  size_t ended() const {
    std::lock_guard lock(mutex_);
    return ended_;
  }
  size_t stored() const {
    std::lock_guard lock(mutex_);
    return stored_.size();
  }
  uint32_t uid_of_last() const {
    std::lock_guard lock(mutex_);
    return open_.at(last_);
  }

 private:
  mutable std::mutex mutex_;
  uint64_t last_ = 0;
  size_t ended_ = 0;
  std::map<uint64_t, uint32_t> open_;
  std::vector<linux_sys::OwnedFd> stored_;
  std::map<uint64_t, SharedFds> grants_;
};

}  // namespace qsplit::ingress::testing

#endif  // QSPLIT_TESTS_UNIT_INGRESS_FAKE_SESSIONS_H_
