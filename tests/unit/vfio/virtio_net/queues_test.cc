// Virtqueues: where their parts are, and when a stop is one.
#include <gmock/gmock.h>

#include "daemon/backend/common/ring_plan.h"
#include "tests/unit/vfio/virtio_net/fake_virtio.h"

namespace qsplit::vfio::virtio_net {
namespace {

using ::testing::HasSubstr;

TEST_F(VirtioNetTest, ASplitQueueStarts) {
  Start();
  const auto places = driver->StartQueue(Split(true, 0));
  ASSERT_TRUE(places.ok()) << places.status();
  const FakeQueue& queue = fake.queues[1];
  EXPECT_EQ(queue.enabled, 1);
  EXPECT_EQ(queue.size, 256);
  EXPECT_EQ(queue.vector, 2);
  EXPECT_EQ(queue.descriptors, 0x40000000u);
  EXPECT_EQ(queue.driver, 0x40003000u - 4);
  EXPECT_EQ(queue.device, 0x40005000u - 4);
  EXPECT_EQ(fake.queues[0].enabled, 0);
  EXPECT_EQ(fake.resets, 1);  // it needed none

  EXPECT_EQ(places->doorbell_number, 1u);
  ASSERT_EQ(places->rings.size(), 3u);
  EXPECT_TRUE(places->rings[0].producer_doorbells.empty());
  ASSERT_EQ(places->rings[1].producer_doorbells.size(), 2u);  // with and without EventIndex
  for (const RegisterPlace& bell : places->rings[1].producer_doorbells) {
    EXPECT_EQ(bell.bar, 4u);
    EXPECT_EQ(bell.offset, 0x3004u);
  }
  EXPECT_TRUE(places->rings[2].producer_doorbells.empty());
}

TEST_F(VirtioNetTest, APackedQueueStarts) {
  fake.offered |= kRingPacked;
  Start();
  const auto places = driver->StartQueue(Packed(false, 0, 0x140000000));
  ASSERT_TRUE(places.ok()) << places.status();
  const FakeQueue& queue = fake.queues[0];
  EXPECT_EQ(queue.enabled, 1);
  EXPECT_EQ(queue.descriptors, 0x140000000u);
  EXPECT_EQ(queue.device, 0x140001000u);
  EXPECT_EQ(queue.driver, 0x140001040u);
  EXPECT_EQ(places->doorbell_number, 0u);
  ASSERT_EQ(places->rings.size(), 1u);
  EXPECT_EQ(places->rings[0].producer_doorbells.size(), 1u);
}

// Cells that a layout leaves to the grant are where the driver says that the device has them.
TEST_F(VirtioNetTest, FixedCellsAreWhereTheDeviceHasThem) {
  fake.offered |= kRingPacked;
  Start();
  const auto packed = driver->facts().layouts[0].fixed_cells;
  ASSERT_EQ(packed.size(), 2u);
  EXPECT_EQ(packed[0].offset_bytes, 2);
  EXPECT_EQ(packed[1].offset_bytes, 66);
  EXPECT_TRUE(packed[0].behind_slots && packed[1].behind_slots);
  const auto split = driver->facts().layouts[1].fixed_cells;
  ASSERT_EQ(split.size(), 1u);
  EXPECT_EQ(split[0].of_ring, "used");
  EXPECT_EQ(split[0].offset_bytes, -4);
}

// And so the back end's plan of a lease's rings is one that the driver takes.
TEST_F(VirtioNetTest, ThePlanOfTheBackEndIsTaken) {
  fake.offered |= kRingPacked;
  Start();
  for (const DrivenLayout& driven : driver->facts().layouts) {
    const layout::VerifiedLayout layout = Layout(driven.name);
    backend::RingPlan plan(
        layout, kUsualChoices,
        {.iova = 0x40000000, .sleeps = false, .fixed_cells = driven.fixed_cells});
    ASSERT_TRUE(plan.AddQueue(*layout.FindQueue(v1::DIRECTION_RECEIVE), 0, 0, 256).ok());
    ASSERT_TRUE(plan.AddQueue(*layout.FindQueue(v1::DIRECTION_TRANSMIT), 0, 64, 256).ok());
    plan.Finish();
    for (const bool transmit : {false, true}) {
      QueueSetup setup{.transmit = transmit,
                       .queue = 0,
                       .layout = layout,
                       .features = kUsualChoices,
                       .rings = {}};
      for (const device::RingGrant& ring : (transmit ? plan.tx : plan.rx)[0].rings) {
        RingSetup& out = setup.rings.emplace_back();
        out.slots_iova = ring.iova;
        out.slot_count = ring.slot_count;
        for (const device::Place& cell : ring.cells) {
          out.cell_iovas.push_back(0x40000000 + cell.offset_bytes);
        }
      }
      const auto places = driver->StartQueue(setup);
      EXPECT_TRUE(places.ok()) << driven.name << ": " << places.status();
    }
    EXPECT_TRUE(driver->StopQueue(false, 0).ok());
    EXPECT_TRUE(driver->StopQueue(true, 0).ok());
  }
}

TEST_F(VirtioNetTest, TheOtherFormatIsAgreedOnWhileNoQueueRuns) {
  fake.offered |= kRingPacked;
  Start();
  EXPECT_TRUE(fake.packed());
  ASSERT_TRUE(driver->Set({.promiscuous = true}).ok());
  fake.TakeCommands();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  EXPECT_FALSE(fake.packed());
  EXPECT_EQ(fake.resets, 2);
  EXPECT_EQ(fake.queues[0].enabled, 1);
  EXPECT_EQ(fake.TakeCommands()[0], (FakeCommand{0, 0, {1}}));  // settings are kept
  const absl::Status status = driver->StartQueue(Packed(true, 0)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("virtio.split"));
  ASSERT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_TRUE(driver->StartQueue(Packed(true, 0)).ok());
  EXPECT_TRUE(fake.packed());
}

TEST_F(VirtioNetTest, WhatTheDeviceDoesNotTakeIsRefused) {
  fake.offered |= kRingPacked;
  Start();
  const auto refused = [&](const QueueSetup& setup, const char* words) {
    fake.registers.log.clear();
    const auto places = driver->StartQueue(setup);
    EXPECT_EQ(places.status().code(), absl::StatusCode::kInvalidArgument) << words;
    EXPECT_THAT(std::string(places.status().message()), HasSubstr(words));
    EXPECT_TRUE(fake.registers.log.empty());
  };
  refused(Split(false, 1), "receive queue 1");
  QueueSetup setup = Split(false, 0);
  setup.layout = Layout("intel.e1000.extended");
  refused(setup, "intel.e1000.extended");
  setup = Split(false, 0);
  setup.features[0] = 1;
  refused(setup, "EventIndex = off");
  setup = Split(true, 0);
  setup.features[4] = 0;
  refused(setup, "TxChecksum = off");
  for (RingSetup& ring : (setup = Split(false, 0)).rings) ring.slot_count = 512;
  refused(setup, "512 slots");
  for (RingSetup& ring : (setup = Split(false, 0)).rings) ring.slot_count = 48;
  refused(setup, "48 slots");
  setup = Split(false, 0);
  setup.rings[2].slot_count = 128;
  refused(setup, "one size");
  setup = Split(false, 0);
  setup.rings[0].slots_iova += 8;
  refused(setup, "0x40000008");
  setup = Split(false, 0);
  setup.rings[1].slots_iova += 1;
  refused(setup, "available");
  setup = Split(false, 0);
  setup.rings[2].slots_iova += 2;
  refused(setup, "used ring");
  setup = Split(false, 0);
  setup.rings[1].cell_iovas.assign(5, 0x40009000);
  refused(setup, "no_notify");
  setup = Split(false, 0);
  setup.rings[1].cell_iovas.clear();
  refused(setup, "no_notify");
  setup = Split(false, 0);
  setup.rings.resize(2);
  refused(setup, "used ring");
  setup = Packed(false, 0);
  setup.rings[0].slots_iova += 4;
  refused(setup, "0x40000004");
  refused(Packed(false, 0, 0x40000000, 4, 66), "no_notify");
  refused(Packed(false, 0, 0x40000000, 2, 64), "no_interrupt");
  setup = Packed(false, 0);
  setup.rings.clear();
  refused(setup, "0 slots");
  EXPECT_FALSE(fake.AnyEnabled());

  ASSERT_TRUE(driver->StartQueue(Packed(false, 0)).ok());
  EXPECT_EQ(driver->StartQueue(Packed(false, 0)).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(VirtioNetTest, AQueueThatCannotBeEnabledDoesNotRun) {
  Start();
  fake.vectors = 2;  // the transmit queue's is gone
  EXPECT_EQ(driver->StartQueue(Split(true, 0)).status().code(),
            absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(fake.AnyEnabled());
  fake.vectors = 3;
  EXPECT_TRUE(driver->StartQueue(Split(true, 0)).ok());
}

// 4.1.4.4.1: a doorbell outside of the structure is none.
TEST_F(VirtioNetTest, ADoorbellOutsideOfItsStructureIsRefused) {
  Start();
  fake.registers.OnRead(kQueueNotifyOffset, [] { return 0x3ffu; });  // the last one
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  fake.registers.OnRead(kQueueNotifyOffset, [] { return 0x400u; });
  const absl::Status status = driver->StartQueue(Split(true, 0)).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("4096"));
  EXPECT_EQ(fake.queues[1].enabled, 0);
}

// 2.6.1.
TEST_F(VirtioNetTest, AQueueStopsAlone) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  ASSERT_TRUE(driver->StartQueue(Split(true, 0)).ok());
  ASSERT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_EQ(fake.queues[0].enabled, 0);
  EXPECT_EQ(fake.queues[1].enabled, 1);
  EXPECT_EQ(fake.resets, 1);
  fake.registers.log.clear();
  EXPECT_TRUE(driver->StopQueue(false, 0).ok());  // again: nothing happens
  EXPECT_TRUE(fake.registers.log.empty());
  EXPECT_FALSE(driver->StopQueue(false, 1).ok());
  EXPECT_TRUE(driver->StartQueue(Split(false, 0, 0x50000000)).ok());
  EXPECT_EQ(fake.queues[0].descriptors, 0x50000000u);
}

TEST_F(VirtioNetTest, AStopThatIsNotConfirmedIsNone) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  fake.queue_resets_end = false;
  const absl::Time before = fake.function.now;
  EXPECT_EQ(driver->StopQueue(false, 0).code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(fake.function.now - before, absl::Milliseconds(50));
  fake.queue_resets_end = true;
  EXPECT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_FALSE(fake.AnyEnabled());
}

TEST_F(VirtioNetTest, ADeviceThatIsGoneConfirmsNothing) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  fake.gone = true;
  EXPECT_EQ(driver->StopQueue(false, 0).code(), absl::StatusCode::kUnavailable);
}

class VirtioWithoutQueueReset : public VirtioNetTest {
 protected:
  VirtioWithoutQueueReset() { fake.offered &= ~kRingReset; }
};

// A device need not look at a virtqueue that is enabled after DRIVER_OK.
TEST_F(VirtioWithoutQueueReset, EachStartBringsTheDeviceUpAnew) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  ASSERT_TRUE(driver->StartQueue(Split(true, 0, 0x50000000)).ok());
  EXPECT_EQ(fake.resets, 3);
  EXPECT_EQ(fake.queues[0].enabled, 1);
  EXPECT_EQ(fake.queues[0].descriptors, 0x40000000u);
  EXPECT_EQ(fake.queues[1].enabled, 1);
  EXPECT_EQ(fake.status, 15);
  const int ok = fake.registers.LastWriteTo(kDeviceStatus);
  EXPECT_LT(fake.registers.LastWriteTo(kQueueEnable), ok);
}

TEST_F(VirtioWithoutQueueReset, TheFirstStopSilencesAll) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  ASSERT_TRUE(driver->StartQueue(Split(true, 0)).ok());
  ASSERT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_FALSE(fake.AnyEnabled());
  EXPECT_EQ(fake.status, 0);
  EXPECT_EQ(driver->StartQueue(Split(false, 0)).status().code(),
            absl::StatusCode::kFailedPrecondition);  // not before the other is stopped too
  EXPECT_EQ(driver->Set({.promiscuous = true}).code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(driver->StopQueue(true, 0).ok());
  EXPECT_EQ(fake.status, 15);
  EXPECT_FALSE(fake.AnyEnabled());
  EXPECT_TRUE(driver->Set({.promiscuous = true}).ok());
  EXPECT_TRUE(driver->StartQueue(Split(false, 0)).ok());
}

TEST_F(VirtioWithoutQueueReset, AResetThatDoesNotEndIsNoStop) {
  Start();
  ASSERT_TRUE(driver->StartQueue(Split(false, 0)).ok());
  fake.never_resets = true;
  const absl::Time before = fake.function.now;
  EXPECT_EQ(driver->StopQueue(false, 0).code(), absl::StatusCode::kUnavailable);
  EXPECT_LE(fake.function.now - before, absl::Milliseconds(50));
  EXPECT_TRUE(fake.AnyEnabled());
  fake.never_resets = false;
  EXPECT_TRUE(driver->StopQueue(false, 0).ok());
  EXPECT_FALSE(fake.AnyEnabled());
}

TEST_F(VirtioWithoutQueueReset, ADeviceThatChangesItsMindIsNotStarted) {
  Start();
  fake.offered &= ~kNetControlRx;
  const absl::Status status = driver->StartQueue(Split(false, 0)).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("other features"));
  EXPECT_FALSE(fake.AnyEnabled());
  fake.offered |= kNetControlRx;
  EXPECT_TRUE(driver->StartQueue(Split(false, 0)).ok());
}

}  // namespace
}  // namespace qsplit::vfio::virtio_net
