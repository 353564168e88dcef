// One thread for a session that listens to LeaseService.WatchLeases and tells each lease what
// happens to it. Thread-safe.
#ifndef QSPLIT_CLIENT_LIB_SRC_LEASE_WATCHER_H_
#define QSPLIT_CLIENT_LIB_SRC_LEASE_WATCHER_H_

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <unordered_map>
#include <vector>

#include "qsplit/lease.h"

namespace grpc {
class ClientContext;
}

namespace qsplit {
class RpcSession;
}

namespace qsplit::internal {

class LeaseWatcher {
 public:
  using Sink = std::function<void(const LeaseEvent&)>;

  explicit LeaseWatcher(const RpcSession& session) : session_(session) {}
  // Ends the thread.
  ~LeaseWatcher();
  LeaseWatcher(const LeaseWatcher&) = delete;
  LeaseWatcher& operator=(const LeaseWatcher&) = delete;

  // Starts the thread unless it runs; call it before acquiring, so that no event is missed.
  void Start();
  // `sink` gets the lease's events from now on, first those that came before this call, on the
  // watcher's thread or this one; never two at once.
  void Add(uint64_t lease_id, Sink sink);
  // When it returns, no sink of this lease runs and none will. Not to be called by a sink.
  void Remove(uint64_t lease_id);

 private:
  void Run();
  // One stream from start to end. True: start again.
  bool ReadStream();
  void Deliver(uint64_t lease_id, const LeaseEvent& event);

  const RpcSession& session_;
  std::mutex mutex_;           // guards all below
  std::mutex delivery_mutex_;  // held while sinks run; taken before mutex_
  bool stopping_ = false;
  std::condition_variable stop_;  // when stopping_ changes
  bool daemon_gone_ = false;
  grpc::ClientContext* context_ = nullptr;  // of the stream that is being read
  std::unordered_map<uint64_t, Sink> sinks_;
  // Events of leases that nobody has added yet, oldest first, at most kMaxEarly.
  static constexpr size_t kMaxEarly = 256;
  std::vector<std::pair<uint64_t, LeaseEvent>> early_;
  std::thread thread_;
};

}  // namespace qsplit::internal

#endif  // QSPLIT_CLIENT_LIB_SRC_LEASE_WATCHER_H_
