// When packets left, over every compiled spec whose devices say it in memory: in completions, or
// over the request.
#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane {
namespace {

using testing::AllTxCases;
using testing::Random;
using testing::RandomSegments;
using testing::TxCase;
using testing::TxRig;

constexpr TxRequest kTimed = {.wants = TxFeature::kTimestamp};

// Only those; which they are is a test of its own.
std::vector<TxCase> TimedCases() {
  std::vector<TxCase> timed;
  for (const TxCase& one : AllTxCases()) {
    const TxRig rig(one);
    if (rig.status.ok() && rig.driver->ReturnsTimes()) timed.push_back(one);
  }
  return timed;
}

TEST(TxTimes, WhichLayoutsReturnThem) {
  std::set<std::string> names;
  for (const TxCase& one : TimedCases()) names.insert(std::string(one.layout->name()));
  EXPECT_EQ(names, (std::set<std::string>{"amazon.ena", "linux.af_xdp", "mellanox.mlx4",
                                          "mellanox.mlx5", "nxp.enetc"}));
}

TEST(TxTimes, ATimeThatGoesToARegisterDoesNotComeBack) {
  for (const TxCase& one : AllTxCases()) {
    const std::string_view name = one.layout->name();
    if (name != "intel.igb.advanced" && name != "intel.i40e") continue;
    TxRig rig(one);
    ASSERT_TRUE(rig.status.ok()) << rig.status;
    EXPECT_TRUE(rig.driver->Supports(TxFeature::kTimestamp)) << name;
    EXPECT_FALSE(rig.driver->ReturnsTimes()) << name;
    TxTime time;
    EXPECT_EQ(rig.driver->TakeTimes(std::span(&time, 1)), 0u);
  }
}

class TimedTx : public ::testing::TestWithParam<TxCase> {
 protected:
  explicit TimedTx(TxOptions options = {}) : rig_(GetParam(), 64, options) {}

  void Push(const TxRequest& request, uint32_t cookie, uint32_t segments = 1) {
    ASSERT_EQ(rig_.driver->Push(RandomSegments(rig_, random_, segments), request, cookie),
              PushResult::kPushed);
  }
  // Completes all that is published, the first at `time_ns`, the others each 10 ns later.
  void Send(uint64_t time_ns) {
    TxWork work;
    for (; rig_.device->Fetch(&work) == RingFault::kNone; time_ns += 10) {
      rig_.device->Complete(work.handle, time_ns);
    }
  }
  std::vector<TxTime> TakeAll() {
    std::vector<TxTime> all(1000);
    all.resize(rig_.driver->TakeTimes(all));
    return all;
  }

