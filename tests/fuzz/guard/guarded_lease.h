// What the guard's fuzzer stands on: the regions of its one lease, and the layouts that a guard
// takes. Made once, then read only.
#ifndef QSPLIT_TESTS_FUZZ_GUARD_GUARDED_LEASE_H_
#define QSPLIT_TESTS_FUZZ_GUARD_GUARDED_LEASE_H_

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "daemon/guard/guardable.h"
#include "daemon/guard/guarded_queue.h"
#include "tests/fuzz/support/layouts.h"
#include "tests/fuzz/support/queue_memory.h"

namespace qsplit::fuzz {

inline constexpr uint64_t kDelta = 0x5'0000'0000;
inline constexpr uint64_t kBytes = QueueMemory::kBufferBytes;

// Buffers 0 to 7 may be written, 10 to 11 only read; between them and behind them is nothing. Then
// the driver's memory for headers.
inline const std::vector<guard::GuardedRegion>& Regions() {
  static const std::vector<guard::GuardedRegion> kRegions = {
      {QueueMemory::kBuffersIova, 8 * kBytes, QueueMemory::kBuffersIova + kDelta, true},
      {QueueMemory::kBuffersIova + 10 * kBytes, 2 * kBytes, QueueMemory::kBuffersIova + 2 * kDelta,
       false}};
  return kRegions;
}

// What the client calls it; nullopt: the device must not reach it.
inline std::optional<uint64_t> ToClient(uint64_t device_iova, uint64_t bytes, bool writes) {
  for (const guard::GuardedRegion& region : Regions()) {
    const uint64_t offset = device_iova - region.device_iova;
    if (offset < region.bytes && bytes <= region.bytes - offset) {
      if (writes && !region.device_writable) return std::nullopt;
      return region.iova + offset;
    }
  }
  return std::nullopt;
}

struct Guardable {
  layout::VerifiedLayout layout;
  std::vector<uint32_t> choices;
};

// Layouts with choices that a guard takes.
inline const std::vector<Guardable>& GuardableLayouts() {
  static const std::vector<Guardable> kAll = [] {
    std::vector<Guardable> all;
    for (const layout::VerifiedLayout& layout : KnownLayouts()) {
      // Each choice alone, beside the defaults.
      const v1::Layout& message = layout.message();
      for (int feature = -1; feature < std::min(message.features_size(), 32); ++feature) {
        dataplane::FeatureChoices features;
        if (feature >= 0) features.choice[static_cast<size_t>(feature)] = 1;
        if (!guard::CheckGuardable(layout, features).ok()) continue;
        std::vector<uint32_t> choices(static_cast<size_t>(message.features_size()));
        if (feature >= 0) choices[static_cast<size_t>(feature)] = 1;
        all.push_back({layout, std::move(choices)});
      }
    }
    return all;
  }();
  return kAll;
}

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_GUARD_GUARDED_LEASE_H_
