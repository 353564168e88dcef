// What two of a NIC's threads write for each packet stands on different cache lines.
#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "daemon/backend/softnic/nic_core.h"

namespace qsplit::softnic {
namespace {

using dataplane::kCacheLineBytes;

// Begins a line and has its last one to itself: objects of this type share none, wherever they are.
template <typename T>
constexpr bool kOwnLines = alignof(T) >= kCacheLineBytes && sizeof(T) % kCacheLineBytes == 0;

// By queue: what is known of it, its statistics. Of its rings' device sides what is written is
// found by what packets change: tests/unit/dataplane/lines_test.cc.
static_assert(kOwnLines<RxQueue> && kOwnLines<TxQueue> && kOwnLines<QueueStats>);
// By thread: its core of the NIC with bursts and statistics; and of a lane, each side's position
// and what both look at.
static_assert(kOwnLines<NicCore> && kOwnLines<NicStats> && kOwnLines<FrameLane>);
static_assert(sizeof(FrameLane) >= 4 * kCacheLineBytes);

TEST(CacheLines, VectorsShareNone) {
  std::vector<dataplane::CacheLineVector<uint8_t>> vectors;
  for (size_t bytes = 1; bytes <= 300; bytes += 7) vectors.emplace_back(bytes);
  const auto first_line = [](const auto& v) {
    return reinterpret_cast<uintptr_t>(v.data()) / kCacheLineBytes;
  };
  const auto last_line = [](const auto& v) {
    return reinterpret_cast<uintptr_t>(v.data() + v.size() - 1) / kCacheLineBytes;
  };
  for (const auto& a : vectors) {
    EXPECT_EQ(reinterpret_cast<uintptr_t>(a.data()) % kCacheLineBytes, 0u);
    for (const auto& b : vectors) {
      if (&a == &b) continue;
      EXPECT_TRUE(last_line(a) < first_line(b) || last_line(b) < first_line(a));
    }
  }
}

}  // namespace
}  // namespace qsplit::softnic
