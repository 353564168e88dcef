// The igb drivers on an 82576 that somebody else emulates: igb_driver.py boots the guest, which
// runs this. Descriptors are written here by hand, so that only the driver is under test.
//
// The PF is with vfio-pci, a NIC of the kernel stands on the same wire: IGB_PF, IGB_GROUP,
// IGB_PEER. With IGB_VF and IGB_VF_GROUP the PF is the kernel's, and the VF is with vfio-pci.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/unit/vfio/igb/rules.h"
#include "tests/vm/igb_rig.h"

namespace qsplit::vfio {
namespace {

device::RssConfig Table(std::vector<uint32_t> pattern) {
  device::RssConfig config;
  for (size_t i = 0; i < 128; ++i) config.indirection.push_back(pattern[i % pattern.size()]);
  for (size_t i = 0; i < config.key.size(); ++i) config.key[i] = static_cast<uint8_t>(7 * i + 1);
  return config;
}

Nic MakePf() { return Nic(Env("IGB_PF"), Env("IGB_GROUP"), test::k82576, false, kToken); }

TEST(IgbOnVfio, SendsAndReceivesWithAnEventForEach) {
  Nic nic = MakePf();
  nic.Start();
  Ring rx(nic, false, 0), tx(nic, true, 5);
  nic.WaitForLink();
  EXPECT_EQ(nic.driver->Link().mbps, 1000u);
  EXPECT_GT(nic.Fired(nic.driver->OtherVector()), 0u);  // the link
  Peer peer;
  // What has no hash goes to queue 0.
  for (uint8_t mark = 1; mark <= 3; ++mark) {
    peer.Send(Plain(nic.driver->mac(), kPeerMac, mark));
    EXPECT_TRUE(rx.Gets(mark)) << int{mark};
    EXPECT_TRUE(
        Within(absl::Seconds(10), [&] { return nic.Fired(nic.driver->VectorOf(false, 0)) > 0; }))
        << "no event for packet " << int{mark};
  }
  for (uint8_t mark = 11; mark <= 13; ++mark) {
    EXPECT_TRUE(tx.Send(Plain(kBroadcast, nic.driver->mac(), mark)));
    EXPECT_TRUE(peer.Sees(mark));
    EXPECT_TRUE(
        Within(absl::Seconds(10), [&] { return nic.Fired(nic.driver->VectorOf(true, 5)) > 0; }))
        << "no event for completion " << int{mark};
  }
  device::DeviceCounters counters;
  nic.driver->ReadCounters(&counters);
  EXPECT_GE(counters.wire_rx_packets, 3u);
  EXPECT_GE(counters.wire_tx_packets, 3u);
  EXPECT_GE(counters.wire_tx_bytes, 300u);
  EXPECT_TRUE(rx.Stop().ok());
  EXPECT_TRUE(tx.Stop().ok());
}

TEST(IgbOnVfio, TakesTagsOut) {
  Nic nic = MakePf();
  nic.Start();
  Ring rx(nic, false, 0);
  nic.WaitForLink();
  Peer peer;
  peer.Send(Plain(nic.driver->mac(), kPeerMac, 9, 0x123));
  ASSERT_TRUE(rx.Gets(9));
  EXPECT_TRUE(rx.vlan_stripped());
  EXPECT_EQ(rx.vlan_tag(), 0x123u);
}

TEST(IgbOnVfio, FiltersByAddress) {
  Nic nic = MakePf();
  nic.Start();
  Ring rx(nic, false, 0);
  nic.WaitForLink();
  Peer peer;
  const MacAddress other = {0x02, 9, 9, 9, 9, 9}, group = {0x01, 0, 0x5e, 1, 2, 3};
  const auto arrives = [&](const MacAddress& to, uint8_t mark) {
    peer.Send(Plain(to, kPeerMac, mark));
    return rx.Gets(mark);
  };
  const auto arrives_not = [&](const MacAddress& to, uint8_t mark) {
    peer.Send(Plain(to, kPeerMac, mark));
    return rx.GetsNot(mark);
  };
  EXPECT_TRUE(arrives(kBroadcast, 1));
  EXPECT_TRUE(arrives_not(other, 2));
  EXPECT_TRUE(arrives_not(group, 3));
  device::DeviceSettings settings;
  settings.multicast = {group};
  ASSERT_TRUE(nic.driver->Set(settings).ok());
  EXPECT_TRUE(arrives(group, 4));
  settings = {};
  settings.promiscuous = true;
  ASSERT_TRUE(nic.driver->Set(settings).ok());
  EXPECT_TRUE(arrives(other, 5));
  settings.promiscuous = false;
  ASSERT_TRUE(nic.driver->Set(settings).ok());
  EXPECT_TRUE(arrives_not(other, 6));
}

TEST(IgbOnVfio, SpreadsByHashAndDropsWhatHasNoQueue) {
  Nic nic = MakePf();
  nic.Start();
  Ring one(nic, false, 3), two(nic, false, 14);
  nic.WaitForLink();
  Peer peer;
  // Nothing yet: all is dropped.
  peer.Send(Udp(nic.driver->mac(), 1000));
  EXPECT_FALSE(one.Receive(absl::Milliseconds(200)).has_value());
  ASSERT_TRUE(nic.driver->SetRss(Table({3, 14, device::kNoQueue, device::kNoQueue})).ok());
  int in_one = 0, in_two = 0;
  for (uint16_t port = 2000; port < 2040; ++port) peer.Send(Udp(nic.driver->mac(), port));
  // The first may take long to come.
  const auto limit = [](int taken) {
    return taken == 0 ? absl::Seconds(10) : absl::Milliseconds(300);
  };
  while (const auto frame = one.Receive(limit(in_one))) {
    ++in_one;
    EXPECT_EQ(one.hash() & 3, 0u);
  }
  while (const auto frame = two.Receive(limit(in_two))) {
    ++in_two;
    EXPECT_EQ(two.hash() & 3, 1u);
  }
  EXPECT_GT(in_one, 2);
  EXPECT_GT(in_two, 2);
  EXPECT_LT(in_one + in_two, 35);
}

TEST(IgbOnVfio, AQueueThatWasStoppedStartsAgainEmpty) {
  Nic nic = MakePf();
  nic.Start();
  auto first = std::make_unique<Ring>(nic, false, 0);
  nic.WaitForLink();
  Peer peer;
  peer.Send(Plain(nic.driver->mac(), kPeerMac, 1));
  ASSERT_TRUE(first->Gets(1));
  ASSERT_TRUE(first->Stop().ok());
  peer.Send(Plain(nic.driver->mac(), kPeerMac, 2));
  EXPECT_TRUE(first->GetsNot(2));
  Ring again(nic, false, 0);
  peer.Send(Plain(nic.driver->mac(), kPeerMac, 3));
  EXPECT_TRUE(again.Gets(3));
  // And the whole function.
  nic.driver->Stop();
  ASSERT_TRUE(nic.driver->Start({}).ok());
  Ring whole(nic, false, 0);
  nic.WaitForLink();
  peer.Send(Plain(nic.driver->mac(), kPeerMac, 4));
  EXPECT_TRUE(whole.Gets(4));
}

TEST(IgbOnVfio, TakesFramesUpToItsMtu) {
  Nic nic = MakePf();
  nic.Start();
  Ring rx(nic, false, 0);
  nic.WaitForLink();
  Peer peer;
  Frame frame = Plain(nic.driver->mac(), kPeerMac, 1);
  frame.resize(1514, 1);
  peer.Send(frame);
  EXPECT_TRUE(rx.Gets(1));
  device::DeviceSettings settings;
  settings.mtu_bytes = 1000;
  ASSERT_TRUE(nic.driver->Set(settings).ok());
  frame[14] = 2;
  peer.Send(frame);
  EXPECT_TRUE(rx.GetsNot(2));
}

TEST(IgbOnVfio, PoolsTakeTheirOwnAddressesAndBroadcasts) {
  Nic nic = MakePf();
  nic.Start(test::PoolSettings());
  Ring two(nic, false, 2), five(nic, false, 5), tx(nic, true, 13);
  nic.WaitForLink();
  Peer peer;
  const MacAddress a = {0x02, 0xa, 0, 0, 0, 1}, b = {0x02, 0xb, 0, 0, 0, 1};
  ASSERT_TRUE(nic.driver->AddRule(test::MacRule(0, a, 2)).ok());
  ASSERT_TRUE(nic.driver->AddRule(test::MacRule(1, b, 5)).ok());
  peer.Send(Plain(a, kPeerMac, 1));
  peer.Send(Plain(b, kPeerMac, 2));
  EXPECT_TRUE(two.Gets(1));
  EXPECT_TRUE(five.Gets(2));
  peer.Send(Plain(kBroadcast, kPeerMac, 3));
  EXPECT_TRUE(two.Gets(3));
  EXPECT_TRUE(five.Gets(3));
  // Nobody's, not even the function's own.
  peer.Send(Plain(nic.driver->mac(), kPeerMac, 4));
  EXPECT_TRUE(two.GetsNot(4));
  EXPECT_TRUE(five.GetsNot(4));
  ASSERT_TRUE(nic.driver->SetRss(Table({5})).ok());
  peer.Send(Plain({0x02, 0xcc, 0, 0, 0, 1}, kPeerMac, 5));
  EXPECT_TRUE(five.Gets(5));
  // Any queue sends.
  EXPECT_TRUE(tx.Send(Plain(kBroadcast, a, 6)));
  EXPECT_TRUE(peer.Sees(6));
  ASSERT_TRUE(nic.driver->RemoveRule(0).ok());
  peer.Send(Plain(a, kPeerMac, 7));
  EXPECT_TRUE(two.GetsNot(7));
  device::DeviceCounters counters;
  nic.driver->ReadCounters(&counters);
  EXPECT_GE(counters.rx[2].packets, 2u);
}

TEST(IgbOnVfio, PoolsHaveVlans) {
  Nic nic = MakePf();
  nic.Start(test::PoolSettings());
  Ring two(nic, false, 2), five(nic, false, 5);
  nic.WaitForLink();
  Peer peer;
  const MacAddress a = {0x02, 0xa, 0, 0, 0, 1};
  ASSERT_TRUE(nic.driver->AddRule(test::MacVlanRule(0, a, 100, 2)).ok());
  ASSERT_TRUE(nic.driver->AddRule(test::MacRule(1, a, 5)).ok());
  peer.Send(Plain(a, kPeerMac, 1, 100));
  ASSERT_TRUE(two.Gets(1));
  EXPECT_TRUE(two.vlan_stripped());
  EXPECT_EQ(two.vlan_tag(), 100u);
  EXPECT_TRUE(five.GetsNot(1));
  peer.Send(Plain(a, kPeerMac, 2));
  EXPECT_TRUE(five.Gets(2));
  EXPECT_TRUE(two.GetsNot(2));
  peer.Send(Plain(a, kPeerMac, 3, 101));
  EXPECT_TRUE(two.GetsNot(3));
  EXPECT_TRUE(five.GetsNot(3));
}

// A file of sysfs.
void WriteText(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text << std::flush;
  EXPECT_TRUE(file.good()) << path;
}

TEST(IgbOnVfio, ItsVfsWorkBesideIt) {
  const std::string path = "/sys/bus/pci/devices/" + Env("IGB_PF");
  Nic pf = MakePf();
  WriteText(path + "/sriov_drivers_autoprobe", "0");
  WriteText(path + "/sriov_numvfs", "2");
  DriverSettings settings = test::VfSettings(2);
  pf.Start(settings);
  Ring pf_rx(pf, false, 0), pf_tx(pf, true, 0);
  pf.WaitForLink();

  const std::string vf_path = std::filesystem::canonical(path + "/virtfn1");
  const std::string address = std::filesystem::path(vf_path).filename();
  WriteText(vf_path + "/driver_override", "vfio-pci");
  WriteText("/sys/bus/pci/drivers_probe", address);
  const std::string group = std::filesystem::canonical(vf_path + "/iommu_group").filename();
  {
    Nic vf(address, group, 0x10ca, true, kToken);
    std::atomic<bool> stop = false;
    std::thread service([&] {
      while (!stop) {
        pf.driver->Service();
        absl::SleepFor(absl::Milliseconds(1));
      }
    });
    DriverSettings of_vf;
    of_vf.mtu_bytes = 1400;
    vf.Start(of_vf);
    stop = true;
    service.join();
    EXPECT_EQ(vf.driver->mac(), settings.vfs[1].mac);
    EXPECT_TRUE(vf.driver->Link().up);
    Ring rx(vf, false, 0), tx(vf, true, 0);
    Peer peer;
    peer.Send(Plain(vf.driver->mac(), kPeerMac, 1));
    EXPECT_TRUE(rx.Gets(1));
    EXPECT_TRUE(
        Within(absl::Seconds(10), [&] { return vf.Fired(vf.driver->VectorOf(false, 0)) > 0; }));
    EXPECT_TRUE(tx.Send(Plain(kBroadcast, vf.driver->mac(), 2)));
    EXPECT_TRUE(peer.Sees(2));
    EXPECT_TRUE(
        Within(absl::Seconds(10), [&] { return vf.Fired(vf.driver->VectorOf(true, 0)) > 0; }));
    // From the VF to the PF, inside of the NIC.
    ASSERT_TRUE(pf.driver->AddRule(test::MacRule(0, pf.driver->mac(), 0)).ok());
    EXPECT_TRUE(tx.Send(Plain(pf.driver->mac(), vf.driver->mac(), 3)));
    EXPECT_TRUE(pf_rx.Gets(3));
    EXPECT_TRUE(pf_tx.Send(Plain(vf.driver->mac(), pf.driver->mac(), 4)));
    EXPECT_TRUE(rx.Gets(4));
    device::DeviceCounters counters;
    vf.driver->ReadCounters(&counters);
    EXPECT_GE(counters.wire_rx_packets, 2u);
    // A function-level reset: the PF hears of it, and lets it in again.
    vf.driver->Stop();
    ASSERT_TRUE(vf.function->Reset().ok());
    stop = false;
    std::thread again([&] {
      while (!stop) {
        pf.driver->Service();
        absl::SleepFor(absl::Milliseconds(1));
      }
    });
    EXPECT_TRUE(vf.driver->Start(of_vf).ok());
    stop = true;
    again.join();
    Ring after(vf, false, 0);
    peer.Send(Plain(vf.driver->mac(), kPeerMac, 5));
    EXPECT_TRUE(after.Gets(5));
  }
  WriteText(vf_path + "/driver_override", "\n");
  WriteText(vf_path + "/driver/unbind", address);
  pf.driver->Stop();
  WriteText(path + "/sriov_numvfs", "0");
}

TEST(IgbVfOnVfio, WorksUnderTheKernelsPf) {
  Nic vf(Env("IGB_VF"), Env("IGB_VF_GROUP"), 0x10ca, true);
  vf.Start();
  EXPECT_EQ(vf.driver->mac(), (MacAddress{0x02, 0, 0, 0, 0, 0x77}));
  vf.WaitForLink();
  Ring rx(vf, false, 0), tx(vf, true, 0);
  Peer peer;
  peer.Send(Plain(vf.driver->mac(), kPeerMac, 1));
  EXPECT_TRUE(rx.Gets(1));
  peer.Send(Plain(kBroadcast, kPeerMac, 2));
  EXPECT_TRUE(rx.Gets(2));
  EXPECT_TRUE(tx.Send(Plain(kBroadcast, vf.driver->mac(), 3)));
  EXPECT_TRUE(peer.Sees(3));
  EXPECT_TRUE(
      Within(absl::Seconds(10), [&] { return vf.Fired(vf.driver->VectorOf(false, 0)) > 0; }));
  // Multicast through the kernel.
  const MacAddress group = {0x01, 0, 0x5e, 1, 2, 3};
  peer.Send(Plain(group, kPeerMac, 4));
  EXPECT_TRUE(rx.GetsNot(4));
  device::DeviceSettings settings;
  settings.multicast = {group};
  settings.mtu_bytes = 1400;
  ASSERT_TRUE(vf.driver->Set(settings).ok());
  peer.Send(Plain(group, kPeerMac, 5));
  EXPECT_TRUE(rx.Gets(5));
  EXPECT_TRUE(rx.Stop().ok());
  EXPECT_TRUE(tx.Stop().ok());
}

}  // namespace
}  // namespace qsplit::vfio
