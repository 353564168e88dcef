#include "daemon/linux/bus_guard.h"

#include <signal.h>
#include <sys/mman.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>

#include "absl/strings/str_cat.h"
#include "daemon/linux/errno_status.h"

namespace qsplit::linux_sys {
namespace {

struct Range {
  // 0: the slot is free. Stored last with release, loaded first with acquire by the handler.
  std::atomic<uintptr_t> base{0};
  std::atomic<size_t> length{0};
  std::atomic<size_t> page_bytes{0};
  std::atomic<bool> writable{false};
  std::atomic<uint32_t> replaced{0};
};

std::array<Range, BusGuard::kMaxRanges> g_ranges;
// Slots below it may be taken; the handler looks no further.
std::atomic<uint32_t> g_used{0};
std::mutex g_mutex;
struct sigaction g_before;

bool Replace(uintptr_t address) {
  const uint32_t used = g_used.load(std::memory_order_acquire);
  for (uint32_t i = 0; i < used; ++i) {
    Range& range = g_ranges[i];
    const uintptr_t base = range.base.load(std::memory_order_acquire);
    if (base == 0 || address < base || address - base >= range.length.load()) continue;
    const size_t page = range.page_bytes.load();
    const int prot = range.writable.load() ? PROT_READ | PROT_WRITE : PROT_READ;
    const uintptr_t at = base + (address - base) / page * page;
    range.replaced.fetch_add(1);
    return ::mmap(reinterpret_cast<void*>(at), page, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
                  -1, 0) != MAP_FAILED;
  }
  return false;
}

void OnBusError(int signal, siginfo_t* info, void* context) {
  const int error = errno;
  const bool replaced = Replace(reinterpret_cast<uintptr_t>(info->si_addr));
  errno = error;
  if (replaced) return;
  if ((g_before.sa_flags & SA_SIGINFO) != 0 && g_before.sa_sigaction != nullptr) {
    g_before.sa_sigaction(signal, info, context);
    return;
  }
  // Not ours: the instruction runs again and the signal does what it did before we came.
  (void)::sigaction(SIGBUS, &g_before, nullptr);
}

absl::Status Install() {
  struct sigaction action {};
  action.sa_sigaction = OnBusError;
  action.sa_flags = SA_SIGINFO | SA_RESTART;
  (void)::sigemptyset(&action.sa_mask);
  if (::sigaction(SIGBUS, &action, &g_before) != 0) {
    return ErrnoStatus(errno, "sigaction", "SIGBUS");
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<BusGuard> BusGuard::Add(void* base, size_t length, size_t page_bytes,
                                       bool writable) {
  const std::lock_guard lock(g_mutex);
  static const absl::Status installed = Install();
  if (!installed.ok()) return installed;
  for (uint32_t i = 0; i < kMaxRanges; ++i) {
    Range& range = g_ranges[i];
    if (range.base.load(std::memory_order_relaxed) != 0) continue;
    range.length.store(length);
    range.page_bytes.store(page_bytes);
    range.writable.store(writable);
    range.replaced.store(0);
    range.base.store(reinterpret_cast<uintptr_t>(base), std::memory_order_release);
    if (g_used.load(std::memory_order_relaxed) <= i) {
      g_used.store(i + 1, std::memory_order_release);
    }
    return BusGuard(i);
  }
  return absl::ResourceExhaustedError(
      absl::StrCat(kMaxRanges, " pieces of shared memory are mapped, no more are guarded"));
}

BusGuard::~BusGuard() {
  if (slot_ == kNone) return;
  const std::lock_guard lock(g_mutex);
  g_ranges[slot_].base.store(0, std::memory_order_release);
}

uint32_t BusGuard::replaced_pages() const {
  return slot_ == kNone ? 0 : g_ranges[slot_].replaced.load();
}

}  // namespace qsplit::linux_sys
