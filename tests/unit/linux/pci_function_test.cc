#include "daemon/linux/pci_function.h"

#include <gmock/gmock.h>

#include "tests/support/fake_sysfs.h"

namespace qsplit::linux_sys {
namespace {

using qsplit::testing::FakeSysfs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

PciAddress At(const std::string& text) { return *PciAddress::Parse(text); }

TEST(PciAddress, ReadsWhatTheKernelAndPeopleWrite) {
  EXPECT_EQ(At("0000:01:00.0"), (PciAddress{0, 1, 0, 0}));
  EXPECT_EQ(At("af:1f.7"), (PciAddress{0, 0xaf, 0x1f, 7}));
  EXPECT_EQ(At("10000:e1:00.0"), (PciAddress{0x10000, 0xe1, 0, 0}));
  for (const char* text : {"0000:01:00.0", "abcd:ef:1f.7", "10000:e1:00.0"}) {
    EXPECT_EQ(At(text).ToString(), text);
  }
  EXPECT_EQ(At("01:00.0").ToString(), "0000:01:00.0");
}

TEST(PciAddress, OtherTextIsRefusedWithWords) {
  for (const char* text :
       {"", ":", "::", "01:00", "01:00.", "01:00.8", "01:20.0", "1:00.0", "001:00.0", "000:01:00.0",
        "0000:01:00.0 ", " 01:00.0", "0000:01:00:0", "0000:0g:00.0", "-000:01:00.0", "0x00:01:00.0",
        "123456789:01:00.0", "0000:01:00.00", "0000:0000:01:00.0"}) {
    const auto address = PciAddress::Parse(text);
    ASSERT_FALSE(address.ok()) << text;
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("as 0000:01:00.0"));
  }
}

TEST(PciAddress, AreInTheOrderOfTheBus) {
  EXPECT_LT(At("0000:01:00.0"), At("0000:01:00.1"));
  EXPECT_LT(At("0000:01:1f.7"), At("0000:02:00.0"));
  EXPECT_LT(At("0000:ff:00.0"), At("0001:00:00.0"));
}

TEST(PciFunction, FactsAreThoseOfSysfs) {
  FakeSysfs sysfs;
  sysfs.AddDriver("igb");
  sysfs.AddFunction("0000:01:00.0",
                    {.driver = "igb", .group = 7, .total_vfs = 8, .numa_node = "1"});
  sysfs.AddFunction("0000:00:02.0", {.driver = "", .group = 7, .class_code = 0x060400});
  sysfs.AddNetdev("eth0", "0000:01:00.0");
  sysfs.AddNetdev("eth1", "0000:00:02.0");
  const auto facts = ReadPciFacts(At("01:00.0"), sysfs.root());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->vendor_id, 0x8086);
  EXPECT_EQ(facts->device_id, 0x10c9);
  EXPECT_EQ(facts->class_code, 0x020000u);
  EXPECT_EQ(facts->driver, "igb");
  EXPECT_EQ(facts->driver_override, "");
  EXPECT_EQ(facts->numa_node, 1u);
  EXPECT_THAT(facts->netdevs, ElementsAre("eth0"));
  EXPECT_EQ(facts->physical_function, std::nullopt);
  EXPECT_EQ(facts->total_vfs, 8u);
  EXPECT_THAT(facts->vfs, IsEmpty());
  EXPECT_TRUE(facts->vfs_probed);
  ASSERT_TRUE(facts->iommu_group.has_value());
  EXPECT_EQ(facts->iommu_group->number, 7u);
  EXPECT_FALSE(facts->iommu_group->is_noiommu);
  ASSERT_EQ(facts->iommu_group->members.size(), 2u);
  EXPECT_EQ(facts->iommu_group->members[0].address, At("00:02.0"));
  EXPECT_TRUE(facts->iommu_group->members[0].is_bridge);
  EXPECT_EQ(facts->iommu_group->members[0].driver, "");
  EXPECT_FALSE(facts->iommu_group->members[1].is_bridge);
  EXPECT_EQ(facts->iommu_group->members[1].driver, "igb");
}