  TxRig rig_;
  Random random_{7};
};

TEST_P(TimedTx, APacketThatAsksGetsItsTimeOnce) {
  const uint32_t most = std::min(rig_.driver->MaxSegments(), 3u);
  for (uint32_t pass = 0; pass < 200; ++pass) {
    Push(kTimed, pass, 1 + pass % most);
    rig_.driver->Publish();
    TxWork work;
    ASSERT_EQ(rig_.device->Fetch(&work), RingFault::kNone);
    EXPECT_TRUE(work.wants_time);
    EXPECT_TRUE(TakeAll().empty());
    rig_.device->Complete(work.handle, 5000 + pass);
    EXPECT_TRUE(TakeAll().empty()) << "not back yet";
    ASSERT_EQ(rig_.ReclaimAll(), std::vector<uint32_t>{pass});
    ASSERT_EQ(TakeAll(), (std::vector<TxTime>{{pass, 5000 + pass}}));
    ASSERT_TRUE(TakeAll().empty());
  }
}

TEST_P(TimedTx, APacketThatDoesNotAskGetsNone) {
  for (uint32_t cookie = 0; cookie < 10; ++cookie) Push(cookie % 2 ? kTimed : TxRequest{}, cookie);
  rig_.driver->Publish();
  Send(100);
  EXPECT_EQ(rig_.ReclaimAll().size(), 10u);
  EXPECT_EQ(TakeAll(), (std::vector<TxTime>{{1, 110}, {3, 130}, {5, 150}, {7, 170}, {9, 190}}));
}

// Of those that fill in sums.
class SummedTimedTx : public TimedTx {};
std::vector<TxCase> SummedTimedCases() {
  std::vector<TxCase> cases = TimedCases();
  std::erase_if(cases, [](const TxCase& one) {
    return !TxRig(one).driver->Supports(TxFeature::kL4Checksum);
  });
  return cases;
}

TEST_P(SummedTimedTx, AChecksumCanBeAskedForAsWell) {
  TxRequest both = {.wants = TxFeature::kTimestamp | TxFeature::kL4Checksum,
                    .l3 = L3Kind::kIp4,
                    .l4 = L4Kind::kUdp,
                    .l2_header_bytes = 14,
                    .l3_header_bytes = 20};
  ASSERT_TRUE(rig_.driver->Supports(both));
  Push(both, 5);
  rig_.driver->Publish();
  TxWork work;
  ASSERT_EQ(rig_.device->Fetch(&work), RingFault::kNone);
  EXPECT_TRUE(work.request.wants.Has(TxFeature::kL4Checksum));
  EXPECT_TRUE(work.wants_time);
  rig_.device->Complete(work.handle, 77);
  rig_.ReclaimAll();
  EXPECT_EQ(TakeAll(), (std::vector<TxTime>{{5, 77}}));
}

TEST_P(TimedTx, AnyValueIsOnlyANumber) {
  Push(kTimed, 3);
  rig_.driver->Publish();
  Send(UINT64_MAX);
  rig_.ReclaimAll();
  const std::vector<TxTime> times = TakeAll();
  ASSERT_EQ(times.size(), 1u);
  EXPECT_GE(times[0].time_ns, UINT32_MAX) << "as much of it as the field holds";
}

TEST_P(TimedTx, TimesThatNobodyTakesGiveWayToNewerOnes) {
  for (uint32_t cookie = 0; cookie < 1000; ++cookie) {
    Push(kTimed, cookie);
    rig_.driver->Publish();
    Send(cookie);
    rig_.ReclaimAll();
  }
  const std::vector<TxTime> times = TakeAll();
  ASSERT_GE(times.size(), 16u);
  ASSERT_LE(times.size(), rig_.driver->Capacity());
  for (size_t i = 0; i < times.size(); ++i) {
    EXPECT_EQ(times[i].cookie, 1000 - times.size() + i);
    EXPECT_EQ(times[i].time_ns, times[i].cookie);
  }
}

// Where one completion stands for many packets, a packet that asks gets one of its own.
class RarelyReportedTx : public TimedTx {
 protected:
  RarelyReportedTx() : TimedTx({.report_every = 1000000}) {}
};

TEST_P(RarelyReportedTx, APacketThatAsksIsReported) {
  for (uint32_t cookie = 0; cookie < 12; ++cookie) {
    Push(cookie % 3 == 1 ? kTimed : TxRequest{}, cookie);
  }
  rig_.driver->Publish();
  Send(1000);
  EXPECT_EQ(rig_.ReclaimAll().size(), 12u);
  EXPECT_EQ(TakeAll(), (std::vector<TxTime>{{1, 1010}, {4, 1040}, {7, 1070}, {10, 1100}}));
}

INSTANTIATE_TEST_SUITE_P(Layouts, TimedTx, ::testing::ValuesIn(TimedCases()),
                         [](const auto& tested) { return tested.param.name; });
INSTANTIATE_TEST_SUITE_P(Layouts, SummedTimedTx, ::testing::ValuesIn(SummedTimedCases()),
                         [](const auto& tested) { return tested.param.name; });
INSTANTIATE_TEST_SUITE_P(Layouts, RarelyReportedTx, ::testing::ValuesIn(TimedCases()),
                         [](const auto& tested) { return tested.param.name; });

// The answer over the request, in memory that both sides write.
class AnsweredTx : public TimedTx {
 protected:
  TxWork PushOne(const TxRequest& request, std::vector<TxSegment>* segments) {
    *segments = RandomSegments(rig_, random_, 1);
    EXPECT_EQ(rig_.driver->Push(*segments, request, 9), PushResult::kPushed);
    rig_.driver->Publish();
    TxWork work;
    EXPECT_EQ(rig_.device->Fetch(&work), RingFault::kNone);
    return work;
  }
  // Whatever the device wrote gives way to these bytes, as with a device that says nothing.
  void CompleteWith(const TxWork& work, std::byte* at, std::span<const std::byte> bytes) {
    rig_.device->Complete(work.handle, 4711);
    std::copy(bytes.begin(), bytes.end(), at);
    EXPECT_EQ(rig_.ReclaimAll().size(), 1u);
  }
};

TEST_P(AnsweredTx, ARequestThatNobodyAnsweredIsNoTime) {
  TxRequest both = {.wants = TxFeature::kTimestamp | TxFeature::kL4Checksum,
                    .l3 = L3Kind::kIp4,
                    .l4 = L4Kind::kTcp,
                    .l2_header_bytes = 14,
                    .l3_header_bytes = 20};
  for (const TxRequest& request : {kTimed, both}) {
    std::vector<TxSegment> segments;
    const TxWork work = PushOne(request, &segments);
    std::byte* const at = segments[0].memory - rig_.driver->BytesBefore();
    const std::vector<std::byte> asked(at, segments[0].memory);
    CompleteWith(work, at, asked);
    EXPECT_EQ(TakeAll(), (std::vector<TxTime>{{9, std::nullopt}}));
  }
}

TEST_P(AnsweredTx, TheDeviceWritesTheTimeAndNothingElse) {
  std::vector<TxSegment> segments;
  const TxWork work = PushOne(kTimed, &segments);
  std::byte* const at = segments[0].memory - rig_.driver->BytesBefore();
  // linux/if_xdp.h, struct xsk_tx_metadata: flags, then the answer, then the launch time.
  ASSERT_EQ(rig_.driver->BytesBefore(), 24u);
  std::vector<std::byte> asked(at - 8, at + 24 + segments[0].bytes);
  rig_.device->Complete(work.handle, 0x1122334455667788);
  std::vector<std::byte> answered(at - 8, at + 24 + segments[0].bytes);
  EXPECT_EQ(answered[16], std::byte{0x88});
  EXPECT_EQ(answered[23], std::byte{0x11});
  std::fill_n(answered.begin() + 16, 8, std::byte{0});
  EXPECT_EQ(answered, asked);
}

TEST_P(AnsweredTx, AnAnswerIsReadWhenThePacketIsBack) {
  std::vector<TxSegment> segments;
  const TxWork work = PushOne(kTimed, &segments);
  std::byte* const at = segments[0].memory - rig_.driver->BytesBefore();
  const std::vector<std::byte> noise(24, std::byte{0xa5});
  CompleteWith(work, at, noise);
  std::fill_n(at, 24, std::byte{0});
  EXPECT_EQ(TakeAll(), (std::vector<TxTime>{{9, 0xa5a5a5a5a5a5a5a5}}));
}

std::vector<TxCase> AnsweredCases() {
  std::vector<TxCase> answered;
  for (const TxCase& one : TimedCases()) {
    if (TxRig(one).driver->BytesBefore() != 0) answered.push_back(one);
  }
  return answered;
}
INSTANTIATE_TEST_SUITE_P(Layouts, AnsweredTx, ::testing::ValuesIn(AnsweredCases()),
                         [](const auto& tested) { return tested.param.name; });

}  // namespace
}  // namespace qsplit::dataplane
