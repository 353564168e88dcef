// A PCI function made of memory: drivers' unit tests see each access of theirs, and answer it.
//
// Registers hold what was written; a test may give one a behaviour (OnRead, OnWrite) or look at the
// order of the writes. Time passes only by Sleep. One thread.
#ifndef QSPLIT_TESTS_SUPPORT_FAKE_FUNCTION_H_
#define QSPLIT_TESTS_SUPPORT_FAKE_FUNCTION_H_

#include <array>
#include <cstdint>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "daemon/backend/vfio/function_access.h"

namespace qsplit::test {

class FakeWindow : public vfio::RegisterWindow {
 public:
  struct Write {
    uint64_t offset;
    uint32_t bytes;
    uint32_t value;
    bool operator==(const Write&) const = default;
  };
  explicit FakeWindow(uint64_t size_bytes) : memory_(size_bytes) {}

  // Called in place of the memory; `on_write` gets what is written, and stores it itself if it
  // wants to (Poke).
  void OnRead(uint64_t offset, std::function<uint32_t()> on_read) {
    reads_[offset] = std::move(on_read);
  }
  void OnWrite(uint64_t offset, std::function<void(uint32_t)> on_write) {
    writes_[offset] = std::move(on_write);
  }
  uint32_t Peek(uint64_t offset, uint32_t bytes = 4) const {
    uint32_t value = 0;
    std::memcpy(&value, memory_.data() + offset, bytes);
    return value;
  }
  void Poke(uint64_t offset, uint32_t value, uint32_t bytes = 4) {
    std::memcpy(memory_.data() + offset, &value, bytes);
  }
  // All writes so far, in their order.
  std::vector<Write> log;
  // Index into `log` of the last write to a register; -1: none.
  int LastWriteTo(uint64_t offset) const {
    for (int i = static_cast<int>(log.size()) - 1; i >= 0; --i) {
      if (log[static_cast<size_t>(i)].offset == offset) return i;
    }
    return -1;
  }

  uint64_t size_bytes() const override { return memory_.size(); }
  uint8_t Read8(uint64_t offset) const override { return static_cast<uint8_t>(Read(offset, 1)); }
  uint16_t Read16(uint64_t offset) const override { return static_cast<uint16_t>(Read(offset, 2)); }
  uint32_t Read32(uint64_t offset) const override { return Read(offset, 4); }
  void Write8(uint64_t offset, uint8_t value) override { Store(offset, 1, value); }
  void Write16(uint64_t offset, uint16_t value) override { Store(offset, 2, value); }
  void Write32(uint64_t offset, uint32_t value) override { Store(offset, 4, value); }

 private:
  uint32_t Read(uint64_t offset, uint32_t bytes) const {
    if (offset % bytes != 0 || offset + bytes > memory_.size()) return 0xffffffff;
    const auto hook = reads_.find(offset);
    return hook == reads_.end() ? Peek(offset, bytes) : hook->second();
  }
  void Store(uint64_t offset, uint32_t bytes, uint32_t value) {
    log.push_back({offset, bytes, value});
    if (offset % bytes != 0 || offset + bytes > memory_.size()) return;
    const auto hook = writes_.find(offset);
    if (hook == writes_.end()) {
      Poke(offset, value, bytes);
    } else {
      hook->second(value);
    }
  }

  std::vector<std::byte> memory_;
  std::map<uint64_t, std::function<uint32_t()>> reads_;
  std::map<uint64_t, std::function<void(uint32_t)>> writes_;
};

class FakeFunction : public vfio::FunctionAccess {
 public:
  // Makes a BAR, or gives the one that is there.
  FakeWindow& AddBar(uint32_t index, uint64_t size_bytes) {
    if (bars.size() <= index) bars.resize(index + 1);
    if (bars[index] == nullptr) bars[index] = std::make_unique<FakeWindow>(size_bytes);
    return *bars[index];
  }

  vfio::RegisterWindow* Bar(uint32_t index) override {
    return index < bars.size() ? bars[index].get() : nullptr;
  }
  uint32_t ReadConfig(uint32_t offset, uint32_t bytes) const override {
    uint32_t value = 0xffffffff;
    if (offset + bytes <= config.size()) {
      value = 0;
      std::memcpy(&value, config.data() + offset, bytes);
    }
    return value;
  }
  void WriteConfig(uint32_t offset, uint32_t bytes, uint32_t value) override {
    if (offset + bytes <= config.size()) std::memcpy(config.data() + offset, &value, bytes);
  }
  absl::Status Reset() override {
    ++resets;
    bus_master = false;
    if (on_reset) on_reset();
    return absl::OkStatus();
  }
  void SetBusMaster(bool on) override { bus_master = on; }
  absl::StatusOr<vfio::DmaMemory> AllocateDma(uint64_t bytes) override {
    const uint64_t whole = (bytes + 4095) / 4096 * 4096;
    dma.push_back(std::make_unique<std::vector<std::byte>>(whole));
    const vfio::DmaMemory made{dma.back()->data(), next_iova, whole};
    next_iova += whole;
    return made;
  }
  absl::Time Now() const override { return now; }
  void Sleep(absl::Duration duration) override {
    now += duration;
    if (on_sleep) on_sleep();
  }

  std::vector<std::unique_ptr<FakeWindow>> bars;
  std::array<std::byte, 4096> config{};
  std::vector<std::unique_ptr<std::vector<std::byte>>> dma;
  uint64_t next_iova = 0x10000;
  int resets = 0;
  bool bus_master = false;
  absl::Time now = absl::UnixEpoch();
  std::function<void()> on_reset;
  std::function<void()> on_sleep;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_SUPPORT_FAKE_FUNCTION_H_
