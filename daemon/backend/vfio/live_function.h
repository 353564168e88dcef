// A function of this machine, held through VFIO.
//
// What its registers say, and whether they are there at all, is up to whoever has its descriptor:
// accesses of registers that have gone away read ones.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_LIVE_FUNCTION_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_LIVE_FUNCTION_H_

#include <array>
#include <memory>
#include <vector>

#include "daemon/backend/common/ring_memory.h"
#include "daemon/backend/vfio/hosted_function.h"
#include "daemon/linux/bar_window.h"
#include "daemon/linux/vfio_function.h"

namespace qsplit::vfio {

class LiveFunction : public HostedFunction {
 public:
  // `function` is open. Errors of the kernel's.
  static absl::StatusOr<std::unique_ptr<LiveFunction>> Create(linux_sys::VfioFunction function);
  ~LiveFunction() override;

  RegisterWindow* Bar(uint32_t index) override;
  uint32_t ReadConfig(uint32_t offset, uint32_t bytes) const override;
  void WriteConfig(uint32_t offset, uint32_t bytes, uint32_t value) override;
  absl::Status Reset() override;
  void SetBusMaster(bool on) override;
  absl::StatusOr<DmaMemory> AllocateDma(uint64_t bytes) override;
  absl::Time Now() const override;
  void Sleep(absl::Duration duration) override;

  IovaSpace& iovas() override { return iovas_; }
  absl::Status MapDma(uint64_t iova, std::byte* memory, uint64_t bytes,
                      bool device_writable) override;
  absl::Status UnmapDma(uint64_t iova, uint64_t bytes) override;
  uint32_t vectors() const override { return vectors_; }
  absl::Status SetVectors(std::span<const int> eventfds) override;
  BarFacts bar(uint32_t index) const override;
  std::byte* bar_memory(uint32_t index) override;
  std::shared_ptr<const linux_sys::OwnedFd> device_fd() const override { return device_fd_; }
  void Close() override;
  absl::Status Reopen() override;

 private:
  // One of its BARs, mapped.
  class Window : public RegisterWindow {
   public:
    explicit Window(linux_sys::BarWindow bar) : bar_(std::move(bar)) {}
    uint64_t size_bytes() const override { return bar_.length_bytes(); }
    uint8_t Read8(uint64_t offset) const override { return Read<uint8_t>(offset); }
    uint16_t Read16(uint64_t offset) const override { return Read<uint16_t>(offset); }
    uint32_t Read32(uint64_t offset) const override { return Read<uint32_t>(offset); }
    void Write8(uint64_t offset, uint8_t value) override { Write(offset, value); }
    void Write16(uint64_t offset, uint16_t value) override { Write(offset, value); }
    void Write32(uint64_t offset, uint32_t value) override { Write(offset, value); }
    std::byte* memory() const { return const_cast<std::byte*>(bar_.data()); }

   private:
    template <typename T>
    bool Inside(uint64_t offset) const {
      return offset % sizeof(T) == 0 && offset + sizeof(T) <= bar_.length_bytes();
    }
    template <typename T>
    T Read(uint64_t offset) const {
      if (!Inside<T>(offset)) return static_cast<T>(~T{0});
      const T value = *reinterpret_cast<const volatile T*>(bar_.data() + offset);
      return bar_.lost() ? static_cast<T>(~T{0}) : value;
    }
    template <typename T>
    void Write(uint64_t offset, T value) {
      if (Inside<T>(offset)) *reinterpret_cast<volatile T*>(bar_.data() + offset) = value;
    }

    linux_sys::BarWindow bar_;
  };
  static constexpr uint32_t kBars = 6;

  explicit LiveFunction(linux_sys::VfioFunction function) : function_(std::move(function)) {}
  // After the function was opened: its addresses, BARs and vectors.
  absl::Status Look();

  linux_sys::VfioFunction function_;
  IovaSpace iovas_{0};
  uint32_t vectors_ = 0;
  std::array<BarFacts, kBars> bars_;
  std::array<std::unique_ptr<Window>, kBars> windows_;
  std::shared_ptr<const linux_sys::OwnedFd> device_fd_;
  struct OwnDma {
    uint64_t iova;
    backend::RingMemory memory;
  };
  std::vector<OwnDma> dma_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_LIVE_FUNCTION_H_
