// A netdev as a device, without the daemon; and a NIC with ntuple filters behind its ethtool
// ioctls, which is not there.
#ifndef QSPLIT_TESTS_NETNS_AF_XDP_DEVICE_FIXTURE_H_
#define QSPLIT_TESTS_NETNS_AF_XDP_DEVICE_FIXTURE_H_

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <memory>
#include <sstream>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/backend/af_xdp/af_xdp_device.h"
#include "daemon/device/held_queue.h"
#include "tests/netns/af_xdp/veth_fixture.h"
#include "tests/support/fake_ethtool_nic.h"
#include "tests/support/udp_rule.h"

namespace qsplit::af_xdp {

inline constexpr uint64_t kRegionBytes = 1 << 20;

inline layout::VerifiedLayout AfXdpLayout() {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/linux.af_xdp.layout", std::ios::binary);
  std::stringstream bytes;
  bytes << file.rdbuf();
  return layout::VerifiedLayout::FromBytes(bytes.str()).value();
}

// As the broker does.
inline absl::StatusOr<device::Grant> OpenSoon(AfXdpDevice& device,
                                              const device::QueueRequest& request) {
  absl::StatusOr<device::Grant> grant = device.OpenQueues(request);
  for (int i = 0; i < 1000 && device::HeldQueueOf(grant.status()); ++i) {
    absl::SleepFor(absl::Milliseconds(2));
    grant = device.OpenQueues(request);
  }
  return grant;
}

class AfXdpDeviceTest : public test::VethFixture {
 protected:
  std::unique_ptr<AfXdpDevice> Make(AfXdpConfig config = {}, bool with_nic = false) {
    config.name = "eth";
    config.netdev = kNetdev;
    config.netns = netns();
    config.layouts = {AfXdpLayout()};
    auto device =
        AfXdpDevice::Create(std::move(config), *journal_, with_nic ? nic_.Wire() : nullptr,
                            [this](const std::string& name, const absl::Status& status) {
                              troubles_.push_back(absl::StrCat(name, ": ", status.message()));
                            });
    EXPECT_TRUE(device.ok()) << device.status();
    return device.ok() ? *std::move(device) : nullptr;
  }
  static device::QueueRequest Request(device::LeaseId lease, std::vector<uint32_t> rx,
                                      std::vector<uint32_t> tx) {
    device::QueueRequest request{.lease = lease, .layout = AfXdpLayout()};
    request.features.assign(2, 0);
    request.rx_queues = std::move(rx);
    request.tx_queues = std::move(tx);
    request.rx_slots = request.tx_slots = 64;
    request.protection = device::Protection::kKernel;
    request.holder_pid = ::getpid();
    auto fd = std::make_shared<linux_sys::OwnedFd>(::memfd_create("region", MFD_CLOEXEC));
    EXPECT_EQ(::ftruncate(fd->get(), kRegionBytes), 0);
    request.regions = {{.region = 1, .memory = fd, .length_bytes = kRegionBytes}};
    return request;
  }

  uint32_t Channels() {
    const auto link = linux_sys::EthtoolLink::Open(netns(), kNetdev);
    const auto channels = link.ok() ? (*link)->GetChannels() : link.status();
    return channels.ok() ? channels->now.rx_queues() : 0;
  }
  std::string JournalText() {
    std::ifstream file(dir_ / "journal", std::ios::binary);
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::vector<std::string> troubles_;
  test::FakeEthtoolNic nic_{{.netdev = kNetdev, .queues = 4, .rule_slots = 16}};
  // Another program that has the NIC.
  std::unique_ptr<linux_sys::EthtoolLink> Admin() {
    return linux_sys::EthtoolLink::Open(netns(), kNetdev, nic_.Wire()).value();
  }
};

inline device::FlowRule UdpTo(uint32_t location, uint32_t queue) {
  return qsplit::testing::UdpPortRule(location, static_cast<uint16_t>(4242 + location), queue);
}

inline const device::QueueCheck* Find(const std::vector<device::QueueCheck>& checks,
                                      std::string_view subject) {
  const auto found = std::ranges::find(checks, subject, &device::QueueCheck::subject);
  return found == checks.end() ? nullptr : &*found;
}

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_TESTS_NETNS_AF_XDP_DEVICE_FIXTURE_H_
