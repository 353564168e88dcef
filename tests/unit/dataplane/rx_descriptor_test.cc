// Receive: what stands in the slots and the doorbell, over the two sample layouts.
#include <gtest/gtest.h>

#include <cstring>

#include "tests/support/sample_layouts.h"
#include "tests/unit/dataplane/rx_ring_pair.h"

namespace qsplit::dataplane {
namespace {

using testing::TestRing;
using Pair = testing::RxRingPair;

constexpr uint32_t kBytes = 2048;

TEST(RxDoorbell, AnIndexThatTheRingLacksIsAFault) {
  Pair p(layout::testing::SimpleLayout(), 16);
  p.ring.SetDoorbell(16);
  PostedBuffer buffer;
  EXPECT_EQ(p.device.PeekAvailable(), 0u);
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kDoorbellOutOfRange);
  p.ring.SetDoorbell(0);
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kDoorbellOutOfRange);
}

TEST(RxDoorbell, ACountFurtherThanTheRingIsAFault) {
  Pair p(layout::testing::BigLayout(), 16);
  p.ring.SetDoorbell(17);
  PostedBuffer buffer;
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kDoorbellOutOfRange);
}

TEST(RxDescriptor, WrongConstantsAreAnUndefinedForm) {
  Pair p(layout::testing::SimpleLayout(), 16);
  ASSERT_TRUE(p.driver.Post(Iova(0x10000), kBytes, 1));
  p.driver.Publish();
  p.ring.slot(0)[13] = std::byte{1};
  PostedBuffer buffer;
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kUndefinedForm);
}

TEST(RxDescriptor, ABufferOfNoBytesIsAFault) {
  Pair p(layout::testing::SimpleLayout(), 16);
  ASSERT_FALSE(p.driver.Post(Iova(0x10000), 0, 1));
  p.ring.SetDoorbell(1);
  PostedBuffer buffer;
  EXPECT_EQ(p.device.Fetch(&buffer), RingFault::kBufferLength);
}

TEST(RxPost, WhatTheLayoutCannotSayIsRefused) {
  Pair p(layout::testing::BigLayout(), 16);
  EXPECT_FALSE(p.driver.Post(Iova(0x10000), 2047, 1));  // units of 16 bytes
  EXPECT_FALSE(p.driver.Post(Iova(0x10001), 2048, 1));  // alignment
  EXPECT_EQ(p.driver.Outstanding(), 0u);
  EXPECT_TRUE(p.driver.Post(Iova(0x10000), 2048, 1));
}

// Bytes written by hand from the layouts' tables, so that both sides cannot be wrong together.
TEST(RxDescriptor, BytesOfTheSimpleLayout) {
  Pair p(layout::testing::SimpleLayout(), 16);
  ASSERT_TRUE(p.driver.Post(Iova(0x1122334455667788), kBytes, 9));
  p.driver.Publish();
  const uint8_t posted[16] = {0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11, 0, 8};
  EXPECT_EQ(std::memcmp(p.ring.slot(0), posted, 16), 0);
  // hash 0xa1b2c3d4 of tcp4, tag 0x0123, IPv4, TCP, 1514 bytes, mark 7; done, last, stripped, both
  // checked, the transport's checksum bad
  const uint8_t done[16] = {0xd4, 0xc3, 0xb2, 0xa1, 0x23, 0x01, 0x51, 0,
                            0xea, 0x05, 7,    0,    0x6f, 0,    0,    0};
  std::memcpy(p.ring.slot(0), done, 16);
  RxCompletion out[1];
  ASSERT_EQ(p.driver.Poll(out), 1u);
  const RxMetadata& meta = out[0].meta;
  EXPECT_EQ(out[0].length, 1514u);
  EXPECT_EQ(meta.hash, 0xa1b2c3d4u);
  EXPECT_EQ(meta.hash_type, HashType::kTcp4);
  EXPECT_EQ(meta.vlan_tci, 0x0123);
  EXPECT_EQ(meta.l3, L3Kind::kIp4);
  EXPECT_EQ(meta.l4, L4Kind::kTcp);
  EXPECT_EQ(meta.l3_checksum, ChecksumState::kGood);
  EXPECT_EQ(meta.l4_checksum, ChecksumState::kBad);
  EXPECT_EQ(meta.mark, 7u);
  EXPECT_FALSE(meta.error);
}

TEST(RxDescriptor, BytesOfTheBigLayout) {
  Pair p(layout::testing::BigLayout(), 16);
  ASSERT_TRUE(p.driver.Post(Iova(0x1122334455667780), kBytes, 9));
  p.driver.Publish();
  EXPECT_EQ(p.ring.doorbell()[3], std::byte{1});
  const uint8_t posted[32] = {0,    0,    0,    0,    0,    0,    0,    0, 0x11,
                              0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x80, 0, 128};
  EXPECT_EQ(std::memcmp(p.ring.slot(0), posted, 32), 0);
  // done, first, last, l3 ok, stripped, timestamp, l4 not checked; hash of udp4; 1518 bytes with
  // the frame check sequence in two places; time 0x0102'03040506
  const uint8_t done[32] = {0xf5, 0x40, 0,    0x04, 0, 5,    0, 0, 0,    0, 0, 0, 0, 0, 0, 0,
                            0xa1, 0xb2, 0xc3, 0xd4, 1, 0x23, 0, 0, 0xee, 0, 1, 2, 3, 4, 5, 6};
  std::memcpy(p.ring.slot(0), done, 32);
  RxCompletion out[1];
  ASSERT_EQ(p.driver.Poll(out), 1u);
  const RxMetadata& meta = out[0].meta;
  EXPECT_EQ(out[0].length, 1514u);
  EXPECT_EQ(meta.hash, 0xa1b2c3d4u);
  EXPECT_EQ(meta.hash_type, HashType::kUdp4);
  EXPECT_EQ(meta.vlan_tci, 0x0123);
  EXPECT_EQ(meta.l3_checksum, ChecksumState::kGood);
  EXPECT_EQ(meta.l4_checksum, ChecksumState::kUnknown);
  EXPECT_EQ(meta.timestamp, 0x010203040506u);
}

TEST(RxCreate, SaysWhatItDoesNotDrive) {
  const layout::VerifiedLayout simple = layout::testing::SimpleLayout();
  const TestRing ring(simple, v1::DIRECTION_RECEIVE, 16);
  QueueView view = ring.View();
  view.rings[0].slot_count = 17;
  absl::Status status = RxDriver::Create(simple, view, {}).status();
  EXPECT_TRUE(absl::IsInvalidArgument(status));
  EXPECT_NE(status.message().find("17 slots; possible are 8..4096 in steps of 8"),
            std::string::npos)
      << status;
  view = ring.View();
  view.rings[0].producer_doorbells[0] = nullptr;
  EXPECT_TRUE(absl::IsInvalidArgument(RxDriver::Create(simple, view, {}).status()));
  view = ring.View();
  view.rings[0].slots = nullptr;
  EXPECT_TRUE(absl::IsInvalidArgument(RxDriver::Create(simple, view, {}).status()));
}

}  // namespace
}  // namespace qsplit::dataplane
