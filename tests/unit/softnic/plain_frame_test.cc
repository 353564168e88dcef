// Plain frames on their short way: what a head alone says against what the whole frame says, and
// frames whose bytes change while they are sent.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <random>
#include <thread>
#include <utility>

#include "daemon/backend/softnic/checksum.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/backend/softnic/toeplitz.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

FrameHead HeadOf(const Bytes& frame) {
  FrameHead head{};
  std::copy_n(frame.begin(), std::min<size_t>(frame.size(), kHeadBytes), head.begin());
  return head;
}

// All kinds of frames, some with bytes that were changed at random.
Bytes RandomFrame(std::mt19937& random) {
  static const char* const kAddresses[] = {"10.0.0.1", "10.0.0.2", "fd00::1", "fd00::2"};
  FrameSpec spec;
  const bool six = random() % 3 == 0;
  spec.src_ip = kAddresses[six ? 2 + random() % 2 : random() % 2];
  spec.dst_ip = kAddresses[six ? 2 + random() % 2 : random() % 2];
  constexpr uint8_t kProtocols[] = {6, 17, 17, 132, 1, 58, 47, 44, 50, 51};
  spec.protocol = kProtocols[random() % 10];
  spec.spi = static_cast<uint32_t>(random() % 2);
  spec.dst_port = static_cast<uint16_t>(1 + random() % 2);
  if (random() % 8 == 0) spec.vlan_tci = 5;
  if (random() % 8 == 0) spec.fragment = 0x2000;
  if (random() % 8 == 0 && !six) spec.ip_options = Bytes(4, 1);
  spec.payload = Bytes(random() % 200, static_cast<uint8_t>(random()));
  Bytes frame = MakeFrame(spec);
  for (auto i = random() % 3; i > 0 && random() % 2 == 0; --i) {
    frame[random() % std::min<size_t>(frame.size(), 70)] ^= static_cast<uint8_t>(random());
  }
  if (frame.size() < kMinFrameBytes) frame.resize(kMinFrameBytes);
  return frame;
}

TEST(PlainFrame, HeadSaysWhatTheFrameSays) {
  std::mt19937 random(3);
  uint32_t plain = 0, same_flow = 0;
  FrameHead before{};
  PlainFacts facts_before;
  device::FlowKey key_before;
  bool has_before = false;
  for (int i = 0; i < 20000; ++i) {
    const Bytes frame = RandomFrame(random);
    const FrameHead head = HeadOf(frame);
    const auto bytes = static_cast<uint32_t>(frame.size());
    Packet whole;
    ASSERT_TRUE(Parse(frame, &whole));
    PlainFacts facts;
    device::FlowKey key;
    if (!ParsePlain(head, bytes, &facts, &key)) continue;
    ++plain;
    ASSERT_EQ(key, whole.key);
    ASSERT_EQ(facts.ip_version, whole.key.ip_version);
    ASSERT_EQ(facts.l4_protocol, whole.key.l4_protocol);
    ASSERT_EQ(facts.l3, whole.l3);
    ASSERT_EQ(facts.l4, whole.l4);
    ASSERT_EQ(facts.l4_offset, whole.l4_offset);
    ASSERT_EQ(facts.l3_end, whole.l3_end);
    ASSERT_FALSE(whole.fragment || whole.malformed_l3);
    OpenVerdict open = BeginVerify(head, facts, facts.l3_end);
    if (open.rest_bytes != 0) {
      ASSERT_LE(kHeadBytes + open.rest_bytes, bytes);
      open.sum.Add(frame.data() + kHeadBytes, open.rest_bytes, kHeadBytes);
    }
    const ChecksumVerdict verdict = open.Close();
    const ChecksumVerdict right = Verify(whole);
    ASSERT_EQ(verdict.l3, right.l3);
    ASSERT_EQ(verdict.l4, right.l4);
    uint32_t l3_end = 0;
    if (has_before && ParseSameFlow(head, bytes, before, facts_before, &l3_end)) {
      ++same_flow;
      ASSERT_EQ(key, key_before);
      ASSERT_EQ(facts_before.l4, facts.l4);
      ASSERT_EQ(l3_end, facts.l3_end);
      ASSERT_EQ(facts_before.l4_offset, facts.l4_offset);
    }
    before = head;
    facts_before = facts;
    key_before = key;
    has_before = true;
  }
  EXPECT_GT(plain, 1000u);
  EXPECT_GT(same_flow, 50u);
}

TEST(PlainFrame, FramesOfOneFlowAreKnownWhateverTheirLengths) {
  const Bytes first = MakeFrame({.payload = Bytes(60, 1)});
  PlainFacts facts;
  uint32_t next = 0;
  device::FlowKey key;
  ASSERT_TRUE(ParsePlain(HeadOf(first), static_cast<uint32_t>(first.size()), &facts, &key));
  const Bytes second = MakeFrame({.payload = Bytes(900, 2)});
  const FrameHead head = HeadOf(second);
  const auto bytes = static_cast<uint32_t>(second.size());
  EXPECT_TRUE(ParseSameFlow(head, bytes, HeadOf(first), facts, &next));
  EXPECT_EQ(next, bytes);
  // Its IP header speaks of more than there is.
  EXPECT_FALSE(ParseSameFlow(head, bytes - 1, HeadOf(first), facts, &next));
  const FrameHead other = HeadOf(MakeFrame({.dst_port = 2001, .payload = Bytes(900, 2)}));
  EXPECT_FALSE(ParseSameFlow(other, bytes, HeadOf(first), facts, &next));
}

