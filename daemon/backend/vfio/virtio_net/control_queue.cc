#include "daemon/backend/vfio/virtio_net/control_queue.h"

#include <atomic>
#include <bit>
#include <cstring>

#include "absl/strings/str_cat.h"

namespace qsplit::vfio::virtio_net {
namespace {

static_assert(std::endian::native == std::endian::little, "virtio is little endian");

constexpr uint64_t kDriverArea = 64;
constexpr uint64_t kDeviceArea = 128;
constexpr uint64_t kAnswer = 192;
constexpr uint64_t kCommand = 4096;

// 2.7.5, 2.8.6.
constexpr uint16_t kNext = 1;
constexpr uint16_t kWrite = 2;
constexpr uint16_t kAvailable = 1u << 7;
constexpr uint16_t kUsed = 1u << 15;
constexpr uint16_t kNoInterrupt = 1;  // split: VRING_AVAIL_F_NO_INTERRUPT
constexpr uint16_t kEventsOff = 1;    // packed: VRING_PACKED_EVENT_FLAG_DISABLE
constexpr uint8_t kNoAnswer = 0xff;

template <typename T>
void Store(std::byte* at, T value) {
  std::memcpy(at, &value, sizeof value);
}

std::atomic_ref<uint16_t> Shared(std::byte* at) {
  return std::atomic_ref<uint16_t>(*reinterpret_cast<uint16_t*>(at));
}

}  // namespace

void ControlQueue::Clear(bool packed) {
  packed_ = packed;
  outstanding_ = false;
  posted_ = 0;
  std::memset(memory_.memory, 0, kMemoryBytes);
  if (packed_) {
    Store(memory_.memory + kDriverArea + 2, kEventsOff);
  } else {
    Store(memory_.memory + kDriverArea, kNoInterrupt);
  }
}

QueueAddresses ControlQueue::addresses() const {
  return {.descriptors = memory_.iova,
          .driver = memory_.iova + kDriverArea,
          .device = memory_.iova + kDeviceArea};
}

// The command in slot 0, the answer in slot 1, each time: a command is a pass over the ring.
void ControlQueue::Post(uint32_t command_bytes) {
  std::byte* const first = memory_.memory;
  std::byte* const second = first + 16;
  Store(first, memory_.iova + kCommand);
  Store(first + 8, command_bytes);
  Store(second, memory_.iova + kAnswer);
  Store(second + 8, uint32_t{1});
  const uint16_t pass = posted_++;
  if (packed_) {
    const uint16_t phase = pass % 2 == 0 ? kAvailable : kUsed;  // the wrap counter begins with 1
    Store(first + 12, uint16_t{0});
    Store(second + 12, uint16_t{0});
    Shared(second + 14).store(phase | kWrite, std::memory_order_relaxed);
    Shared(first + 14).store(phase | kNext, std::memory_order_release);
  } else {
    Store(first + 12, kNext);
    Store(first + 14, uint16_t{1});
    Store(second + 12, kWrite);
    Store(second + 14, uint16_t{0});
    Store(memory_.memory + kDriverArea + 4 + 2 * (pass % kSlots), uint16_t{0});
    Shared(memory_.memory + kDriverArea + 2).store(posted_, std::memory_order_release);
  }
  // 2.7.13.3, 2.8.21.3: the device sees the ring before it is rung for.
  std::atomic_thread_fence(std::memory_order_seq_cst);
  outstanding_ = true;
}

// Pairs with the device's release of the used index, or of the descriptor's flags.
bool ControlQueue::Done() const {
  if (!packed_) {
    return Shared(memory_.memory + kDeviceArea + 2).load(std::memory_order_acquire) == posted_;
  }
  const uint16_t wanted = posted_ % 2 == 1 ? kAvailable | kUsed : 0;
  const uint16_t flags = Shared(memory_.memory + 14).load(std::memory_order_acquire);
  return (flags & (kAvailable | kUsed)) == wanted;
}

absl::Status ControlQueue::Do(FunctionAccess& function, const ControlCommand& command,
                              std::span<const std::byte> data, absl::Duration limit,
                              const std::function<void()>& notify) {
  if (data.size() > kMaxDataBytes) {
    return absl::InvalidArgumentError(absl::StrCat(
        command.name, " of ", data.size(), " bytes; a command has ", kMaxDataBytes, " at most"));
  }
  if (outstanding_ && !Done()) {
    return absl::UnavailableError(
        absl::StrCat(command.name, ": the device has not answered an earlier command"));
  }
  std::byte* const bytes = memory_.memory + kCommand;
  Store(bytes, command.of_class);
  Store(bytes + 1, command.command);
  if (!data.empty()) std::memcpy(bytes + 2, data.data(), data.size());
  Store(memory_.memory + kAnswer, kNoAnswer);
  Post(static_cast<uint32_t>(2 + data.size()));
  notify();
  const absl::Time deadline = function.Now() + limit;
  while (!Done()) {
    if (function.Now() >= deadline) {
      return absl::UnavailableError(absl::StrCat(
          command.name, ": the device did not answer within ", absl::FormatDuration(limit)));
    }
    function.Sleep(absl::Microseconds(100));
  }
  outstanding_ = false;
  const auto answer = std::to_integer<uint8_t>(memory_.memory[kAnswer]);
  if (answer == kControlOk) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(command.name, ": the device refused it with ", answer));
}

}  // namespace qsplit::vfio::virtio_net
