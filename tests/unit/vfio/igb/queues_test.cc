// Queues: each register of a ring, the order around the enable bit, waits that end.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <vector>

#include "tests/unit/vfio/igb/fake_pf.h"

namespace qsplit {
namespace {

using namespace vfio::igb;  // registers
using test::SetupOf;
using test::StartedPf;

constexpr uint32_t Rx(uint32_t queue) { return 0xc000 + 0x40 * queue; }
constexpr uint32_t Tx(uint32_t queue) { return 0xe000 + 0x40 * queue; }

TEST(IgbQueues, ReceiveRingIsDescribedThenEnabledThenEmpty) {
  StartedPf it;
  it.pf.bar.log.clear();
  const auto places = it.driver->StartQueue(SetupOf(false, 5));
  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x00), 0x345b7000u);
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x04), 0x12u);
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x08), 512u * 16);
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x0c), 2u | 1u << 25 | 1u << 31);  // 2 KiB, one buffer, drop
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x10), 0u);
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x18), 0u);
  EXPECT_EQ(it.pf.Reg(Rx(5) + 0x28), 8u | 8u << 8 | 1u << 16 | 1u << 25);

  // Off first, then the ring, then on; the tail last.
  const int off = it.pf.FirstWrite(Rx(5) + 0x28);
  const int on = it.pf.LastWrite(Rx(5) + 0x28);
  EXPECT_EQ(it.pf.bar.log[static_cast<size_t>(off)].value, 0u);
  for (const uint32_t reg : {0x00u, 0x04u, 0x08u, 0x0cu, 0x10u}) {
    EXPECT_GT(it.pf.LastWrite(Rx(5) + reg), off);
    EXPECT_LT(it.pf.LastWrite(Rx(5) + reg), on);
  }
  EXPECT_GT(it.pf.LastWrite(Rx(5) + 0x18), on);

  ASSERT_EQ(places->rings.size(), 1u);
  ASSERT_EQ(places->rings[0].producer_doorbells.size(), 1u);
  EXPECT_EQ(places->rings[0].producer_doorbells[0].bar, 0u);
  EXPECT_EQ(places->rings[0].producer_doorbells[0].offset, Rx(5) + 0x18);
  ASSERT_TRUE(places->rings[0].device_index.has_value());
  EXPECT_EQ(places->rings[0].device_index->offset, Rx(5) + 0x10) << "RDH";
  EXPECT_FALSE(places->doorbell_number.has_value());
}

TEST(IgbQueues, TransmitRingCompletesInItsDescriptorsAtOnce) {
  StartedPf it;
  it.pf.bar.Poke(Tx(15) + 0x38, 1);  // an earlier lease had head write-back
  it.pf.bar.Poke(Tx(15) + 0x18, 77);
  it.pf.bar.log.clear();
  const auto places = it.driver->StartQueue(SetupOf(true, 15));
  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x00), 0x34657000u);
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x04), 0x12u);
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x08), 512u * 16);
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x28), 8u | 1u << 8 | 1u << 16 | 1u << 25);
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x38), 0u);
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x3c), 0u);
  EXPECT_EQ(it.pf.Reg(Tx(15) + 0x18), 0u);
  // The old tail is gone before the queue is on, or its descriptors would be sent.
  EXPECT_LT(it.pf.FirstWrite(Tx(15) + 0x18), it.pf.LastWrite(Tx(15) + 0x28));
  EXPECT_GT(it.pf.LastWrite(Tx(15) + 0x18), it.pf.LastWrite(Tx(15) + 0x28));

  // The ring for completions by head is left out.
  ASSERT_EQ(places->rings.size(), 2u);
  ASSERT_EQ(places->rings[0].producer_doorbells.size(), 1u);
  EXPECT_EQ(places->rings[0].producer_doorbells[0].offset, Tx(15) + 0x18);
  EXPECT_EQ(places->rings[0].device_index->offset, Tx(15) + 0x10) << "TDH";
  EXPECT_TRUE(places->rings[1].producer_doorbells.empty());
}