// Who tells flows apart by the first bytes behind the IP header would take these for one.
TEST(PlainFrame, AhIsNotPlainForItsIndexStandsFurtherOn) {
  for (const char* address : {"10.0.0.1", "fd00::1"}) {
    const Bytes frame = MakeFrame({.src_ip = address, .dst_ip = address, .protocol = 51});
    PlainFacts facts;
    device::FlowKey key;
    EXPECT_FALSE(ParsePlain(HeadOf(frame), static_cast<uint32_t>(frame.size()), &facts, &key));
    const Bytes esp = MakeFrame({.src_ip = address, .dst_ip = address, .protocol = 50});
    EXPECT_TRUE(ParsePlain(HeadOf(esp), static_cast<uint32_t>(esp.size()), &facts, &key));
    EXPECT_EQ(SpiOf(key), 0x01020304u);
  }
}

TEST(PlainFrame, SumsOfPartsAtAnyDistance) {
  std::mt19937 random(5);
  for (int i = 0; i < 500; ++i) {
    Bytes bytes(4 + random() % 3000);
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random());
    // The whole with its checksum in front is good.
    bytes[0] = bytes[1] = 0;
    const auto sum = static_cast<uint16_t>(~testing::PlainSum(bytes));
    bytes[0] = static_cast<uint8_t>(sum >> 8);
    bytes[1] = static_cast<uint8_t>(sum);
    const size_t cut = random() % bytes.size();
    RawSum parts;
    parts.Add(bytes.data(), cut, 0);
    parts.Add(bytes.data() + cut, bytes.size() - cut, cut);
    ASSERT_TRUE(parts.IsGood()) << i;
    RawSum few;
    few.AddShort(bytes.data(), bytes.size());
    ASSERT_TRUE(few.IsGood()) << i;
    bytes[random() % bytes.size()] ^= 0x10;
    RawSum broken;
    broken.AddShort(bytes.data(), bytes.size());
    ASSERT_FALSE(broken.IsGood()) << i;
  }
}

#if defined(__x86_64__)
TEST(PlainFrame, HashByProductsIsTheHashByTables) {
  std::mt19937 random(9);
  RssKey key;
  for (uint8_t& byte : key) byte = static_cast<uint8_t>(random());
  const Toeplitz toeplitz(key);
  if (!toeplitz.multiplies()) GTEST_SKIP() << "this CPU has no carry-less multiplication";
  for (int i = 0; i < 1000; ++i) {
    Bytes input(4 * (1 + random() % (Toeplitz::kMaxInputBytes / 4)));
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random());
    ASSERT_EQ(toeplitz.HashByProducts(input), toeplitz.HashByTables(input));
  }
}
#endif

class PlainFrames : public NicPair {};

TEST_F(PlainFrames, AFrameThatChangesIsSteeredByWhatWasReadOnce) {
  auto sender = Sender();
  auto first = Open(right(), {.lease = 1, .rx_queues = {0}});
  auto second = Open(right(), {.lease = 2, .rx_queues = {1}});
  ASSERT_TRUE(right().AddRule(UdpPortRule(0, 1, 0)).ok());
  ASSERT_TRUE(right().AddRule(UdpPortRule(1, 2, 1)).ok());
  // Both rings have met their descriptors: from here on frames go in bursts.
  FrameSpec spec = ToRight();
  spec.payload = Bytes(100, 0);
  for (uint16_t port = 1; port <= 2; ++port) {
    spec.dst_port = port;
    ASSERT_TRUE(sender->Send(0, MakeFrame(spec)));
    ASSERT_TRUE((port == 1 ? first : second)->Receive(0).has_value());
    ASSERT_TRUE(sender->AwaitSent(0));
  }
  spec.dst_port = 1;
  const Bytes frame = MakeFrame(spec);
  std::byte* const buffer = sender->region();
  std::memcpy(buffer, frame.data(), frame.size());
  std::atomic<bool> stop{false};
  std::thread changer([&] {
    uint8_t port = 1;
    while (!stop.load(std::memory_order_relaxed)) {
      port ^= 3;
      __atomic_store_n(reinterpret_cast<uint8_t*>(buffer) + 37, port, __ATOMIC_RELAXED);
    }
  });
  uint32_t got[2] = {0, 0};
  const absl::Time until = absl::Now() + absl::Seconds(1);
  while (absl::Now() < until) {
    uint32_t pushed = 0;
    while (pushed < 16 && sender->tx(0).Push(dataplane::Iova(NicClient::kIova),
                                             static_cast<uint32_t>(frame.size()),
                                             pushed) == dataplane::PushResult::kPushed) {
      ++pushed;
    }
    if (sender->tx(0).Publish()) sender->Wake();
    for (uint32_t arrived = 0; arrived < pushed;) {
      for (const auto& [client, port] : {std::pair(first.get(), 1), std::pair(second.get(), 2)}) {
        while (const auto received = client->Receive(0, absl::ZeroDuration())) {
          ++arrived;
          ++got[port - 1];
          // What it was steered by is what arrived.
          ASSERT_EQ(received->bytes.size(), frame.size());
          EXPECT_EQ(received->bytes[37], port);
        }
      }
      if (absl::Now() > until + absl::Seconds(5)) break;
    }
    std::array<uint32_t, 16> cookies;
    const absl::Time patience = absl::Now() + absl::Seconds(5);
    for (uint32_t back = 0; back < pushed && absl::Now() < patience;) {
      back += sender->tx(0).Reclaim(cookies);
    }
  }
  stop = true;
  changer.join();
  EXPECT_GT(got[0], 0u);
  EXPECT_GT(got[1], 0u);
  const device::DeviceCounters counters = right().ReadCounters();
  EXPECT_EQ(counters.rx[0].packets + counters.rx[1].packets, got[0] + got[1] + 2);
  EXPECT_TRUE(first->CanariesWhole() && second->CanariesWhole());
}

}  // namespace
}  // namespace qsplit::softnic
