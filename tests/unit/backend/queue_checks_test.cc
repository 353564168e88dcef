#include "daemon/backend/common/queue_checks.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

#include "tests/support/sample_layouts.h"

namespace qsplit::backend {
namespace {

using absl::StatusCode;
using ::testing::HasSubstr;

using Queues = std::vector<uint32_t>;

device::QueueRequest Request(Queues rx, Queues tx) {
  return {.lease = 7,
          .layout = layout::testing::SimpleLayout(),
          .rx_queues = std::move(rx),
          .tx_queues = std::move(tx)};
}

absl::Status Numbers(Queues rx, Queues tx) {
  device::DeviceInfo info;
  info.rx_queues = 4;
  info.tx_queues = 2;
  return CheckQueueNumbers(Request(std::move(rx), std::move(tx)), info);
}

absl::Status Apart(Queues rx, Queues tx, device::LeaseId open = 8) {
  return CheckApart(Request(std::move(rx), std::move(tx)), open, Queues{1, 2}, Queues{0});
}

void ExpectSays(const absl::Status& status, StatusCode code, const char* words) {
  EXPECT_EQ(status.code(), code);
  EXPECT_THAT(std::string(status.message()), HasSubstr(words));
}

TEST(QueueChecks, QueuesAreTheDevicesAndAscend) {
  EXPECT_TRUE(Numbers({0, 1, 3}, {0, 1}).ok());
  EXPECT_TRUE(Numbers({}, {1}).ok());
  ExpectSays(Numbers({}, {}), StatusCode::kInvalidArgument, "no queue");
  ExpectSays(Numbers({3, 4}, {}), StatusCode::kInvalidArgument,
             "receive queue 4; the device has 4");
  ExpectSays(Numbers({0}, {2}), StatusCode::kInvalidArgument, "transmit queue 2; the device has 2");
  ExpectSays(Numbers({0}, {1, 0}), StatusCode::kInvalidArgument, "transmit queues must be in");
  ExpectSays(Numbers({1, 1}, {}), StatusCode::kInvalidArgument, "ascending order");
}

TEST(QueueChecks, NoTwoLeasesHaveAQueueOrANumber) {
  EXPECT_TRUE(Apart({0, 3}, {1}).ok());
  ExpectSays(Apart({0, 2, 3}, {}), StatusCode::kResourceExhausted, "receive queue 2 is taken");
  ExpectSays(Apart({0}, {0, 1}), StatusCode::kResourceExhausted, "transmit queue 0 is taken");
  ExpectSays(Apart({0}, {}, 7), StatusCode::kAlreadyExists, "lease 7 has queues already");
}

}  // namespace
}  // namespace qsplit::backend