TEST(IgbQueues, AQueueThatDoesNotStartIsUnavailable) {
  StartedPf it;
  it.pf.StickEnable(Rx(2) + 0x28, false);
  const absl::Time before = it.pf.now;
  const auto places = it.driver->StartQueue(SetupOf(false, 2));
  EXPECT_EQ(places.status().code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(it.pf.now - before, absl::Milliseconds(50));
  EXPECT_EQ(it.pf.Reg(Rx(2) + 0x28), 0u);  // told to stop again
}

TEST(IgbQueues, AQueueOfAFunctionThatIsGoneDoesNotStart) {
  StartedPf it;
  it.pf.bar.OnRead(Tx(2) + 0x28, [] { return kGone; });
  EXPECT_EQ(it.driver->StartQueue(SetupOf(true, 2)).status().code(),
            absl::StatusCode::kUnavailable);
}

TEST(IgbQueues, StopWaitsUntilTheHardwareConfirms) {
  StartedPf it;
  ASSERT_TRUE(it.driver->StartQueue(SetupOf(false, 1)).ok());
  // The hardware is still busy for 3 ms.
  const absl::Time busy_until = it.pf.now + absl::Milliseconds(3);
  it.pf.bar.OnRead(Rx(1) + 0x28, [&] { return it.pf.now < busy_until ? kQueueEnable : 0u; });
  EXPECT_TRUE(it.driver->StopQueue(false, 1).ok());
  EXPECT_GE(it.pf.now, busy_until);
}

TEST(IgbQueues, StopThatIsNotConfirmedIsUnavailable) {
  StartedPf it;
  for (const bool transmit : {false, true}) {
    ASSERT_TRUE(it.driver->StartQueue(SetupOf(transmit, 1)).ok());
    it.pf.StickEnable((transmit ? Tx(1) : Rx(1)) + 0x28, true);
    const absl::Time before = it.pf.now;
    EXPECT_EQ(it.driver->StopQueue(transmit, 1).code(), absl::StatusCode::kUnavailable);
    EXPECT_LE(it.pf.now - before, absl::Milliseconds(50));
  }
}

TEST(IgbQueues, StoppingWhatIsStoppedDoesNothing) {
  StartedPf it;
  const absl::Time before = it.pf.now;
  EXPECT_TRUE(it.driver->StopQueue(true, 9).ok());
  EXPECT_EQ(it.pf.now, before);
}

TEST(IgbQueues, RefusesWhatTheHardwareDoesNotTake) {
  StartedPf it;
  const auto refused = [&](const vfio::QueueSetup& setup, const char* says) {
    it.pf.bar.log.clear();
    const auto places = it.driver->StartQueue(setup);
    EXPECT_EQ(places.status().code(), absl::StatusCode::kInvalidArgument) << says;
    EXPECT_THAT(std::string(places.status().message()), testing::HasSubstr(says));
    EXPECT_TRUE(it.pf.bar.log.empty()) << says;
  };
  refused(SetupOf(false, 15), "there are 15");
  refused(SetupOf(true, 16), "there are 16");
  refused(SetupOf(false, 0, "big"), "LoopbackTag");
  refused(SetupOf(false, 0, "little", "checksum"), "Dword1");
  refused(SetupOf(true, 0, "little", "hash", "head"), "Done");
  for (const uint32_t slots : {0u, 56u, 4104u, 65u}) {
    vfio::QueueSetup setup = SetupOf(false, 0);
    setup.rings[0].slot_count = slots;
    refused(setup, "slots");
  }
  vfio::QueueSetup aligned = SetupOf(true, 0);
  aligned.rings[0].slots_iova += 64;
  refused(aligned, "aligned to 128");
  for (const uint32_t bytes : {0u, 512u, 1536u, 128u * 1024}) {
    vfio::QueueSetup setup = SetupOf(false, 0);
    setup.rx_buffer_bytes = bytes;
    refused(setup, "buffers");
  }
  vfio::QueueSetup rings = SetupOf(true, 0);
  rings.rings.pop_back();
  refused(rings, "rings");
  vfio::QueueSetup other = SetupOf(false, 0);
  other.layout = test::IgbLayout("intel.ixgbe.advanced");
  refused(other, "driven by intel.igb.advanced");
  EXPECT_EQ(it.driver->StopQueue(false, 16).code(), absl::StatusCode::kInvalidArgument);
}

TEST(IgbQueues, TheI350HasTagsOfLoopedPacketsInNetworkOrder) {
  StartedPf it(test::kI350);
  EXPECT_EQ(it.driver->StartQueue(SetupOf(false, 0, "little")).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(it.driver->StartQueue(SetupOf(false, 6, "big")).ok());
  EXPECT_EQ(it.driver->StartQueue(SetupOf(false, 7, "big")).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(IgbQueues, WithVfsThePfsQueuesAreThoseOfThePoolsBehindThem) {
  StartedPf it(test::k82576, test::VfSettings(3));
  ASSERT_EQ(it.driver->facts().rx_queues, 10u);
  // First queues of pools 3 to 7, then the second ones, 11 to 15.
  for (const auto& [queue, hardware] :
       std::vector<std::pair<uint32_t, uint32_t>>{{0, 3}, {4, 7}, {5, 11}, {9, 15}}) {
    const auto places = it.driver->StartQueue(SetupOf(false, queue));
    ASSERT_TRUE(places.ok()) << places.status();
    EXPECT_EQ(places->rings[0].producer_doorbells[0].offset, Rx(hardware) + 0x18);
    EXPECT_NE(it.pf.Reg(Rx(hardware) + 0x28) & kQueueEnable, 0u);
    ASSERT_TRUE(it.driver->StopQueue(false, queue).ok());
    EXPECT_EQ(it.pf.Reg(Rx(hardware) + 0x28) & kQueueEnable, 0u);
  }
}

}  // namespace
}  // namespace qsplit
