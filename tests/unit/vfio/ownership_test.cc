// Taking a function and giving it back, on a sysfs of the test's making.
#include "daemon/backend/vfio/ownership.h"

#include <gmock/gmock.h>

#include "tests/unit/vfio/ownership_host.h"

namespace qsplit::vfio {
namespace {

using absl::StatusCode;
using qsplit::testing::FakeSysfs;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Ownership : public OwnershipHost {
 protected:
  // The refusal of a function, which changes nothing.
  absl::Status Refusal(const std::string& name, const TakeOptions& options = {}) {
    const std::string driver = sysfs_.DriverOf(kPf);
    const std::string former = sysfs_.OverrideOf(kPf);
    absl::Status status = TakeFunction(name, options, *journal_, host_).status();
    EXPECT_EQ(sysfs_.DriverOf(kPf), driver);
    EXPECT_EQ(sysfs_.OverrideOf(kPf), former);
    EXPECT_THAT(sysfs_.Writes(), IsEmpty());
    EXPECT_THAT(journal_->Records(), IsEmpty());
    return status;
  }
  void ExpectRefused(const ::testing::Matcher<std::string>& words,
                     const TakeOptions& options = {}) {
    const absl::Status status = Refusal(kPf, options);
    EXPECT_EQ(status.code(), StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(Words(status), AllOf(words, HasSubstr(kPf)));
    EXPECT_EQ(CanTake(kPfAddress, options, *journal_, host_), status);
  }
};

TEST_F(Ownership, AFunctionIsTakenByAddressAndGivenBack) {
  AddPf();
  {
    auto taken = Take(kPf);
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->address(), kPfAddress);
    EXPECT_EQ(taken->group(), 7u);
    EXPECT_EQ(taken->former().driver.driver, "igb");
    EXPECT_EQ(sysfs_.DriverOf(kPf), "vfio-pci");
    ASSERT_EQ(journal_->Records("pci-driver").size(), 1u);
    EXPECT_EQ(journal_->Records()[0].fields.at("function"), kPf);
    EXPECT_EQ(journal_->Records()[0].fields.at("driver"), "igb");
    const absl::Status released = taken->Release();
    EXPECT_TRUE(released.ok()) << released;
  }
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_EQ(sysfs_.OverrideOf(kPf), "");
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Ownership, TheEndOfItsHolderGivesItBack) {
  AddPf();
  { ASSERT_TRUE(Take("eth0").ok()); }
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Ownership, WhatIsMovedIsGivenBackOnce) {
  AddPf();
  auto first = Take(kPf);
  ASSERT_TRUE(first.ok());
  TakenFunction second = *std::move(first);
  first = absl::CancelledError();
  EXPECT_EQ(sysfs_.DriverOf(kPf), "vfio-pci");
  EXPECT_TRUE(second.Release().ok());
  EXPECT_TRUE(second.Release().ok());
  EXPECT_EQ(sysfs_.Writes().size(), 4u);
}

TEST_F(Ownership, AFunctionThatVfioHadStaysThere) {
  AddPf({.driver = "vfio-pci", .group = 7, .driver_override = "vfio-pci"});
  { ASSERT_TRUE(Take(kPf).ok()); }
  EXPECT_EQ(sysfs_.DriverOf(kPf), "vfio-pci");
  EXPECT_EQ(sysfs_.OverrideOf(kPf), "vfio-pci");
  EXPECT_THAT(sysfs_.Writes(), IsEmpty());
}

TEST_F(Ownership, WhatIsNotThereIsRefused) {
  AddPf();
  for (const char* name : {"eth7", "0000:09:00.0", "09:00.0"}) {
    EXPECT_EQ(Refusal(name).code(), StatusCode::kNotFound) << name;
  }
  EXPECT_EQ(Refusal("0000:09:00").code(), StatusCode::kInvalidArgument);
}

TEST_F(Ownership, WithoutAnIommuNothingIsTaken) {
  AddPf({.driver = "igb"});
  ExpectRefused(AllOf(HasSubstr("no IOMMU"), HasSubstr("intel_iommu=on or amd_iommu=on")));
}

TEST_F(Ownership, AGroupWithoutAnIommuIsNotTaken) {
  AddPf();
  sysfs_.WriteFile("kernel/iommu_groups/7/name", "vfio-noiommu");
  ExpectRefused(HasSubstr("enable_unsafe_noiommu_mode off"));
}

TEST_F(Ownership, AGroupWithOthersIsNotTaken) {
  AddPf();
  sysfs_.AddFunction("0000:00:1c.0", {.driver = "pcieport", .group = 7, .class_code = 0x060400});
  sysfs_.AddFunction("0000:01:00.1", {.driver = "igb", .group = 7});
  sysfs_.AddFunction("0000:01:00.2", {.group = 7});
  sysfs_.AddFunction("0000:01:00.3", {.driver = "vfio-pci", .group = 7});
  ExpectRefused(AllOf(HasSubstr("group 7: 0000:01:00.1 (driver igb), 0000:01:00.2 (no driver);"),
                      HasSubstr("ACS"), Not(HasSubstr("pcieport"))));
  ExpectRefused(HasSubstr("ACS"), {.allow_active = true});
}

TEST_F(Ownership, AGroupOfBridgesAndVfiosFunctionsIsTaken) {
  AddPf();
  sysfs_.AddFunction("0000:00:1c.0", {.driver = "pcieport", .group = 7, .class_code = 0x060400});
  sysfs_.AddFunction("0000:01:00.3", {.driver = "vfio-pci", .group = 7});
  EXPECT_TRUE(Take(kPf).ok());
}

TEST_F(Ownership, WithoutVfioPciTheModuleIsNamed) {
  AddPf();
  std::filesystem::remove_all(sysfs_.root() + "/bus/pci/drivers/vfio-pci");
  ExpectRefused(HasSubstr("modprobe vfio-pci"));
}

TEST_F(Ownership, ANetdevThatTheHostUsesIsTakenOnlyWhenToldTo) {
  AddPf();
  uses_ = {"carries the default route (IPv4)", "carries address 10.0.0.1/24"};
  ExpectRefused(AllOf(HasSubstr("eth0"),
                      HasSubstr("carries the default route (IPv4), carries address 10.0.0.1/24"),
                      HasSubstr("allow_active = true")));
  EXPECT_TRUE(TakeFunction("eth0", {.allow_active = true}, *journal_, host_).ok());
}

TEST_F(Ownership, WhatCannotBeAskedIsNotTaken) {
  AddPf();
  host_.netdev_uses = [](const std::string&) { return absl::UnavailableError("rtnetlink: busy"); };
  EXPECT_EQ(Refusal(kPf).code(), StatusCode::kUnavailable);
}

TEST_F(Ownership, VfsThatAreOnAreNotSwitchedOffUnasked) {
  AddPf({.driver = "igb", .group = 7, .total_vfs = 4});
  ASSERT_TRUE(linux_sys::SetVfCount(kPfAddress, 2, sysfs_.sysfs(), true).ok());
  ASSERT_TRUE(sysfs_.Eventually([&] { return Vfs() == 2; }));
  const absl::Status refused = TakeFunction(kPf, {}, *journal_, host_).status();
  EXPECT_EQ(refused.code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Words(refused),
              AllOf(HasSubstr("2 of its VFs are on (0000:01:10.0, …)"), HasSubstr("allow_active")));
  auto taken = TakeFunction(kPf, {.allow_active = true}, *journal_, host_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->former().vfs, 2u);
}

TEST_F(Ownership, VfsThatAreWantedComeOnAndGoOff) {
  AddPf({.driver = "igb", .group = 7, .total_vfs = 4});
  {
    auto taken = TakeFunction(kPf, {.vfs = 3}, *journal_, host_);
    ASSERT_TRUE(taken.ok()) << taken.status();
    ASSERT_TRUE(sysfs_.Eventually([&] { return Vfs() == 3; }));
    EXPECT_FALSE(linux_sys::ReadPciFacts(kPfAddress, sysfs_.root())->vfs_probed);
  }
  EXPECT_TRUE(sysfs_.Eventually([&] { return Vfs() == 0; }));
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_TRUE(linux_sys::ReadPciFacts(kPfAddress, sysfs_.root())->vfs_probed);
}

TEST_F(Ownership, MoreVfsThanThereAreAreRefused) {
  AddPf({.driver = "igb", .group = 7, .total_vfs = 4});
  ExpectRefused(AllOf(HasSubstr("5 VFs are wanted"), HasSubstr("it has 4")), {.vfs = 5});
}

TEST_F(Ownership, WhatIsNoNetworkDeviceIsNotTaken) {
  AddPf({.driver = "nvme", .group = 7, .class_code = 0x010802});
  ExpectRefused(HasSubstr("no network device (class 0x010802)"));
}

TEST_F(Ownership, ADriverThatDoesNotLetGoIsNamedAndStaysInTheJournal) {
  AddPf({.driver = "stuck", .group = 7});
  const auto taken = Take(kPf);
  EXPECT_EQ(taken.status().code(), StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Words(taken.status()), HasSubstr("driver stuck does not let go"));
  EXPECT_EQ(sysfs_.OverrideOf(kPf), "(null)");
  ASSERT_EQ(journal_->Records().size(), 1u) << "it may let go later";
  EXPECT_EQ(journal_->Records()[0].fields.at("driver"), "stuck");
}

TEST_F(Ownership, WhatVfioDoesNotTakeGoesBack) {
  AddPf();
  sysfs_.AddDriver("vfio-pci", FakeSysfs::Driver::kTakesNothing);
  const auto taken = Take(kPf);
  EXPECT_EQ(taken.status().code(), StatusCode::kFailedPrecondition);
  EXPECT_THAT(Words(taken.status()), HasSubstr("vfio-pci did not take"));
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Ownership, AHeldFunctionIsNotGivenBackAndCanBeLater) {
  AddPf();
  auto taken = Take(kPf);
  ASSERT_TRUE(taken.ok());
  held_ = true;
  const absl::Status kept = taken->Release();
  EXPECT_EQ(kept.code(), StatusCode::kUnavailable);
  EXPECT_THAT(Words(kept), AllOf(HasSubstr(kPf), HasSubstr("/dev/vfio/7")));
  EXPECT_EQ(sysfs_.DriverOf(kPf), "vfio-pci");
  EXPECT_EQ(journal_->Records().size(), 1u);
  held_ = false;
  EXPECT_TRUE(taken->Release().ok());
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
}

TEST_F(Ownership, AVfThatIsNotThereForVfioToOpenIsSaidSo) {
  AddPf();
  auto taken = Take(kPf);
  ASSERT_TRUE(taken.ok());
  // This machine has no group 7 in /dev/vfio, whatever the fake sysfs says.
  const auto function = taken->Open();
  EXPECT_FALSE(function.ok());
  EXPECT_THAT(Words(function.status()), HasSubstr("/dev/vfio"));
}

TEST_F(Ownership, InterruptsThatAreNotRemappedAreNotAllowedByAParameter) {
  AddPf();
  sysfs_.WriteFile("module/vfio_iommu_type1/parameters/allow_unsafe_interrupts", "Y");
  auto taken = Take(kPf);
  ASSERT_TRUE(taken.ok());
  EXPECT_THAT(Words(taken->Open().status()), HasSubstr("allow_unsafe_interrupts"));
}

}  // namespace
}  // namespace qsplit::vfio
