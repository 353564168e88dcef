#include "daemon/lease/queue_pick.h"

#include <gtest/gtest.h>

#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using Queues = std::vector<uint32_t>;

v1::ErrorReason ReasonOf(const absl::Status& status) {
  return policy::DetailOf(status).value_or(v1::ErrorDetail()).reason();
}

TEST(PickQueues, TakesTheLowestFreeOnes) {
  EXPECT_EQ(PickQueues({false, 2, {}}, {true, false, true, false, false}).value(), (Queues{1, 3}));
  EXPECT_EQ(PickQueues({false, 0, {}}, {true}).value(), Queues{});
}

TEST(PickQueues, TakesTheLastChoicesWhereThereAreNotEnoughOthers) {
  const std::vector<bool> taken = {false, false, false, true};
  EXPECT_EQ(PickQueues({false, 1, {}}, taken, {true}).value(), (Queues{1}));
  EXPECT_EQ(PickQueues({false, 2, {}}, taken, {true, false}).value(), (Queues{1, 2}));
  EXPECT_EQ(PickQueues({false, 3, {}}, taken, {true, false}).value(), (Queues{0, 1, 2}));
  EXPECT_EQ(PickQueues({false, 1, 0}, taken, {true}).value(), (Queues{0}));
}

TEST(PickQueues, TakesThoseOfTheThreadsThatHaveTheFewest) {
  const std::vector<bool> none(6, false);
  const std::vector<uint32_t> by_turns = {0, 1, 2, 0, 1, 2};
  // Thread 1 has the fewest; then thread 2 has as many, and the lower queue.
  EXPECT_EQ(PickQueues({false, 1, {}}, none, {}, {by_turns, {4, 1, 2}}).value(), (Queues{1}));
  EXPECT_EQ(PickQueues({false, 2, {}}, none, {}, {by_turns, {4, 1, 2}}).value(), (Queues{1, 2}));
  EXPECT_EQ(PickQueues({false, 3, {}}, none, {}, {by_turns, {4, 1, 2}}).value(), (Queues{1, 2, 4}));
  // Of one lease over them all.
  EXPECT_EQ(PickQueues({false, 3, {}}, none, {}, {{0, 0, 1, 1, 2, 2}, {}}).value(),
            (Queues{0, 2, 4}));
  // What is free decides before that, and what is a last choice.
  EXPECT_EQ(
      PickQueues({true, 1, {}}, {false, true, true, false, true, true}, {}, {by_turns, {9, 0, 0}})
          .value(),
      (Queues{0}));
  EXPECT_EQ(PickQueues({true, 1, {}}, none, {false, true, false, false, true, false},
                       {by_turns, {4, 1, 2}})
                .value(),
            (Queues{2}));
  // Who names one gets it.
  EXPECT_EQ(PickQueues({false, 2, 0}, none, {}, {by_turns, {4, 1, 2}}).value(), (Queues{0, 1}));
}

TEST(PickQueues, FollowOneAnotherFromTheFirst) {
  EXPECT_EQ(PickQueues({true, 2, 1}, {false, false, false, true}).value(), (Queues{1, 2}));
  const absl::Status taken = PickQueues({true, 3, 1}, {false, false, false, true}).status();
  EXPECT_EQ(ReasonOf(taken), v1::ERROR_REASON_QUEUE_TAKEN);
  EXPECT_EQ(policy::DetailOf(taken)->value(), "3");
  EXPECT_EQ(policy::DetailOf(taken)->field(), "first_tx_queue");
}

TEST(PickQueues, AllMeansAll) {
  EXPECT_EQ(PickQueues({false, kAllQueues, {}}, {false, false}).value(), (Queues{0, 1}));
  EXPECT_EQ(ReasonOf(PickQueues({false, kAllQueues, {}}, {false, true}).status()),
            v1::ERROR_REASON_NO_FREE_QUEUE);
  EXPECT_EQ(ReasonOf(PickQueues({false, kAllQueues, 1}, {false, false}).status()),
            v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(PickQueues({false, kAllQueues, {}}, {}).status()),
            v1::ERROR_REASON_OUT_OF_RANGE);
}

TEST(PickQueues, RefusesWhatIsNotThere) {
  const std::vector<bool> four(4, false);
  EXPECT_EQ(ReasonOf(PickQueues({false, 5, {}}, four).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(PickQueues({false, 1, 4}, four).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(PickQueues({false, 3, 2}, four).status()), v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(PickQueues({false, 2, 0xffffffff}, four).status()),
            v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(PickQueues({false, 0xfffffffe, 3}, four).status()),
            v1::ERROR_REASON_OUT_OF_RANGE);
  EXPECT_EQ(ReasonOf(PickQueues({false, 4, {}}, {true, false, false, false}).status()),
            v1::ERROR_REASON_NO_FREE_QUEUE);
}

}  // namespace
}  // namespace qsplit::lease
