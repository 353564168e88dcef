// A queue in every way in which its descriptors may be read and written: engine, interpreted plans,
// machine code. Each has memory of its own, which all begin alike, and both sides; whoever makes
// them do the same finds that they say the same and leave the same behind. The latter up to the
// first hostile act: who knows what stands in a slot of its own does not write all of it again, and
// so leaves there what a peer wrote that must not. From then on all get the first one's memory.
//
// One thread.
#ifndef QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_DRIVERS_H_
#define QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_DRIVERS_H_

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <utility>

#include "dataplane/access_report.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/fuzz/support/input.h"
#include "tests/fuzz/support/queue_memory.h"

namespace qsplit::fuzz {

// Buffers that a device found, in order, in one number.
class FoundBuffers {
 public:
  void Add(uint64_t address, uint64_t bytes) {
    sum_ = (sum_ * 0x9e3779b97f4a7c15 + address) * 0x9e3779b97f4a7c15 + bytes;
  }
  friend bool operator==(const FoundBuffers&, const FoundBuffers&) = default;

 private:
  uint64_t sum_ = 0;
};

// Traits: Driver and Device of the direction, with DriverOptions and DeviceOptions.
// kEngineIsApart: of a peer that lies the engine may believe other things than plans, which must
// say the same as each other all the same; then it is compared up to the first lie.
template <typename Traits>
class EachWay {
 public:
  static constexpr std::array kModes = {dataplane::AccessMode::kEngine,
                                        dataplane::AccessMode::kInterpreted,
                                        dataplane::AccessMode::kCompiled};
  static constexpr size_t kWays = kModes.size();

  EachWay(const layout::VerifiedLayout& layout, uint32_t queue, std::span<const uint32_t> choices,
          typename Traits::DriverOptions options, typename Traits::DeviceOptions device_options,
          Input& in) {
    const auto fence = qsplit::testing::kFences[in.Byte() % 2];
    const Input from = in;
    for (size_t i = 0; i < kWays; ++i) {
      Way& way = ways_[i];
      way.number = i;
      in = from;
      way.memory = QueueMemory::Create(layout.message(), queue, choices, in, fence);
      if (way.memory == nullptr) return;
      options.access = device_options.access = kModes[i];
      auto driver = Traits::Driver::Create(layout, way.memory->view(), options);
      if (driver.ok()) way.driver.emplace(*std::move(driver));
      device_options.memory = way.memory->device_memory();
      auto device = Traits::Device::Create(layout, way.memory->view(), device_options);
      if (device.ok()) way.device.emplace(*std::move(device));
      MUST(way.driver.has_value() == ways_.front().driver.has_value());
      MUST(way.device.has_value() == ways_.front().device.has_value());
    }
    has_drivers_ = ways_.front().driver.has_value();
  }

  bool has_drivers() const { return has_drivers_; }
  bool has_devices() const { return ways_.front().device.has_value(); }

  // One hostile act on what both sides share.
  void Scribble(Input& in) {
    const Input from = in;
    Same([&](Way& way) {
      in = from;
      way.memory->Scribble(in);
      return 0;
    });
    was_hostile_ = true;
    if (Traits::kEngineIsApart) LeaveEngineOut();
  }

 protected:
  struct Way {
    size_t number = 0;
    std::unique_ptr<QueueMemory> memory;
    std::optional<typename Traits::Driver> driver;
    std::optional<typename Traits::Device> device;
  };

  // Does it in each way that is still compared; what all of them say.
  template <typename Act>
  auto Same(Act&& act) {
    const QueueMemory& memory = *ways_[first_].memory;
    const auto said = act(ways_[first_]);
    for (size_t i = first_ + 1; i < kWays; ++i) {
      MUST(act(ways_[i]) == said);
      if (was_hostile_) ways_[i].memory->CopyFrom(memory);
      MUST(ways_[i].memory->IsSame(memory));
    }
    return said;
  }
  // From here on only plans are compared.
  void LeaveEngineOut() { first_ = 1; }
  // Whether the fastest of them has machine code.
  bool IsCompiled() const { return driver().Access().mode == dataplane::AccessMode::kCompiled; }
  // That of the fastest.
  const typename Traits::Driver& driver() const { return *ways_.back().driver; }

 private:
  std::array<Way, kWays> ways_;
  size_t first_ = 0;  // that is still compared
  bool has_drivers_ = false;
  bool was_hostile_ = false;
};

// RunDrivers of a queue of this direction.
void RunRxDrivers(const layout::VerifiedLayout& layout, uint32_t queue,
                  std::span<const uint32_t> choices, Input& in);
void RunTxDrivers(const layout::VerifiedLayout& layout, uint32_t queue,
                  std::span<const uint32_t> choices, Input& in);

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_ACCESS_PROGRAMS_DRIVERS_H_
