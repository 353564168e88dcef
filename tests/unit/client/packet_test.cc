// Packets as programs hold them: views, segments, ownership of buffers.
#include <gtest/gtest.h>
#include <qsplit/packet.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/unit/client/packets.h"

namespace qsplit {
namespace {

using testing_support::TestPool;
using testing_support::Text;

TEST(Packet, SegmentsAreOneRowOfBytes) {
  TestPool pool;
  const Packet packet = pool.Make("abcdefghij", {3, 5, 2});
  EXPECT_EQ(packet.length(), 10u);
  EXPECT_EQ(packet.segment_count(), 3u);
  EXPECT_EQ(packet.bytes().size(), 3u);
  EXPECT_EQ(packet.segment(1).size(), 5u);
  EXPECT_EQ(packet.segment(2)[0], std::byte{'i'});
  std::vector<std::byte> out(4);
  EXPECT_EQ(packet.CopyTo(out, 2), 4u);
  EXPECT_EQ(out, (std::vector<std::byte>{std::byte{'c'}, std::byte{'d'}, std::byte{'e'},
                                         std::byte{'f'}}));
  EXPECT_EQ(packet.CopyTo(out, 8), 2u);
  EXPECT_EQ(packet.CopyTo(out, 10), 0u);
}

TEST(Packet, CopyFromStaysInside) {
  TestPool pool;
  Packet packet = pool.Make("abcdefghij", {3, 5, 2});
  const std::string in = "0123456789";
  const std::span<const std::byte> bytes(reinterpret_cast<const std::byte*>(in.data()), in.size());
  EXPECT_EQ(packet.CopyFrom(bytes, 7), 3u);
  EXPECT_EQ(Text(packet), "abcdefg012");
}

TEST(Packet, GivesItsBuffersBackOnce) {
  TestPool pool(8);
  {
    Packet a = pool.Make("abcdef", {2, 2, 2});
    EXPECT_EQ(pool.get()->free_count(), 5u);
    Packet b = std::move(a);
    EXPECT_FALSE(a);  // NOLINT: moved-from packets are empty
    EXPECT_EQ(a.length(), 0u);
    EXPECT_EQ(a.bytes().size(), 0u);
    EXPECT_TRUE(b);
    b = pool.Make("xyz");
    EXPECT_EQ(pool.get()->free_count(), 7u);
    b.Reset();
    EXPECT_EQ(pool.get()->free_count(), 8u);
  }
  EXPECT_EQ(pool.get()->free_count(), 8u);
}

TEST(Packet, TruncateGivesSurplusBuffersBack) {
  TestPool pool(8);
  Packet packet = pool.Make("abcdefghij", {3, 5, 2});
  packet.Truncate(20);
  EXPECT_EQ(packet.length(), 10u);
  packet.Truncate(4);
  EXPECT_EQ(Text(packet), "abcd");
  EXPECT_EQ(packet.segment_count(), 2u);
  EXPECT_EQ(pool.get()->free_count(), 6u);
  packet.Truncate(3);
  EXPECT_EQ(packet.segment_count(), 1u);
  packet.Truncate(0);
  EXPECT_EQ(Text(packet), "a") << "a packet has at least a byte";
}

TEST(Packet, OutlivesItsPoolsOwner) {
  Packet kept;
  {
    TestPool pool(2);
    kept = pool.Make("still here");
  }
  EXPECT_EQ(Text(kept), "still here");
}

TEST(Packet, MetadataIsAbsentUntilThere) {
  TestPool pool;
  Packet packet = pool.Make("x");
  EXPECT_FALSE(packet.hash().has_value());
  EXPECT_FALSE(packet.vlan().has_value());
  EXPECT_FALSE(packet.timestamp().has_value());
  EXPECT_EQ(packet.checksum_l4(), ChecksumState::kUnknown);
  packet.set_vlan(0);
  EXPECT_EQ(packet.vlan(), 0) << "priority tag, id 0";
  packet.set_vlan(std::nullopt);
  EXPECT_FALSE(packet.vlan().has_value());
}

}  // namespace
}  // namespace qsplit
