// How many connections each uid has, and all together, against their limits.
//
// A uid is the kernel's word (SO_PEERCRED), not the peer's. One thread.
#ifndef QSPLIT_DAEMON_INGRESS_CONNECTION_COUNTS_H_
#define QSPLIT_DAEMON_INGRESS_CONNECTION_COUNTS_H_

#include <cstddef>
#include <cstdint>
#include <unordered_map>

namespace qsplit::ingress {

class ConnectionCounts {
 public:
  ConnectionCounts(size_t max_total, size_t max_per_uid)
      : max_total_(max_total), max_per_uid_(max_per_uid) {}

  // Counts one more; false when a limit is reached, and nothing is counted.
  bool Add(uint32_t uid) {
    if (total_ >= max_total_) return false;
    size_t& count = by_uid_[uid];
    if (count >= max_per_uid_) return false;
    ++count;
    ++total_;
    return true;
  }
  // Once for each Add that was true.
  void Remove(uint32_t uid) {
    const auto found = by_uid_.find(uid);
    if (found == by_uid_.end()) return;
    --total_;
    if (--found->second == 0) by_uid_.erase(found);
  }
  size_t total() const { return total_; }

 private:
  const size_t max_total_;
  const size_t max_per_uid_;
  size_t total_ = 0;
  std::unordered_map<uint32_t, size_t> by_uid_;
};

}  // namespace qsplit::ingress

#endif  // QSPLIT_DAEMON_INGRESS_CONNECTION_COUNTS_H_
