// Which leases are copied for: what a driver lacks of transmit metadata with zero copy.
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
  options.zero_copy = true;
  return options;
}

TEST(ZeroCopy, ANicThatHasAllOfItCopiesForNobody) {
  for (const bool metadata : {false, true}) {
    EXPECT_TRUE(*ChooseZeroCopy(Request(metadata, metadata), Nic()));
  }
  device::QueueRequest sends = Request(true, true);
  sends.rx_queues.clear();
  EXPECT_FALSE(*ChooseZeroCopy(sends, Nic())) << "the queue's receive side would go along";
}

TEST(ZeroCopy, WithoutTimesOnlyThoseWhoWantThemAreCopiedFor) {
  SocketOptions options = Nic();
  options.no_zero_copy_times = "the driver x notes no times";
  EXPECT_TRUE(*ChooseZeroCopy(Request(false, false), options));
  EXPECT_TRUE(*ChooseZeroCopy(Request(true, false), options));
  EXPECT_FALSE(*ChooseZeroCopy(Request(true, true), options));
}

TEST(ZeroCopy, WithoutSumsAllWithMetadataAreCopiedFor) {
  SocketOptions options = Nic();
  options.no_zero_copy_metadata = "the driver x fills in no sums";
  EXPECT_TRUE(*ChooseZeroCopy(Request(false, false), options));
  EXPECT_FALSE(*ChooseZeroCopy(Request(true, false), options));
  EXPECT_FALSE(*ChooseZeroCopy(Request(true, true), options));
}

TEST(ZeroCopy, WhereItIsInsistedUponWhatLacksIsRefusedByName) {
  SocketOptions options = Nic();
  options.zero_copy_always = true;
  options.no_zero_copy_times = "the driver x notes no times";
  EXPECT_TRUE(*ChooseZeroCopy(Request(true, false), options));
  const absl::Status times = ChooseZeroCopy(Request(true, true), options).status();
  EXPECT_EQ(times.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(times.message()), HasSubstr("timestamp of packets that are sent"));
  EXPECT_THAT(std::string(times.message()), HasSubstr("the driver x notes no times"));
  options.no_zero_copy_metadata = "the driver x fills in no sums";
  const absl::Status sums = ChooseZeroCopy(Request(true, true), options).status();
  EXPECT_EQ(sums.code(), absl::StatusCode::kUnimplemented);
  EXPECT_THAT(std::string(sums.message()), HasSubstr("Metadata=on"));
}

}  // namespace
}  // namespace qsplit::af_xdp