TEST(PciFunction, WhatIsNotThereIsNone) {
  FakeSysfs sysfs;
  sysfs.AddFunction("0000:01:00.0", {.driver_override = "vfio-pci"});
  const auto facts = ReadPciFacts(At("01:00.0"), sysfs.root());
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->driver, "");
  EXPECT_EQ(facts->driver_override, "vfio-pci");
  EXPECT_EQ(facts->iommu_group.has_value(), false);
  EXPECT_EQ(facts->numa_node, std::nullopt);
  EXPECT_EQ(facts->total_vfs, 0u);
  const auto nothing = ReadPciFacts(At("02:00.0"), sysfs.root());
  EXPECT_EQ(nothing.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(nothing.status().message()), HasSubstr("0000:02:00.0"));
}

TEST(PciFunction, VfsAndTheirPfKnowEachOther) {
  FakeSysfs sysfs;
  sysfs.AddFunction("0000:01:00.0", {.total_vfs = 2});
  sysfs.AddFunction("0000:01:10.0", {});
  sysfs.AddFunction("0000:01:10.2", {});
  const std::string devices = sysfs.root() + "/devices/pci0000:00/";
  for (const auto& [link, to] : {std::pair("0000:01:00.0/virtfn0", "0000:01:10.0"),
                                 std::pair("0000:01:00.0/virtfn1", "0000:01:10.2"),
                                 std::pair("0000:01:10.2/physfn", "0000:01:00.0")}) {
    ASSERT_EQ(::symlink((devices + to).c_str(), (devices + link).c_str()), 0);
  }
  EXPECT_THAT(ReadPciFacts(At("01:00.0"), sysfs.root())->vfs,
              ElementsAre(At("01:10.0"), At("01:10.2")));
  EXPECT_EQ(ReadPciFacts(At("01:10.2"), sysfs.root())->physical_function, At("01:00.0"));
}

TEST(PciFunction, AGroupWithoutAnIommuIsToldFromOthers) {
  FakeSysfs sysfs;
  sysfs.AddFunction("0000:01:00.0", {.group = 0});
  sysfs.WriteFile("kernel/iommu_groups/0/name", "vfio-noiommu");
  EXPECT_TRUE(ReadPciFacts(At("01:00.0"), sysfs.root())->iommu_group->is_noiommu);
}

TEST(PciFunction, ANetdevLeadsToItsFunctionThroughWhatIsBetween) {
  FakeSysfs sysfs;
  sysfs.AddFunction("0000:00:03.0", {});
  sysfs.AddFunction("0000:01:00.0", {});
  sysfs.AddNetdev("eth0", "0000:01:00.0");
  sysfs.AddNetdev("eth1", "0000:00:03.0", "virtio1");
  EXPECT_EQ(*PciAddressOfNetdev("eth0", sysfs.root()), At("01:00.0"));
  EXPECT_EQ(*PciAddressOfNetdev("eth1", sysfs.root()), At("00:03.0"));
  EXPECT_THAT(ReadPciFacts(At("00:03.0"), sysfs.root())->netdevs, ElementsAre("eth1"));
}

TEST(PciFunction, ANetdevWithoutAFunctionIsRefusedWithWords) {
  FakeSysfs sysfs;
  sysfs.WriteFile("class/net/br0/ifindex", "7");
  EXPECT_THAT(std::string(PciAddressOfNetdev("br0", sysfs.root()).status().message()),
              HasSubstr("br0 is not that of a PCI function"));
  for (const char* name : {"eth7", "", "../net/br0", "br0/"}) {
    const auto address = PciAddressOfNetdev(name, sysfs.root());
    EXPECT_EQ(address.status().code(), absl::StatusCode::kNotFound);
    EXPECT_THAT(std::string(address.status().message()), HasSubstr("ip link"));
  }
}

}  // namespace
}  // namespace qsplit::linux_sys
