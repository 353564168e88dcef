// Who sleeps, and who wakes whom: bells of clients that wait, a device that looks for work no more.
#include <gtest/gtest.h>
#include <poll.h>
#include <time.h>
#include <unistd.h>

#include "daemon/linux/eventfd.h"
#include "dataplane/barriers.h"
#include "tests/unit/softnic/nic_fixture.h"

namespace qsplit::softnic {
namespace {

// All that comes to the right NIC is for its queue 0.
class Waking : public NicPair {
 protected:
  void SetUp() override {
    NicPair::SetUp();
    ASSERT_TRUE(right().SetRss({std::vector<uint32_t>(128, 0), kDefaultRssKey}).ok());
  }
};

// A client that waits: asks for an event, looks once more, then sleeps on the bell.
TEST_F(Waking, TheBellRingsWhenAsked) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  const device::QueueGrant& queue = receiver->grant().rx[0];
  auto* const request = reinterpret_cast<uint32_t*>(receiver->At(*queue.event_request));
  pollfd waiting{.fd = receiver->EventFd(queue), .events = POLLIN, .revents = 0};
  const Bytes frame = MakeFrame(ToRight());
  for (int i = 0; i < 20; ++i) {
    __atomic_store_n(request, 1, __ATOMIC_RELAXED);
    dataplane::StoresBeforeLoads();
    ASSERT_EQ(::poll(&waiting, 1, 0), 0) << "rang without a packet";
    ASSERT_TRUE(sender->Send(0, frame));
    ASSERT_EQ(::poll(&waiting, 1, 2000), 1) << i;
    uint64_t rings = 0;
    ASSERT_EQ(::read(waiting.fd, &rings, sizeof rings), 8);
    EXPECT_EQ(__atomic_load_n(request, __ATOMIC_RELAXED), 0u);
    ASSERT_TRUE(receiver->Receive(0).has_value());
    // Not asked for, so it does not ring.
    ASSERT_TRUE(sender->Send(0, frame));
    ASSERT_TRUE(receiver->Receive(0).has_value());
    ASSERT_TRUE(sender->AwaitSent(0));
    ASSERT_EQ(::poll(&waiting, 1, 0), 0);
  }
  EXPECT_EQ(right().ReadCounters().rx[0].events, 20u);
}

TEST_F(Waking, ABellThatNobodyReadsHoldsNobodyUp) {
  auto bell = linux_sys::Bell::Create();
  ASSERT_TRUE(bell.ok());
  int rung = 0;
  while (rung < 100000 && linux_sys::RingBell(bell->ringer.get())) ++rung;
  EXPECT_GT(rung, 0);
  EXPECT_LT(rung, 100000);
  bell->listener.Reset();
  EXPECT_FALSE(linux_sys::RingBell(bell->ringer.get()));
}

TEST_F(Waking, ASleepingDeviceIsWoken) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  const device::RingGrant& ring = sender->grant().tx[0].rings[0];
  const auto* sleeping = reinterpret_cast<uint32_t*>(sender->At(*ring.need_wakeup));
  for (int i = 0; i < 20; ++i) {
    ASSERT_TRUE(Eventually([&] { return __atomic_load_n(sleeping, __ATOMIC_RELAXED) != 0; }));
    ASSERT_TRUE(sender->Send(0, MakeFrame(ToRight())));
    ASSERT_TRUE(receiver->Receive(0).has_value());
  }
  EXPECT_GT(left().ReadCounters().tx[0].wakeups, 0u);
  // And who does not wake it waits for the next look, not for ever.
  ASSERT_TRUE(Eventually([&] { return __atomic_load_n(sleeping, __ATOMIC_RELAXED) != 0; }));
  ASSERT_EQ(sender->tx(0).Push(dataplane::Iova(NicClient::kIova), 100, 0),
            dataplane::PushResult::kPushed);
  (void)sender->tx(0).Publish();
  EXPECT_TRUE(sender->AwaitSent(0, absl::Seconds(2)));
}

TEST_F(Waking, IdleQueuesCostNoCpu) {
  auto sender = Sender();
  auto receiver = Open(right(), {.lease = 1, .rx_queues = {0}, .join_rss = true});
  ASSERT_TRUE(sender->Send(0, MakeFrame(ToRight())));
  ASSERT_TRUE(receiver->Receive(0).has_value());
  absl::SleepFor(absl::Milliseconds(20));
  const auto used = [] {
    timespec time{};
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return absl::DurationFromTimespec(time);
  };
  const absl::Duration before = used();
  absl::SleepFor(absl::Milliseconds(500));
  // It looks every 10 ms, for 50 us.
  EXPECT_LT(used() - before, absl::Milliseconds(50));
}

}  // namespace
}  // namespace qsplit::softnic
