// Devices and leases as people see them: PCI functions, why one cannot be used, limits.
#include "cli/device_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "cli/lease_text.h"

namespace qsplit::cli {
namespace {

using ::testing::ContainsRegex;
using ::testing::HasSubstr;
using ::testing::Not;

v1::Device Function() {
  v1::Device device;
  device.set_name("eth1");
  device.set_backend("vfio");
  device.set_wire("0000:01:00.0");
  device.set_mac(std::string("\x52\x54\0\0\0\1", 6));
  device.set_mtu_bytes(1500);
  v1::PciFunction* pci = device.mutable_pci();
  pci->set_address("0000:01:00.0");
  pci->set_iommu_group(0);
  pci->set_kernel_driver("igb");
  pci->set_mode("guarded");
  return device;
}

TEST(DeviceText, AFunctionThatCannotBeUsedSaysWhy) {
  v1::ListDevicesResponse list;
  *list.add_devices() = Function();
  list.mutable_devices(0)->mutable_pci()->add_group_members("0000:01:00.1 e1000e");
  list.mutable_devices(0)->set_trouble("group 0 has a function that is not ours: 0000:01:00.1");
  EXPECT_THAT(DeviceTable(list).Text(), HasSubstr("eth1    vfio     unusable  52:54:00:00:00:01"));
  const std::string sheet = DeviceSheet(list.devices(0)).Text();
  for (const char* line :
       {"cannot be used", "group 0 has a function that is not ours", "pci function", "iommu group",
        "0000:01:00.1 e1000e", "kernel driver", "igb"}) {
    EXPECT_THAT(sheet, HasSubstr(line));
  }
  EXPECT_THAT(sheet, Not(HasSubstr("\ntrouble")));
}

TEST(DeviceText, ATroubleOfOneThatCanBeUsedIsNoMore) {
  v1::Device device = Function();
  device.set_rx_queues(4);
  device.set_trouble("the link was taken down by an operator");
  device.add_protection_modes(v1::PROTECTION_MODE_DIRECT);
  device.add_protection_modes(v1::PROTECTION_MODE_GUARDED);
  device.add_rate_limit_modes(v1::PROTECTION_MODE_GUARDED);
  device.set_whole_function_only(true);
  device.mutable_pci()->clear_iommu_group();
  device.mutable_pci()->set_physical_function("0000:01:00.0");
  const std::string sheet = DeviceSheet(device).Text();
  EXPECT_THAT(sheet, Not(HasSubstr("cannot be used")));
  for (const char* line : {"\ntrouble", "direct, guarded", "rate limits in", "one lease at a time",
                           "virtual function of", "none"}) {
    EXPECT_THAT(sheet, HasSubstr(line));
  }
  v1::ListDevicesResponse list;
  *list.add_devices() = device;
  EXPECT_THAT(DeviceTable(list).Text(), HasSubstr(" down "));
}

TEST(DeviceText, AKernelNetdevSaysHowItRunsAndWhy) {
  v1::Device device;
  device.set_name("eth1");
  device.set_rx_queues(4);
  device.set_transmit_needs_grant(true);
  v1::KernelNetdev* netdev = device.mutable_netdev();
  netdev->set_name("veth0");
  netdev->set_netns("lab");
  netdev->set_driver("veth");
  netdev->set_xdp_mode("native");
  netdev->set_copy_reason("veth has no zero copy");
  netdev->set_steering("xdp");
  netdev->set_steering_reason("veth has no ntuple filters");
  netdev->add_missing("transmit metadata");
  netdev->add_missing("busy polling");
  const std::string sheet = DeviceSheet(device).Text();
  for (const char* line :
       {"veth0 in lab", "native\n", "no: veth has no zero copy", "xdp: veth has no ntuple filters",
        "transmit metadata, busy polling", "where policy grants it by name"}) {
    EXPECT_THAT(sheet, HasSubstr(line));
  }
  v1::ListDevicesResponse list;
  *list.add_devices() = device;
  EXPECT_THAT(DeviceTable(list).Text(), HasSubstr("netdev veth0"));
  EXPECT_THAT(sheet, HasSubstr("transmit times:"));
  netdev = device.mutable_netdev();
  netdev->set_transmit_times("by the kernel, CLOCK_TAI");
  EXPECT_THAT(DeviceSheet(device).Text(), HasSubstr("by the kernel, CLOCK_TAI"));
  device.clear_netdev();
  device.clear_transmit_needs_grant();
  EXPECT_THAT(DeviceSheet(device).Text(), Not(HasSubstr("transmission")));
}

TEST(LeaseText, SaysWhetherSourceAddressesAreChecked) {
  v1::Lease lease;
  EXPECT_THAT(LeaseSheet(lease).Text(), Not(HasSubstr("source addresses")));
  lease.set_source_check(v1::SOURCE_CHECK_ENFORCED);
  EXPECT_THAT(LeaseSheet(lease).Text(), ContainsRegex("source addresses: +checked\n"));
  lease.set_source_check(v1::SOURCE_CHECK_NOT_ENFORCED);
  lease.set_source_check_reason("the kernel sends what the ring holds");
  EXPECT_THAT(LeaseSheet(lease).Text(),
              HasSubstr("not checked: the kernel sends what the ring holds"));
}

TEST(LeaseText, LimitsAreShownWhereThereAreAny) {
  v1::Lease lease;
  EXPECT_THAT(LeaseSheet(lease).Text(), Not(HasSubstr("limit")));
  lease.mutable_limit()->set_tx_packets_per_second(1000);
  lease.mutable_limit()->set_burst_packets(32);
  lease.mutable_limit()->set_tx_bytes_per_second(100 << 20);
  lease.mutable_limit()->set_burst_bytes(1 << 20);
  lease.set_state(v1::LEASE_STATE_OPENING);
  EXPECT_THAT(
      LeaseSheet(lease).Text(),
      HasSubstr("sends 1000 packets/s in bursts of 32; sends 100 MiB/s in bursts of 1 MiB"));
  EXPECT_THAT(LeaseSheet(lease).Text(), HasSubstr("opening"));
}

}  // namespace
}  // namespace qsplit::cli
