// A function with an address space made of a table: tests see what it could reach at each moment,
// and who holds its descriptor.
#ifndef QSPLIT_TESTS_SUPPORT_FAKE_HOSTED_FUNCTION_H_
#define QSPLIT_TESTS_SUPPORT_FAKE_HOSTED_FUNCTION_H_

#include <atomic>
#include <map>
#include <memory>
#include <vector>

#include "daemon/backend/vfio/hosted_function.h"
#include "daemon/linux/eventfd.h"
#include "tests/support/fake_function.h"

namespace qsplit::test {

class FakeHostedFunction : public vfio::HostedFunction {
 public:
  struct Mapped {
    uint64_t bytes;
    bool device_writable;
  };
  static constexpr uint64_t kBarBytes = 0x20000;

  FakeHostedFunction() {
    function.AddBar(0, kBarBytes);
    device_fd_ = std::make_shared<linux_sys::OwnedFd>(*linux_sys::CreateEventFd());
  }

  vfio::RegisterWindow* Bar(uint32_t index) override { return function.Bar(index); }
  uint32_t ReadConfig(uint32_t offset, uint32_t bytes) const override {
    return function.ReadConfig(offset, bytes);
  }
  void WriteConfig(uint32_t offset, uint32_t bytes, uint32_t value) override {
    function.WriteConfig(offset, bytes, value);
  }
  absl::Status Reset() override { return function.Reset(); }
  void SetBusMaster(bool on) override { function.SetBusMaster(on); }
  absl::StatusOr<vfio::DmaMemory> AllocateDma(uint64_t bytes) override {
    return function.AllocateDma(bytes);
  }
  absl::Time Now() const override { return function.Now(); }
  void Sleep(absl::Duration duration) override { function.Sleep(duration); }

  vfio::IovaSpace& iovas() override { return iovas_; }
  absl::Status MapDma(uint64_t iova, std::byte*, uint64_t bytes, bool device_writable) override {
    if (refuse_maps_after == 0) {
      return absl::ResourceExhaustedError("no more mappings: dma_entry_limit");
    }
    --refuse_maps_after;
    mapped[iova] = {bytes, device_writable};
    return absl::OkStatus();
  }
  absl::Status UnmapDma(uint64_t iova, uint64_t bytes) override {
    const auto found = mapped.find(iova);
    if (found == mapped.end() || found->second.bytes != bytes) {
      return absl::NotFoundError("not mapped");
    }
    mapped.erase(found);
    return absl::OkStatus();
  }
  uint32_t vectors() const override { return 4; }
  absl::Status SetVectors(std::span<const int> eventfds) override {
    vector_fds.assign(eventfds.begin(), eventfds.end());
    return absl::OkStatus();
  }
  vfio::BarFacts bar(uint32_t index) const override {
    return index == 0 ? vfio::BarFacts{0, kBarBytes} : vfio::BarFacts{};
  }
  std::byte* bar_memory(uint32_t index) override { return index == 0 ? bar_bytes.data() : nullptr; }
  std::shared_ptr<const linux_sys::OwnedFd> device_fd() const override { return device_fd_; }
  void Close() override {
    open = false;
    device_fd_.reset();
  }
  absl::Status Reopen() override {
    if (held_elsewhere) return absl::UnavailableError("a former client still holds the function");
    open = true;
    ++reopened;
    device_fd_ = std::make_shared<linux_sys::OwnedFd>(*linux_sys::CreateEventFd());
    return absl::OkStatus();
  }

  FakeFunction function;
  std::vector<std::byte> bar_bytes{kBarBytes};
  std::map<uint64_t, Mapped> mapped;  // by iova
  std::vector<int> vector_fds;
  uint32_t refuse_maps_after = UINT32_MAX;
  std::atomic<bool> held_elsewhere{false};
  std::atomic<bool> open{true};
  std::atomic<int> reopened{0};

 private:
  vfio::IovaSpace iovas_{uint64_t{1} << 39};
  std::shared_ptr<const linux_sys::OwnedFd> device_fd_;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_FAKE_HOSTED_FUNCTION_H_
