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
#include "daemon/backend/softnic/flow_cache.h"
#include "daemon/backend/softnic/packet.h"
#include "daemon/backend/softnic/plain_head.h"
#include "daemon/backend/softnic/toeplitz.h"
#include "tests/unit/softnic/nic_fixture.h"
#include "tests/unit/softnic/random_frames.h"

namespace qsplit::softnic {
namespace {

TEST(PlainFrame, HeadSaysWhatTheFrameSays) {
  std::mt19937 random(3);
  uint32_t plain = 0, same_flow = 0;
  FrameHead before{};
  PlainFacts facts_before;
  device::FlowKey key_before;
  bool has_before = false;
  for (int i = 0; i < 50'000; ++i) {
    const Bytes frame = RandomFrame(random);
    const FrameHead head = HeadOf(frame);
    const auto bytes = static_cast<uint32_t>(frame.size());
    Packet whole;
    ASSERT_TRUE(Parse(frame, &whole));
    PlainFacts facts;
    uint32_t l3_end = 0;
    device::FlowKey key;
    if (!ParsePlain(head, bytes, &facts, &l3_end, &key)) continue;
    ++plain;
    ASSERT_EQ(key, whole.key);
    ASSERT_EQ(facts.ip_version, whole.key.ip_version);
    ASSERT_EQ(facts.l4_protocol, whole.key.l4_protocol);
    ASSERT_EQ(facts.l3, whole.l3);
    ASSERT_EQ(facts.l4, whole.l4);
    ASSERT_EQ(L4Offset(facts.ip_version), whole.l4_offset);
    ASSERT_EQ(l3_end, whole.l3_end);
    ASSERT_FALSE(whole.fragment || whole.malformed_l3);
    OpenVerdict open = PlainHead(head).Verify(facts, l3_end);
    if (open.rest_bytes != 0) {
      ASSERT_LE(kHeadBytes + open.rest_bytes, bytes);
      open.sum.Add(frame.data() + kHeadBytes, open.rest_bytes, kHeadBytes);
    }
    const ChecksumVerdict verdict = open.Close();
    const ChecksumVerdict right = Verify(whole);
    ASSERT_EQ(verdict.l3, right.l3);
    ASSERT_EQ(verdict.l4, right.l4);
    uint32_t end = 0;
    const bool four = facts.ip_version == 4;
    ASSERT_EQ(PlainHead(head).IsIp4(), four);
    if (!(four ? PlainHead(head).IsWhole<true>(bytes, &end)
               : PlainHead(head).IsWhole<false>(bytes, &end))) {
      continue;
    }
    ASSERT_EQ(end, l3_end);
    if (has_before && (four ? PlainHead::AreAlike<true>(head, before)
                            : PlainHead::AreAlike<false>(head, before))) {
      ++same_flow;
      ASSERT_EQ(key, key_before);
      ASSERT_EQ(facts, facts_before);
    }
    before = head;
    facts_before = facts;
    key_before = key;
    has_before = true;
  }
  EXPECT_GT(plain, 1000u);
  EXPECT_GT(same_flow, 50u);
}

// Who tells flows apart by the first bytes behind the IP header would take these for one.
TEST(PlainFrame, AhIsNotPlainForItsIndexStandsFurtherOn) {
  for (const char* address : {"10.0.0.1", "fd00::1"}) {
    const Bytes frame = MakeFrame({.src_ip = address, .dst_ip = address, .protocol = 51});
    PlainFacts facts;
    uint32_t l3_end = 0;
    device::FlowKey key;
    const auto parse = [&](const Bytes& bytes) {
      return ParsePlain(HeadOf(bytes), static_cast<uint32_t>(bytes.size()), &facts, &l3_end, &key);
    };
    EXPECT_FALSE(parse(frame));
    const Bytes esp = MakeFrame({.src_ip = address, .dst_ip = address, .protocol = 50});
    EXPECT_TRUE(parse(esp));
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
    bytes[random() % bytes.size()] ^= 0x10;
    RawSum broken;
    broken.Add(bytes.data(), bytes.size(), 0);
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
