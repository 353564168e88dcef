// Destroys what takes long to destroy on a thread of its own.
//
// Unmapping or last closing large memory takes the kernel some 100 ms for each GiB; whoever must
// answer within 100 ms hands it over instead. Any thread may call Take. The thread starts with the
// first thing, and the destructor waits until all are gone.
#ifndef QSPLIT_DAEMON_LINUX_REAPER_H_
#define QSPLIT_DAEMON_LINUX_REAPER_H_

#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace qsplit::linux_sys {

// From so many bytes on it is worth a thread's turn.
inline constexpr uint64_t kReapBytes = uint64_t{16} << 20;

// Memory that the file of this descriptor takes up; 0: none, or not known.
uint64_t AllocatedBytes(int fd);

class Reaper {
 public:
  Reaper() = default;
  ~Reaper();
  Reaper(const Reaper&) = delete;
  Reaper& operator=(const Reaper&) = delete;

  // Things go one after the other, in the order in which they came.
  void Take(std::shared_ptr<const void> thing);

 private:
  void Run();

  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<std::shared_ptr<const void>> things_;
  bool stop_ = false;
  std::thread thread_;
};

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_REAPER_H_
