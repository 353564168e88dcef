#include "daemon/linux/pci_driver.h"

#include <gmock/gmock.h>

#include "absl/time/clock.h"
#include "daemon/linux/patient_write.h"
#include "tests/support/children.h"
#include "tests/support/fake_sysfs.h"

namespace qsplit::linux_sys {
namespace {

using qsplit::testing::FakeSysfs;
using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kName[] = "0000:01:00.0";
const PciAddress kAddress{0, 1, 0, 0};

std::string Words(const absl::Status& status) { return std::string(status.message()); }

class PciDriver : public ::testing::Test {
 protected:
  void SetUp() override {
    sysfs_.AddDriver("igb");
    sysfs_.AddDriver("vfio-pci");
    sysfs_.AddDriver("stuck", FakeSysfs::Driver::kStuck);
    sysfs_.AddDriver("choosy", FakeSysfs::Driver::kTakesNothing);
  }
  FakeSysfs sysfs_;
};

TEST_F(PciDriver, AFunctionGoesFromItsDriverToAnother) {
  sysfs_.AddFunction(kName, {.driver = "igb"});
  const absl::Status bound = BindDriver(kAddress, "vfio-pci", sysfs_.sysfs());
  ASSERT_TRUE(bound.ok()) << bound;
  EXPECT_EQ(sysfs_.DriverOf(kName), "vfio-pci");
  EXPECT_EQ(sysfs_.OverrideOf(kName), "vfio-pci");
  EXPECT_THAT(sysfs_.Writes(), ElementsAre("unbind igb 0000:01:00.0", "probe 0000:01:00.0"));
}

TEST_F(PciDriver, AFunctionWithoutADriverGetsOne) {
  sysfs_.AddFunction(kName, {});
  ASSERT_TRUE(BindDriver(kAddress, "vfio-pci", sysfs_.sysfs()).ok());
  EXPECT_EQ(sysfs_.DriverOf(kName), "vfio-pci");
}

TEST_F(PciDriver, AFunctionThatHasTheDriverIsLeftAlone) {
  sysfs_.AddFunction(kName, {.driver = "vfio-pci"});
  ASSERT_TRUE(BindDriver(kAddress, "vfio-pci", sysfs_.sysfs()).ok());
  EXPECT_THAT(sysfs_.Writes(), IsEmpty());
}

TEST_F(PciDriver, ADriverThatDoesNotLetGoIsNamedInTime) {
  sysfs_.AddFunction(kName, {.driver = "stuck"});
  const absl::Time start = absl::Now();
  const absl::Status bound = BindDriver(kAddress, "vfio-pci", sysfs_.sysfs());
  EXPECT_LT(absl::Now() - start, absl::Seconds(3));
  EXPECT_EQ(bound.code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_THAT(Words(bound), AllOf(HasSubstr("driver stuck does not let go"), HasSubstr(kName),
                                  HasSubstr("end what uses the function")));
  EXPECT_EQ(sysfs_.OverrideOf(kName), "(null)") << "it finds its way back";
}

TEST_F(PciDriver, ADriverThatDoesNotTakeItIsNamed) {
  sysfs_.AddFunction(kName, {.driver = "igb"});
  const absl::Status bound = BindDriver(kAddress, "choosy", sysfs_.sysfs());
  EXPECT_EQ(bound.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Words(bound), AllOf(HasSubstr("choosy did not take"), HasSubstr("no driver now")));
}

TEST_F(PciDriver, ADriverThatIsNotLoadedChangesNothing) {
  sysfs_.AddFunction(kName, {.driver = "igb"});
  const absl::Status bound = BindDriver(kAddress, "absent", sysfs_.sysfs());
  EXPECT_EQ(bound.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(Words(bound), HasSubstr("modprobe absent"));
  EXPECT_EQ(sysfs_.DriverOf(kName), "igb");
  EXPECT_EQ(sysfs_.OverrideOf(kName), "(null)");
}

TEST_F(PciDriver, AFunctionThatIsNotThereIsSaidSo) {
  EXPECT_EQ(BindDriver(kAddress, "igb", sysfs_.sysfs()).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(RestoreDriver(kAddress, {}, sysfs_.sysfs()).code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(SetVfCount(kAddress, 1, sysfs_.sysfs()).code(), absl::StatusCode::kNotFound);
}

TEST_F(PciDriver, TheFormerDriverComesBackWithTheFormerOverride) {
  sysfs_.AddFunction(kName, {.driver = "vfio-pci", .driver_override = "vfio-pci"});
  ASSERT_TRUE(RestoreDriver(kAddress, {"igb", ""}, sysfs_.sysfs()).ok());
  EXPECT_EQ(sysfs_.DriverOf(kName), "igb");
  EXPECT_EQ(sysfs_.OverrideOf(kName), "");
  EXPECT_THAT(sysfs_.Writes(),
              ElementsAre("unbind vfio-pci 0000:01:00.0", "bind igb 0000:01:00.0"));
  ASSERT_TRUE(RestoreDriver(kAddress, {"", "mine"}, sysfs_.sysfs()).ok());
  EXPECT_EQ(sysfs_.DriverOf(kName), "") << "it had none";
  EXPECT_EQ(sysfs_.OverrideOf(kName), "mine");
}

TEST_F(PciDriver, AFormerDriverThatIsGoneIsNamed) {
  sysfs_.AddFunction(kName, {.driver = "vfio-pci"});
  EXPECT_THAT(Words(RestoreDriver(kAddress, {"removed", ""}, sysfs_.sysfs())),
              HasSubstr("modprobe removed"));
}

TEST_F(PciDriver, VfsGoOffBeforeAnotherNumberComesOn) {
  sysfs_.AddFunction(kName, {.driver = "igb", .total_vfs = 4});
  const auto vfs = [&] { return ReadPciFacts(kAddress, sysfs_.root())->vfs.size(); };
  ASSERT_TRUE(SetVfCount(kAddress, 2, sysfs_.sysfs()).ok());
  ASSERT_TRUE(sysfs_.Eventually([&] { return vfs() == 2; }));
  EXPECT_FALSE(ReadPciFacts(kAddress, sysfs_.root())->vfs_probed);
  EXPECT_THAT(sysfs_.Writes(), ElementsAre("vfs 0000:01:00.0 2"));
  ASSERT_TRUE(SetVfCount(kAddress, 2, sysfs_.sysfs()).ok());
  EXPECT_EQ(sysfs_.Writes().size(), 1u) << "they are on";
  ASSERT_TRUE(SetVfCount(kAddress, 3, sysfs_.sysfs(), true).ok());
  ASSERT_TRUE(sysfs_.Eventually([&] { return vfs() == 3; }));
  EXPECT_TRUE(ReadPciFacts(kAddress, sysfs_.root())->vfs_probed);
  std::string written;
  for (const std::string& write : sysfs_.Writes()) written += write.substr(write.rfind(' ') + 1);
  EXPECT_EQ(written, "203");
}

TEST_F(PciDriver, MoreVfsThanThereAreAreRefused) {
  sysfs_.AddFunction(kName, {.driver = "igb", .total_vfs = 4});
  sysfs_.AddFunction("0000:02:00.0", {});
  const absl::Status many = SetVfCount(kAddress, 5, sysfs_.sysfs());
  EXPECT_EQ(many.code(), absl::StatusCode::kOutOfRange);
  EXPECT_THAT(Words(many), AllOf(HasSubstr("5 virtual functions"), HasSubstr("it has 4")));
  const absl::Status none = SetVfCount({0, 2, 0, 0}, 1, sysfs_.sysfs());
  EXPECT_THAT(Words(none), HasSubstr("no SR-IOV"));
  EXPECT_TRUE(SetVfCount({0, 2, 0, 0}, 0, sysfs_.sysfs()).ok());
}

TEST_F(PciDriver, TriesThatAreStuckLeaveOneWriter) {
  qsplit::testing::AdoptOrphans();
  sysfs_.AddFunction(kName, {.driver = "stuck"});
  const PciSysfs access = sysfs_.sysfs();
  EXPECT_TRUE(absl::IsDeadlineExceeded(BindDriver(kAddress, "vfio-pci", access)));
  sysfs_.SetDriver(kName, "");  // the kernel shows no driver while it is asked to let go
  for (int i = 0; i < 3; ++i) {
    const absl::Status again = BindDriver(kAddress, "vfio-pci", access);
    EXPECT_EQ(again.code(), absl::StatusCode::kDeadlineExceeded) << again;
    EXPECT_THAT(Words(again), HasSubstr("its former driver does not let go"));
    EXPECT_TRUE(absl::IsDeadlineExceeded(RestoreDriver(kAddress, {"igb", "igb"}, access)));
  }
  EXPECT_EQ(qsplit::testing::AwaitChildren(1), 1u) << "writers that hang";
  EXPECT_EQ(sysfs_.OverrideOf(kName), "(null)");
  // Another function is not held up.
  sysfs_.AddFunction("0000:02:00.0", {.driver = "igb"});
  const absl::Status other = BindDriver({0, 2, 0, 0}, "vfio-pci", access);
  EXPECT_TRUE(other.ok()) << other;
  sysfs_.LetGo();
  const absl::Status bound = BindDriver(kAddress, "vfio-pci", access);
  EXPECT_TRUE(bound.ok()) << bound;
  EXPECT_EQ(qsplit::testing::AwaitChildren(0), 0u);
}

TEST(PatientWriters, SayWhatTheKernelSays) {
  PatientWriters writers;
  const auto write = [&](const char* file) {
    return writers.Write("device", file, "x", absl::Seconds(5));
  };
  const absl::Status missing = write("/proc/no/such");
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(Words(missing), HasSubstr("/proc/no/such"));
  EXPECT_THAT(Words(write("/dev/full")), HasSubstr("ENOSPC"));
  EXPECT_TRUE(write("/dev/null").ok());
}

}  // namespace
}  // namespace qsplit::linux_sys
