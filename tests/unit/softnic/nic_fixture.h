// Two software NICs on one wire, "left" and "right", for tests that need no privilege.
#ifndef QSPLIT_TESTS_UNIT_SOFTNIC_NIC_FIXTURE_H_
#define QSPLIT_TESTS_UNIT_SOFTNIC_NIC_FIXTURE_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "daemon/backend/softnic/softnic.h"
#include "tests/support/frames.h"
#include "tests/support/nic_client.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::softnic {

using qsplit::testing::Bytes;
using qsplit::testing::ClientOptions;
using qsplit::testing::FrameSpec;
using qsplit::testing::MakeFrame;
using qsplit::testing::NicClient;
using qsplit::testing::Received;

inline constexpr device::MacAddress kLeftMac = {0x02, 0, 0, 0, 0, 0x01};
inline constexpr device::MacAddress kRightMac = {0x02, 0, 0, 0, 0, 0x02};

// Whether `condition` comes true before `patience` is over.
inline bool Eventually(const std::function<bool()>& condition,
                       absl::Duration patience = absl::Seconds(5)) {
  const absl::Time until = absl::Now() + patience;
  while (!condition()) {
    if (absl::Now() > until) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return true;
}

// Collects a device's faults.
class FaultLog {
 public:
  explicit FaultLog(device::Device* device) : device_(device) {
    device->SetEvents({.fault = [this](const device::Fault& fault) {
      const std::lock_guard lock(mutex_);
      faults_.push_back(fault);
    }});
  }
  ~FaultLog() { device_->SetEvents({}); }
  std::vector<device::Fault> Await(size_t count) {
    Eventually([&] {
      const std::lock_guard lock(mutex_);
      return faults_.size() >= count;
    });
    const std::lock_guard lock(mutex_);
    return faults_;
  }

 private:
  device::Device* const device_;
  std::mutex mutex_;
  std::vector<device::Fault> faults_;
};

class NicPair : public ::testing::Test {
 protected:
  void SetUp() override {
    SoftNicConfig left;
    left.name = "left";
    left.mac = kLeftMac;
    left.layouts = {layout::testing::SimpleLayout(), layout::testing::BigLayout()};
    left.wire = PeerWire{"right"};
    SoftNicConfig right = left;
    right.name = "right";
    right.mac = kRightMac;
    right.wire = PeerWire{"left"};
    auto nics = SoftNic::CreateAll({left, right});
    ASSERT_TRUE(nics.ok()) << nics.status();
    nics_ = *std::move(nics);
  }

  SoftNic& left() { return *nics_[0]; }
  SoftNic& right() { return *nics_[1]; }

  std::unique_ptr<NicClient> Open(SoftNic& nic, const ClientOptions& options,
                                  const layout::VerifiedLayout& layout) {
    auto client = NicClient::Open(&nic, layout, options);
    // A device's thread that gets no CPU says that it is busy: device.h.
    for (int i = 0; i < 100 && absl::IsUnavailable(client.status()); ++i) {
      client = NicClient::Open(&nic, layout, options);
    }
    EXPECT_TRUE(client.ok()) << client.status();
    return client.ok() ? *std::move(client) : nullptr;
  }
  std::unique_ptr<NicClient> Open(SoftNic& nic, const ClientOptions& options) {
    return Open(nic, options, layout::testing::SimpleLayout());
  }
  // A client of left that sends by queue 0.
  std::unique_ptr<NicClient> Sender(device::LeaseId lease = 100) {
    return Open(left(), {.lease = lease, .tx_queues = {0}});
  }

  // Sends all of them by the client's first transmit queue, with one doorbell, and waits until it
  // has them back. No more than there are slots, of kFrameRoom bytes each.
  static constexpr uint32_t kFrameRoom = 2048;
  static void SendTogether(NicClient& client, const std::vector<qsplit::testing::Bytes>& frames) {
    for (uint32_t i = 0; i < frames.size(); ++i) {
      const uint64_t at = uint64_t{i} * kFrameRoom;
      std::ranges::copy(frames[i], reinterpret_cast<uint8_t*>(client.region() + at));
      ASSERT_EQ(client.tx(0).Push(dataplane::Iova(NicClient::kIova + at),
                                  static_cast<uint32_t>(frames[i].size()), i),
                dataplane::PushResult::kPushed);
    }
    if (client.tx(0).Publish()) client.Wake();
    std::array<uint32_t, 64> cookies;
    ASSERT_TRUE(Eventually([&] {
      client.tx(0).Reclaim(cookies);
      return client.tx(0).Outstanding() == 0;
    }));
  }

  static FrameSpec ToRight() { return {.dst = kRightMac}; }

  std::vector<std::unique_ptr<SoftNic>> nics_;
};

// A rule for a UDP destination port over IPv4.
inline device::FlowRule UdpPortRule(uint32_t location, uint16_t port, uint32_t queue) {
  device::FlowRule rule;
  rule.location = location;
  rule.match.type = device::FlowType::kUdp4;
  rule.match.value.ip_version = rule.match.mask.ip_version = 4;
  rule.match.value.l4_protocol = 17;
  rule.match.mask.l4_protocol = 0xff;
  rule.match.value.has_ports = rule.match.mask.has_ports = 1;
  rule.match.value.dst_port = port;
  rule.match.mask.dst_port = 0xffff;
  rule.action.queue = queue;
  return rule;
}

}  // namespace qsplit::softnic

#endif  // QSPLIT_TESTS_UNIT_SOFTNIC_NIC_FIXTURE_H_
