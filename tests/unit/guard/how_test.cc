// A guard says how it checks; what it compiles for one queue serves the next ones that are alike.
#include <gtest/gtest.h>

#include <cstdint>
#include <fstream>
#include <string>

#include "daemon/guard/wide_burst.h"
#include "dataplane/burst/code_memory.h"
#include "dataplane/burst_cache.h"
#include "tests/unit/guard/guard_rig.h"

namespace qsplit::guard {
namespace {

using testing::TxGuardRig;
using Checks = GuardOptions::Checks;

dataplane::testing::TxCase Named(const std::string& layout) {
  for (const auto& one : testing::GuardedTxCases()) {
    if (one.name.starts_with(layout)) return one;
  }
  ADD_FAILURE() << "no guard takes " << layout;
  return {};
}

std::string HowOf(const std::string& layout, Checks checks) {
  const TxGuardRig rig(Named(layout), 64, {.checks = checks});
  EXPECT_TRUE(rig.guard.has_value());
  return rig.guard.has_value() ? rig.guard->How() : "";
}

TEST(GuardHow, SaysIt) {
  EXPECT_EQ(HowOf("intel_igb_advanced", Checks::kFastest),
            wide::IsSupported() ? "in bursts, with SIMD" : "in bursts, word by word");
  EXPECT_EQ(HowOf("intel_igb_advanced", Checks::kPortable), "in bursts, word by word");
  EXPECT_EQ(HowOf("virtio_packed", Checks::kPortable), "in bursts, interpreted");
  EXPECT_EQ(HowOf("virtio_packed", Checks::kOneByOne), "one by one: it was asked for so");
  EXPECT_EQ(HowOf("virtio_split", Checks::kFastest), "one by one: descriptors stand in a table");
}

TEST(GuardHow, RingsWithAPhaseAreMachineCodeOrSayWhyNot) {
  const absl::Status allowed = dataplane::burst::CodeMemory::Allowed();
  const std::string how = HowOf("virtio_packed", Checks::kFastest);
  if (allowed.ok()) {
    EXPECT_EQ(how, "in bursts, by machine code");
  } else {
    EXPECT_EQ(how, "one by one: " + std::string(allowed.message()));
  }
}

// Bytes of this process that are executable and no file's.
uint64_t CodeBytes() {
  uint64_t bytes = 0;
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    if (line.find(" r-xp 00000000 00:00 0 ") == std::string::npos || line.back() == ']') continue;
    const size_t dash = line.find('-');
    bytes += std::stoull(line.substr(dash + 1), nullptr, 16) -
             std::stoull(line.substr(0, dash), nullptr, 16);
  }
  return bytes;
}

TEST(GuardHow, AQueueLikeAnEarlierOneHasItsCode) {
  if (!dataplane::burst::CodeMemory::Allowed().ok()) GTEST_SKIP() << "QSPLIT_JIT=0";
  dataplane::BurstCache kept;
  const auto make = [&](uint32_t slots) {
    TxGuardRig rig(Named("virtio_packed"), slots, {.bursts = &kept});
    EXPECT_EQ(rig.guard->How(), "in bursts, by machine code");
  };
  // The rigs' own code goes with them; the guards' stays in the cache.
  const uint64_t before = CodeBytes();
  make(64);
  const uint64_t one = CodeBytes();
  EXPECT_GT(one, before);
  make(64);
  EXPECT_EQ(CodeBytes(), one);
  make(128);
  EXPECT_GT(CodeBytes(), one);
}

}  // namespace
}  // namespace qsplit::guard
