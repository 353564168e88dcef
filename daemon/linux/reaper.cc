#include "daemon/linux/reaper.h"

#include <pthread.h>
#include <sys/stat.h>

#include <utility>

namespace qsplit::linux_sys {

uint64_t AllocatedBytes(int fd) {
  struct stat facts {};
  if (::fstat(fd, &facts) != 0) return 0;
  return static_cast<uint64_t>(facts.st_blocks) * 512;
}

Reaper::~Reaper() {
  {
    const std::lock_guard lock(mutex_);
    stop_ = true;
  }
  changed_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void Reaper::Take(std::shared_ptr<const void> thing) {
  {
    const std::lock_guard lock(mutex_);
    things_.push_back(std::move(thing));
    if (!thread_.joinable()) {
      thread_ = std::thread([this] { Run(); });
      pthread_setname_np(thread_.native_handle(), "reaper");
    }
  }
  changed_.notify_one();
}

void Reaper::Run() {
  std::vector<std::shared_ptr<const void>> things;
  std::unique_lock lock(mutex_);
  while (true) {
    changed_.wait(lock, [this] { return stop_ || !things_.empty(); });
    if (things_.empty()) return;
    things.swap(things_);
    lock.unlock();
    for (auto& thing : things) thing.reset();
    things.clear();
    lock.lock();
  }
}

}  // namespace qsplit::linux_sys
