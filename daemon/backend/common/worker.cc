#include "daemon/backend/common/worker.h"

#include <pthread.h>
#include <sched.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <condition_variable>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/backend/common/patience.h"
#include "daemon/linux/errno_status.h"
#include "daemon/linux/eventfd.h"

namespace qsplit::backend {
namespace {

constexpr absl::Duration kCommandPatience = absl::Milliseconds(45);
// Idle rounds for each look at the clock, which costs as much as all the rest of them.
constexpr uint32_t kClockEvery = 8;
constexpr uint64_t kMostSleepNs = 10'000'000;

}  // namespace

uint64_t MonotonicNs() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
}

struct Worker::Command {
  enum class State : uint8_t { kQueued, kRunning, kDone, kCancelled };

  explicit Command(std::function<void()> w) : work(std::move(w)) {}
  std::function<void()> work;
  std::mutex mutex;
  std::condition_variable changed;
  State state = State::kQueued;
};

Worker::Worker(linux_sys::OwnedFd epoll, linux_sys::OwnedFd bell)
    : epoll_(std::move(epoll)), bell_(std::move(bell)) {}

absl::StatusOr<std::shared_ptr<Worker>> Worker::Start(const std::string& name,
                                                      std::optional<uint32_t> cpu) {
  linux_sys::OwnedFd epoll(::epoll_create1(EPOLL_CLOEXEC));
  if (!epoll.valid()) return linux_sys::ErrnoStatus(errno, "epoll_create1");
  absl::StatusOr<linux_sys::OwnedFd> bell = linux_sys::CreateEventFd();
  if (!bell.ok()) return bell.status();
  std::shared_ptr<Worker> worker(new Worker(std::move(epoll), *std::move(bell)));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = worker.get();
  if (::epoll_ctl(worker->epoll_.get(), EPOLL_CTL_ADD, worker->bell_.get(), &event) != 0) {
    return linux_sys::ErrnoStatus(errno, "epoll_ctl");
  }
  worker->thread_ = std::thread([w = worker.get()] { w->Loop(); });
  pthread_setname_np(worker->thread_.native_handle(),
                     absl::StrCat("nic-", name).substr(0, 15).c_str());
  if (cpu.has_value()) {
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    if (*cpu < CPU_SETSIZE) CPU_SET(*cpu, &cpus);
    if (pthread_setaffinity_np(worker->thread_.native_handle(), sizeof cpus, &cpus) != 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("worker ", name, ": cpu ", *cpu, " is none that this process may use"));
    }
  }
  return worker;
}

Worker::~Worker() {
  stop_.store(true, std::memory_order_relaxed);
  linux_sys::SignalEventFd(bell_.get());
  if (thread_.joinable()) thread_.join();
}

absl::Status Worker::Run(std::function<void()> command) {
  return RunUntil(std::move(command), absl::Now() + kCommandPatience);
}

void Worker::RunAlways(std::function<void()> command) {
  (void)RunUntil(std::move(command), absl::InfiniteFuture());
}

absl::Status Worker::RunUntil(std::function<void()> work, absl::Time deadline) {
  const auto command = std::make_shared<Command>(std::move(work));
  {
    const std::lock_guard lock(mutex_);
    commands_.push_back(command);
    has_commands_.store(true, std::memory_order_relaxed);
  }
  linux_sys::SignalEventFd(bell_.get());
  using State = Command::State;
  std::unique_lock lock(command->mutex);
  const auto done = [&] { return command->state == State::kDone; };
  if (deadline == absl::InfiniteFuture()) {
    command->changed.wait(lock, done);
    return absl::OkStatus();
  }
  if (command->changed.wait_until(lock, absl::ToChronoTime(deadline), done)) {
    return absl::OkStatus();
  }
  if (command->state == State::kRunning) {  // it will not be long
    command->changed.wait(lock, done);
    return absl::OkStatus();
  }
  command->state = State::kCancelled;
  return absl::UnavailableError("the device's thread is busy; try again");
}

void Worker::RunCommands() {
  if (!has_commands_.load(std::memory_order_relaxed)) return;
  std::vector<std::shared_ptr<Command>> commands;
  {
    const std::lock_guard lock(mutex_);
    commands.swap(commands_);
    has_commands_.store(false, std::memory_order_relaxed);
  }
  using State = Command::State;
  for (const std::shared_ptr<Command>& command : commands) {
    {
      const std::lock_guard lock(command->mutex);
      if (command->state == State::kCancelled) continue;
      command->state = State::kRunning;
    }
    command->work();
    command->work = nullptr;  // what it holds goes before the caller sees that it is done
    {
      const std::lock_guard lock(command->mutex);
      command->state = State::kDone;
    }
    command->changed.notify_one();
  }
}

void Worker::Wake() { linux_sys::SignalEventFd(bell_.get()); }

void Worker::Add(Poller* poller) { pollers_.push_back(poller); }

void Worker::Remove(Poller* poller) { std::erase(pollers_, poller); }

void Worker::WatchReadable(int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Worker::WatchWakeup(int fd, Wakeable* whom) {
  epoll_event event{};
  event.events = EPOLLIN | EPOLLET;
  event.data.ptr = whom;
  (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void Worker::Unwatch(int fd) { (void)::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void Worker::Loop() {
  uint64_t now_ns = 0;
  uint64_t busy_at_ns = 0;
  Patience patience;
  uint32_t idle_rounds = 0;
  while (!stop_.load(std::memory_order_relaxed)) {
    RunCommands();
    if (idle_rounds % kClockEvery == 0) now_ns = MonotonicNs();
    bool worked = false;
    for (Poller* poller : pollers_) worked |= poller->Poll(now_ns);
    for (Poller* poller : pollers_) poller->SignalCompletions();
    if (worked || busy_at_ns == 0) {
      if (idle_rounds >= kClockEvery) patience.Found();
      busy_at_ns = now_ns;
      idle_rounds = 0;
    } else if (now_ns - busy_at_ns >= patience.ns()) {
      const bool woken = Sleep();
      const uint64_t awake_ns = MonotonicNs();
      patience.Slept(woken, awake_ns - now_ns, awake_ns);
      busy_at_ns = 0;
      idle_rounds = 0;
    } else {
      ++idle_rounds;
      CpuRelax();
    }
  }
}

bool Worker::Sleep() {
  uint64_t sleep_ns = kMostSleepNs;
  for (Poller* poller : pollers_) sleep_ns = std::min(sleep_ns, poller->ArmWakeups());
  const timespec patience{0, static_cast<long>(sleep_ns)};  // NOLINT(google-runtime-int)
  std::array<epoll_event, 64> events;
  const int count = ::epoll_pwait2(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                   &patience, nullptr);
  for (int i = 0; i < count; ++i) {
    void* const what = events[static_cast<size_t>(i)].data.ptr;
    if (what == this) {
      linux_sys::ClearEventFd(bell_.get());
    } else if (what != nullptr) {
      static_cast<Wakeable*>(what)->Woken();
    }
  }
  for (Poller* poller : pollers_) poller->DisarmWakeups();
  return count > 0;
}

}  // namespace qsplit::backend
