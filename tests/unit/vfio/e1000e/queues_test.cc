// Queues of the 82574: what is written, in which order, and when a stop is one.
#include <gmock/gmock.h>

#include "tests/unit/vfio/e1000e/fake_82574.h"

namespace qsplit::vfio::e1000e {
namespace {

using ::testing::HasSubstr;

TEST_F(E1000eTest, AReceiveQueueStarts) {
  Start();
  registers.log.clear();
  const auto places = driver->StartQueue(Receive(1));
  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_EQ(registers.Peek(0x2900), 0x23456780u);
  EXPECT_EQ(registers.Peek(0x2904), 1u);
  EXPECT_EQ(registers.Peek(0x2908), 512u * 16);
  EXPECT_EQ(registers.Peek(0x2910), 0u);
  EXPECT_EQ(registers.Peek(0x2918), 0u);
  EXPECT_EQ(registers.Peek(kRctl) & 2, 2u);
  ASSERT_EQ(places->rings.size(), 2u);  // the second one is left out
  ASSERT_EQ(places->rings[0].producer_doorbells.size(), 1u);
  EXPECT_EQ(places->rings[0].producer_doorbells[0].bar, 0u);
  EXPECT_EQ(places->rings[0].producer_doorbells[0].offset, 0x2918u);
  ASSERT_TRUE(places->rings[0].device_index.has_value());
  EXPECT_EQ(places->rings[0].device_index->offset, 0x2910u) << "RDH1";
  EXPECT_TRUE(places->rings[0].consumer_doorbells.empty());
  EXPECT_TRUE(places->rings[1].producer_doorbells.empty());
  EXPECT_FALSE(places->doorbell_number.has_value());
}

// The ring's registers are written while the receiver is off and no request is under way.
TEST_F(E1000eTest, ARingIsWrittenInAPause) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  registers.log.clear();
  ASSERT_TRUE(driver->StartQueue(Receive(1)).ok());
  const uint32_t on = registers.Peek(kRctl);
  const int off = Written(kRctl, on & ~2u);
  const int barred = Written(kCtrl, registers.Peek(kCtrl) | 4);
  const int base = Written(0x2900, 0x23456780);
  const int freed = registers.LastWriteTo(kCtrl);
  ASSERT_GE(off, 0);
  EXPECT_LT(off, barred);
  EXPECT_LT(barred, base);
  EXPECT_LT(base, freed);
  EXPECT_LT(freed, Written(kRctl, on, off));
  EXPECT_EQ(registers.Peek(kCtrl) & 4, 0u);
  EXPECT_EQ(registers.LastWriteTo(0x2800), -1);  // the other queue's ring stays as it is
}

TEST_F(E1000eTest, ATransmitQueueStarts) {
  Start();
  const auto places = driver->StartQueue(Transmit(1));
  ASSERT_TRUE(places.ok()) << places.status();
  EXPECT_EQ(registers.Peek(0x3900), 0xfedcba00u);
  EXPECT_EQ(registers.Peek(0x3904), 0u);
  EXPECT_EQ(registers.Peek(0x3908), 64u * 16);
  EXPECT_EQ(registers.Peek(kTctl) & 2, 2u);
  EXPECT_EQ(registers.Peek(kRctl) & 2, 0u);
  EXPECT_EQ(places->rings[0].producer_doorbells[0].offset, 0x3918u);
}

TEST_F(E1000eTest, BufferSizesAreThoseOfTheRegister) {
  Start();
  const std::vector<std::pair<uint32_t, uint32_t>> sizes{{256, 3u << 16},
                                                         {512, 2u << 16},
                                                         {1024, 1u << 16},
                                                         {2048, 0},
                                                         {4096, 1u << 25 | 3u << 16},
                                                         {8192, 1u << 25 | 2u << 16},
                                                         {16384, 1u << 25 | 1u << 16}};
  for (const auto& [bytes, bits] : sizes) {
    QueueSetup setup = Receive(0);
    setup.rx_buffer_bytes = bytes;
    ASSERT_TRUE(driver->StartQueue(setup).ok()) << bytes;
    EXPECT_EQ(registers.Peek(kRctl) & (1u << 25 | 3u << 16), bits) << bytes;
    ASSERT_TRUE(driver->StopQueue(false, 0).ok());
  }
}

TEST_F(E1000eTest, RefusesWhatTheHardwareDoesNotTake) {
  Start();
  const auto refused = [&](const QueueSetup& setup, const char* words) {
    registers.log.clear();
    const auto places = driver->StartQueue(setup);
    EXPECT_EQ(places.status().code(), absl::StatusCode::kInvalidArgument) << places.status();
    EXPECT_THAT(places.status().message(), HasSubstr(words));
    EXPECT_TRUE(registers.log.empty());
  };
  refused(Receive(2), "receive queue 2");
  QueueSetup setup = Receive(0);
  setup.layout = Layout("intel.e1000.legacy");
  refused(setup, "intel.e1000.legacy");
  setup = Receive(0);
  setup.rings[0].slot_count = 65;
  refused(setup, "65 slots");
  setup.rings[0].slot_count = 4104;
  refused(setup, "4104 slots");
  setup = Receive(0, 0x10040);
  refused(setup, "0x10040");
  setup = Receive(0);
  setup.rx_buffer_bytes = 1500;
  refused(setup, "1500");
  setup.rx_buffer_bytes = 0;
  refused(setup, "of 0 bytes");
  setup = Receive(0);
  setup.features = {1, 0};
  refused(setup, "Buffers = one");
  setup.features = {0, 1};
  refused(setup, "Dword1 = hash");

  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  setup = Receive(1);
  setup.rx_buffer_bytes = 4096;
  refused(setup, "one size for both");
  EXPECT_EQ(driver->StartQueue(Receive(0)).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(E1000eTest, AStoppedQueueHasNoRing) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  ASSERT_TRUE(driver->StartQueue(Receive(1)).ok());
  const absl::Time before = function.now;
  registers.log.clear();
  ASSERT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_LT(function.now - before, absl::Milliseconds(50));
  EXPECT_EQ(registers.Peek(0x2800), 0u);
  EXPECT_EQ(registers.Peek(0x2808), 0u);
  EXPECT_EQ(registers.Peek(0x2908), 512u * 16);
  EXPECT_EQ(registers.Peek(kRctl) & 2, 2u);  // for the other queue
  ASSERT_TRUE(driver->StopQueue(false, 1).ok());
  EXPECT_EQ(registers.Peek(kRctl) & 2, 0u);

  registers.log.clear();
  EXPECT_TRUE(driver->StopQueue(false, 1).ok());  // again: nothing happens
  EXPECT_TRUE(registers.log.empty());
  EXPECT_FALSE(driver->StopQueue(false, 2).ok());
}

TEST_F(E1000eTest, AStopThatIsNotConfirmedIsNone) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Transmit(0)).ok());
  never_ends = true;
  const absl::Time before = function.now;
  EXPECT_EQ(driver->StopQueue(true, 0).code(), absl::StatusCode::kUnavailable);
  EXPECT_LT(function.now - before, absl::Milliseconds(50));
  EXPECT_EQ(registers.Peek(0x3808), 64u * 16);
  EXPECT_EQ(registers.Peek(kTctl) & 2, 0u);  // and it gets no new request
  EXPECT_EQ(registers.Peek(kCtrl) & 4, 4u);
  never_ends = false;
  EXPECT_TRUE(driver->StopQueue(true, 0).ok());
  EXPECT_EQ(registers.Peek(0x3808), 0u);
  EXPECT_EQ(registers.Peek(kCtrl) & 4, 0u);
}

TEST_F(E1000eTest, AFunctionThatIsGoneConfirmsNothing) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  gone = true;
  EXPECT_EQ(driver->StopQueue(false, 0).code(), absl::StatusCode::kUnavailable);
}

// Whoever holds the function may have written its registers: they are written whole, out of the
// driver's own state.
TEST_F(E1000eTest, WhatAClientLeftInRegistersIsOverwritten) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Receive(0)).ok());
  const uint32_t rctl = registers.Peek(kRctl);
  const uint32_t ctrl = registers.Peek(kCtrl);
  registers.Poke(kRctl, 0x3fffffff);
  registers.Poke(kCtrl, 0x3fffffff);
  registers.Poke(0x2810, 77);
  registers.Poke(0x2818, 99);
  ASSERT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_EQ(registers.Peek(kRctl), rctl & ~2u);
  EXPECT_EQ(registers.Peek(kCtrl), ctrl);
  EXPECT_EQ(registers.Peek(0x2810), 0u);
  EXPECT_EQ(registers.Peek(0x2818), 0u);
}

}  // namespace
}  // namespace qsplit::vfio::e1000e
