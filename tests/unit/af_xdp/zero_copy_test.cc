// Which leases are copied for, and why: buffers, and what a driver lacks with zero copy.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "daemon/backend/af_xdp/socket_lease.h"

namespace qsplit::af_xdp {
namespace {

using ::testing::HasSubstr;

layout::VerifiedLayout AfXdpLayout() {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/linux.af_xdp.layout", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return layout::VerifiedLayout::FromBytes(bytes.str()).value();
}

TEST(CheckBusyPoll, IsRefusedWhereTheKernelHasNone) {
  EXPECT_TRUE(CheckBusyPoll(0, {.busy_poll = false}).ok());
  EXPECT_TRUE(CheckBusyPoll(20, {.busy_poll = true}).ok());
  const absl::Status status = CheckBusyPoll(20, {.busy_poll = false});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(status.message(), HasSubstr("busy_poll = 20"));
}

// A lease of one pair; with metadata in front of what it sends.
device::QueueRequest Request(bool metadata, bool times) {
  device::QueueRequest request{.layout = AfXdpLayout()};
  request.rx_queues = request.tx_queues = {0};
  request.wants_transmit_times = times;
  for (const v1::Feature& feature : request.layout.message().features()) {
    request.features.push_back(feature.name() == "Metadata" && metadata ? 1 : 0);
  }
  return request;
}

SocketOptions Nic() {
  SocketOptions options;
  options.zero_copy_multi_buffer = true;
  return options;
}

std::string Why(const device::QueueRequest& request, const SocketOptions& options) {
  return WhyCopied(request, options).value();
}

TEST(ZeroCopy, ANicThatHasAllOfItCopiesForNobodyWhoReceives) {
  for (const bool metadata : {false, true}) {
    EXPECT_EQ(Why(Request(metadata, metadata), Nic()), "");
  }
  device::QueueRequest sends = Request(true, true);
  sends.rx_queues.clear();
  EXPECT_THAT(Why(sends, Nic()), HasSubstr("does not receive"))
      << "the queue's receive side would go along";
}

TEST(ZeroCopy, WhyTheNetdevCopiesIsWhyItsLeasesAreCopiedFor) {
  SocketOptions options = Nic();
  options.copy_reason = "the driver x has no zero copy";
  EXPECT_EQ(Why(Request(false, false), options), options.copy_reason);
}

TEST(ZeroCopy, AFrameFitsOnlyIntoWholeKibibytesBehindTheKernelsPart) {
  EXPECT_FALSE(FrameFits(2048, 1500));
  EXPECT_TRUE(FrameFits(2048, 1002));
  EXPECT_FALSE(FrameFits(2048, 1003));
  EXPECT_TRUE(FrameFits(4096, 1500));
  EXPECT_TRUE(FrameFits(4096, 3050));
  EXPECT_FALSE(FrameFits(4096, 3051));
}

TEST(ZeroCopy, BuffersThatMayNotHoldAFrameAreCopiedInto) {
  SocketOptions options = Nic();
  options.zero_copy_multi_buffer = false;
  device::QueueRequest request = Request(false, false);
  EXPECT_THAT(Why(request, options), HasSubstr("MTU 1500"));
  options.mtu_bytes = 1000;
  EXPECT_EQ(Why(request, options), "");
  options.mtu_bytes = 1500;
  request.rx_buffer_bytes = 4096;
  EXPECT_EQ(Why(request, options), "");
  options.mtu_bytes = 9000;
  EXPECT_THAT(Why(request, options), HasSubstr("4096 bytes"));
  options.zero_copy_multi_buffer = true;
  EXPECT_EQ(Why(request, options), "") << "a frame has several";
}

TEST(ZeroCopy, WithoutTimesOnlyThoseWhoWantThemAreCopiedFor) {
  SocketOptions options = Nic();
  options.no_zero_copy_times = "the driver x notes no times";
  EXPECT_EQ(Why(Request(false, false), options), "");
  EXPECT_EQ(Why(Request(true, false), options), "");
  EXPECT_EQ(Why(Request(true, true), options), options.no_zero_copy_times);
}

TEST(ZeroCopy, WithoutSumsAllWithMetadataAreCopiedFor) {
  SocketOptions options = Nic();
  options.no_zero_copy_metadata = "the driver x fills in no sums";
  EXPECT_EQ(Why(Request(false, false), options), "");
  EXPECT_EQ(Why(Request(true, false), options), options.no_zero_copy_metadata);
  EXPECT_EQ(Why(Request(true, true), options), options.no_zero_copy_metadata);
}

TEST(ZeroCopy, WhereItIsInsistedUponWhatLacksIsRefusedByName) {
  SocketOptions options = Nic();
  options.zero_copy_always = true;
  options.no_zero_copy_times = "the driver x notes no times";
  EXPECT_EQ(Why(Request(true, false), options), "");
  const absl::Status times = WhyCopied(Request(true, true), options).status();
  EXPECT_EQ(times.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(times.message()), HasSubstr("timestamp of packets that are sent"));
  EXPECT_THAT(std::string(times.message()), HasSubstr("the driver x notes no times"));
  options.no_zero_copy_metadata = "the driver x fills in no sums";
  const absl::Status sums = WhyCopied(Request(true, true), options).status();
  EXPECT_EQ(sums.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(sums.message()), HasSubstr("Metadata=on"));
}

}  // namespace
}  // namespace qsplit::af_xdp
