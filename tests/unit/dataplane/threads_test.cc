// Both sides at once, each in its thread, with packet bytes written and read without any other
// synchronisation than the rings: for the thread sanitizer, and for a count of what went through.
#include <gtest/gtest.h>

#include <thread>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane {
namespace {

using testing::NamedLayout;
using testing::TestRing;

constexpr uint32_t kPackets = 20000;
constexpr uint32_t kBufferBytes = 2048;

class Threads : public ::testing::TestWithParam<NamedLayout> {
 protected:
  const layout::VerifiedLayout& layout() { return *GetParam().layout; }
};
class RxThreads : public Threads {};
class TxThreads : public Threads {};

TEST_P(RxThreads, BytesWrittenBeforeACompletionAreSeenAfterIt) {
  const uint32_t said = testing::QueueBufferBytes(layout());
  TestRing ring(layout(), v1::DIRECTION_RECEIVE, 64);
  auto driver = *RxDriver::Create(layout(), ring.View(), {RxFields::All(), said});
  auto device = *RxDevice::Create(layout(), ring.View(), {said});
  // One word of each buffer; an iova is an index times the buffer's size.
  std::vector<uint64_t> memory(driver.Capacity());

  std::thread device_thread([&] {
    for (uint32_t i = 0; i < kPackets;) {
      PostedBuffer buffer;
      const RingFault fault = device.Fetch(&buffer);
      if (fault == RingFault::kEmpty) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(fault, RingFault::kNone);
      memory[buffer.address.value / kBufferBytes] = i;
      RxResult result;
      result.length = 60 + i % 1000;
      device.Complete(result);
      ++i;
    }
  });
  for (uint32_t i = 0; i < driver.Capacity(); ++i) {
    ASSERT_TRUE(driver.Post(Iova(uint64_t{i} * kBufferBytes), said, i));
  }
  driver.Publish();
  for (uint32_t i = 0; i < kPackets;) {
    RxCompletion done[16];
    const uint32_t count = driver.Poll(done);
    if (count == 0) std::this_thread::yield();
    for (uint32_t k = 0; k < count; ++k, ++i) {
      ASSERT_EQ(memory[done[k].cookie], i);
      ASSERT_EQ(done[k].length, 60 + i % 1000);
      driver.Post(Iova(uint64_t{done[k].cookie} * kBufferBytes), said, done[k].cookie);
    }
    driver.Publish();
  }
  device_thread.join();
}

TEST_P(TxThreads, BuffersAreSeenByTheDeviceAndComeBack) {
  TestRing ring(layout(), v1::DIRECTION_TRANSMIT, 64);
  auto driver = *TxDriver::Create(layout(), ring.View(), {7});
  auto device = *TxDevice::Create(layout(), ring.View(), {});
  std::vector<uint64_t> memory(driver.Capacity());
  std::vector<uint32_t> free;
  for (uint32_t i = 0; i < driver.Capacity(); ++i) free.push_back(i);

  std::thread device_thread([&] {
    for (uint32_t i = 0; i < kPackets;) {
      TxWork work;
      const RingFault fault = device.Fetch(&work);
      if (fault == RingFault::kEmpty) {
        std::this_thread::yield();
        continue;
      }
      ASSERT_EQ(fault, RingFault::kNone);
      uint64_t& word = memory[work.segments[0].address.value / kBufferBytes];
      ASSERT_EQ(word, i);
      word = ~uint64_t{0};  // writes, so that a buffer given back too early is a race
      device.Complete(work.handle);
      ++i;
    }
  });
  uint32_t back = 0;
  for (uint32_t sent = 0; back < kPackets;) {
    for (int burst = 0; burst < 8 && sent < kPackets && !free.empty(); ++burst) {
      const uint32_t buffer = free.back();
      memory[buffer] = sent;
      if (driver.Push(Iova(uint64_t{buffer} * kBufferBytes), 60, buffer) != PushResult::kPushed) {
        break;
      }
      free.pop_back();
      ++sent;
    }
    driver.Publish();
    uint32_t cookies[16];
    const uint32_t count = driver.Reclaim(cookies);
    if (count == 0) std::this_thread::yield();
    for (uint32_t i = 0; i < count; ++i) {
      ASSERT_EQ(memory[cookies[i]], ~uint64_t{0});
      free.push_back(cookies[i]);
    }
    back += count;
  }
  device_thread.join();
}

INSTANTIATE_TEST_SUITE_P(Layouts, RxThreads,
                         ::testing::ValuesIn(testing::LayoutsToDrive(v1::DIRECTION_RECEIVE)),
                         [](const auto& param) { return param.param.name; });
INSTANTIATE_TEST_SUITE_P(Layouts, TxThreads,
                         ::testing::ValuesIn(testing::LayoutsToDrive(v1::DIRECTION_TRANSMIT)),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane
