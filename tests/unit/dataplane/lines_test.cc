// What a queue's driver or device writes while packets pass shares no cache line with anything
// else, so that threads that work for queues beside each other do not slow each other down: over
// every spec, by what changes in memory. All that a side takes from the heap when it is created is
// written down; whatever of it packets change must have been taken in whole cache lines.
#include <gtest/gtest.h>

#include <array>
#include <span>
#include <utility>

#include "absl/status/status.h"
#include "tests/support/heap_blocks.h"
#include "tests/unit/dataplane/rx_pair.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane::testing {
namespace {

constexpr uint32_t kSlots = 64;
constexpr uint32_t kBuffers = 96;

using qsplit::testing::HeapBlocks;

// What `make` takes for a side that comes in the place of one that was there.
template <typename Side, typename Make>
HeapBlocks Remake(Side& side, Make make) {
  decltype(make()) made = absl::UnknownError("not made");
  HeapBlocks blocks = HeapBlocks::TakenBy([&] { made = make(); });
  EXPECT_TRUE(made.ok()) << made.status();
  if (made.ok()) side = *std::move(made);
  return blocks;
}

class RxLines : public ::testing::TestWithParam<RxCase> {};

TEST_P(RxLines, AreOfOneQueue) {
  const RxCase& c = GetParam();
  const uint32_t bytes = BufferBytesFrom(c, 1024);
  RxPair pair(c, kSlots, bytes, kBuffers);
  const HeapBlocks driver = Remake(pair.driver(), [&] {
    return RxDriver::Create(*c.layout, pair.memory().view(), {RxFields::All(), bytes, 0});
  });
  const HeapBlocks device = Remake(pair.device(), [&] {
    return RxDevice::Create(*c.layout, pair.memory().view(), {bytes, pair.region().memory()});
  });
  Random random(3);
  for (uint32_t i = 0; i < 3 * kSlots; ++i) {
    pair.Post(2);
    pair.driver().Publish();
    SentPacket packet = MakePacket(i, 60 + random() % 900);
    packet.meta = MakeMetadata(c, pair.device().Supported(), &random);
    pair.Send(packet);
    std::array<PlainBuffer, 2> plain;
    const uint32_t count = pair.device().FetchPlain(plain);
    const std::array<RxPlain, 2> packets = {{{60, 1}, {60, 2}}};
    pair.device().CompletePlain({}, std::span(packets).first(count));
    pair.device().Publish();
    pair.Poll(kBuffers);
  }
  EXPECT_FALSE(pair.got.empty());
  EXPECT_GT(driver.ExpectOwnLines("driver"), 0u);
  EXPECT_GT(device.ExpectOwnLines("device"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Specs, RxLines, ::testing::ValuesIn(AllRxCases()),
                         [](const auto& each) { return each.param.name; });

class TxLines : public ::testing::TestWithParam<TxCase> {};

TEST_P(TxLines, AreOfOneQueue) {
  const TxCase& c = GetParam();
  TxRig rig(c, kSlots);
  ASSERT_TRUE(rig.status.ok()) << rig.status;
  const HeapBlocks driver =
      Remake(*rig.driver, [&] { return TxDriver::Create(*c.layout, rig.View(), {}); });
  const HeapBlocks device = Remake(*rig.device, [&] {
    return TxDevice::Create(*c.layout, rig.View(), {.memory = rig.packets.memory()});
  });
  Random random(5);
  uint32_t sent = 0;
  for (uint32_t i = 0; i < 3 * kSlots; ++i) {
    const auto segments = RandomSegments(rig, random, i % 2 == 0 ? 1 : 2);
    const TxRequest request = i % 3 == 0 ? RandomRequest(rig, random) : TxRequest{};
    rig.driver->Push(segments, request, i % 16);
    rig.driver->Publish();
    std::array<PlainTx, 2> plain;
    const uint32_t count = rig.device->FetchPlain(plain);
    rig.device->CompletePlain(std::span(plain).first(count));
    TxWork work;
    while (rig.device->Fetch(&work) == RingFault::kNone) {
      rig.device->Complete(work.handle, work.wants_time ? 1000 + i : 0);
    }
    sent += static_cast<uint32_t>(rig.ReclaimAll().size());
  }
  EXPECT_GT(sent, kSlots);
  EXPECT_GT(driver.ExpectOwnLines("driver"), 0u);
  EXPECT_GT(device.ExpectOwnLines("device"), 0u);
}

INSTANTIATE_TEST_SUITE_P(Specs, TxLines, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& each) { return each.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::testing
