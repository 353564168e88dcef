#include "daemon/backend/af_xdp/netdev_watcher.h"

#include <poll.h>

#include "daemon/linux/eventfd.h"

namespace qsplit::af_xdp {

absl::StatusOr<std::unique_ptr<NetdevWatcher>> NetdevWatcher::Open(const std::string& netns,
                                                                   const std::string& netdev,
                                                                   OnChange on_change) {
  // Before the first look, so that nothing is missed.
  absl::StatusOr<linux_sys::NetdevWatch> watch = linux_sys::NetdevWatch::Open(netns);
  if (!watch.ok()) return watch.status();
  absl::StatusOr<std::unique_ptr<linux_sys::NetdevLink>> link =
      linux_sys::NetdevLink::Open(netns, netdev);
  if (!link.ok()) return link.status();
  const absl::StatusOr<linux_sys::NetdevFacts> facts = (*link)->GetFacts();
  if (!facts.ok()) return facts.status();
  absl::StatusOr<linux_sys::OwnedFd> stop = linux_sys::CreateEventFd();
  if (!stop.ok()) return stop.status();
  std::unique_ptr<NetdevWatcher> watcher(
      new NetdevWatcher(*std::move(link), *std::move(watch), std::move(on_change)));
  watcher->index_ = facts->index;
  watcher->stop_ = *std::move(stop);
  return watcher;
}

void NetdevWatcher::Start() {
  thread_ = std::thread([this] { Run(); });
}

NetdevWatcher::~NetdevWatcher() { Stop(); }

void NetdevWatcher::Stop() {
  if (!thread_.joinable()) return;
  linux_sys::SignalEventFd(stop_.get());
  thread_.join();
}

void NetdevWatcher::Run() {
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {watch_.fd(), POLLIN, 0}};
  while (true) {
    if (::poll(fds, 2, -1) < 0) continue;  // EINTR
    if (fds[0].revents != 0) return;
    if (watch_.TakeNews(index_)) on_change_();
  }
}

}  // namespace qsplit::af_xdp
