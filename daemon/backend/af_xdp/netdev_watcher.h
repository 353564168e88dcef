// A netdev as rtnetlink shows it, and a thread that tells each time that something of it changes.
//
// It changes nothing. What a reader gets is old at once. Any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_WATCHER_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_WATCHER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>

#include "absl/status/statusor.h"
#include "daemon/linux/netdev_link.h"
#include "daemon/linux/owned_fd.h"

namespace qsplit::af_xdp {

class NetdevWatcher {
 public:
  // On the watcher's thread; must not stop or destroy it. Whoever finds the watcher through a
  // pointer there calls Stop before that pointer goes.
  using OnChange = std::function<void()>;

  // `netns` as RunInNetns. NOT_FOUND: no such netdev there. `on_change` is called after each
  // change, and perhaps for what is as it was: ask link().
  static absl::StatusOr<std::unique_ptr<NetdevWatcher>> Open(const std::string& netns,
                                                             const std::string& netdev,
                                                             OnChange on_change);
  // From now on the owner of this is told; changes since Open are not missed.
  void Start();
  // Nobody is told any more: a call that is under way is waited for. Once is enough, twice no harm.
  void Stop();
  ~NetdevWatcher();
  NetdevWatcher(const NetdevWatcher&) = delete;
  NetdevWatcher& operator=(const NetdevWatcher&) = delete;

  // Number of the netdev; another one of its name has another.
  uint32_t ifindex() const { return static_cast<uint32_t>(index_); }
  linux_sys::NetdevLink& link() const { return *link_; }

 private:
  NetdevWatcher(std::unique_ptr<linux_sys::NetdevLink> link, linux_sys::NetdevWatch watch,
                OnChange on_change)
      : link_(std::move(link)), watch_(std::move(watch)), on_change_(std::move(on_change)) {}
  void Run();

  const std::unique_ptr<linux_sys::NetdevLink> link_;
  linux_sys::NetdevWatch watch_;
  const OnChange on_change_;
  int index_ = 0;
  linux_sys::OwnedFd stop_;
  std::thread thread_;
};

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_NETDEV_WATCHER_H_
