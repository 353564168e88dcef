// Functions are taken from their drivers and given back, whatever holds on to them.
#include <gmock/gmock.h>

#include "absl/time/clock.h"
#include "tests/support/children.h"
#include "tests/vm/functions_rig.h"

namespace qsplit::vfio {
namespace {

using absl::StatusCode;
using linux_sys::PciAddress;
using linux_sys::VfioFunction;
using ::testing::AllOf;
using ::testing::HasSubstr;

using FunctionOwnership = FunctionsTest;

TEST_F(FunctionOwnership, AreTakenFromTheirDriversAndGivenBack) {
  for (const auto& [device, driver] : {std::pair(kE1000e, "e1000e"), std::pair(kIgb, "igb")}) {
    const PciAddress address = Find(device);
    const auto before = *linux_sys::ReadPciFacts(address);
    ASSERT_EQ(before.driver, driver);
    ASSERT_EQ(before.netdevs.size(), 1u);
    {
      auto taken = TakeFunction(before.netdevs[0], {}, *journal_);
      ASSERT_TRUE(taken.ok()) << taken.status();
      EXPECT_EQ(linux_sys::DriverOf(address), "vfio-pci");
      EXPECT_EQ(journal_->Records().size(), 1u);
    }
    const auto after = *linux_sys::ReadPciFacts(address);
    EXPECT_EQ(after.driver, driver);
    EXPECT_EQ(after.driver_override, "");
    EXPECT_TRUE(journal_->Records().empty());
  }
}

TEST_F(FunctionOwnership, AClientThatOutlivesTheDaemonIsNamed) {
  const PciAddress address = Find(kE1000e);
  std::unique_ptr<Process> client;
  {
    TakenFunction taken = Take(address);
    {
      VfioFunction function = Open(taken);
      EXPECT_EQ(VfioFunction::Open(address, taken.group()).status().code(),
                StatusCode::kUnavailable);
      // What a client is handed: the device's descriptor, and no other.
      client = std::make_unique<Process>([&] {
        if (::dup2(function.fd(), 100) != 100) abort();
        ::close_range(3, 99, 0);
      });
      ASSERT_TRUE(NoteClient(address, 9, client->pid(), *journal_).ok());
    }
    const absl::Status kept = taken.Release();
    EXPECT_EQ(kept.code(), StatusCode::kUnavailable);
    EXPECT_THAT(Words(kept),
                AllOf(HasSubstr(absl::StrCat("process ", client->pid())), HasSubstr("lease 9")));
  }
  ASSERT_EQ(UndoLeftovers(*journal_).size(), 1u);
  EXPECT_EQ(linux_sys::DriverOf(address), "vfio-pci");
  client->End();
  EXPECT_TRUE(UndoLeftovers(*journal_).empty());
  EXPECT_EQ(linux_sys::DriverOf(address), "e1000e");
}

TEST_F(FunctionOwnership, ADriverThatDoesNotLetGoStallsNobody) {
  const PciAddress address = Find(kE1000e);
  ASSERT_TRUE(linux_sys::BindDriver(address, "vfio-pci").ok());
  const uint32_t group = linux_sys::ReadPciFacts(address)->iommu_group->number;
  const linux_sys::PciSysfs access{.patience = absl::Seconds(1)};
  qsplit::testing::AdoptOrphans();
  {
    Process holder([&] {
      static auto function = VfioFunction::Open(address, group);
      if (!function.ok()) abort();
    });
    const absl::Time start = absl::Now();
    const absl::Status stuck = linux_sys::RestoreDriver(address, {"e1000e", ""}, access);
    EXPECT_LT(absl::Now() - start, absl::Seconds(4));
    EXPECT_EQ(stuck.code(), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(Words(stuck), HasSubstr("driver vfio-pci does not let go"));
    for (int i = 0; i < 2; ++i) {
      const absl::Status again = linux_sys::RestoreDriver(address, {"e1000e", ""}, access);
      EXPECT_EQ(again.code(), StatusCode::kDeadlineExceeded) << again;
    }
    EXPECT_EQ(qsplit::testing::AwaitChildren(2), 2u) << "the holder, and one writer that hangs";
  }
  const absl::Time until = absl::Now() + absl::Seconds(30);
  absl::Status restored;
  do {
    restored = linux_sys::RestoreDriver(address, {"e1000e", ""}, access);
  } while (!restored.ok() && absl::Now() < until);
  EXPECT_TRUE(restored.ok()) << restored;
}

TEST_F(FunctionOwnership, AVfOfTheKernelsPfIsTakenByItself) {
  const PciAddress pf = Find(kIgb);
  ASSERT_TRUE(linux_sys::SetVfCount(pf, 2).ok());
  const auto facts = *linux_sys::ReadPciFacts(pf);
  ASSERT_EQ(facts.vfs.size(), 2u);
  EXPECT_EQ(linux_sys::ReadPciFacts(facts.vfs[1])->physical_function, pf);
  EXPECT_EQ(linux_sys::DriverOf(facts.vfs[1]), "") << "no driver of the kernel's takes it";
  const absl::Status refused = CanTake(pf, {}, *journal_);
  EXPECT_THAT(Words(refused), HasSubstr("2 of its VFs are on"));
  {
    const TakenFunction taken = Take(facts.vfs[1]);
    const VfioFunction function = Open(taken);
    EXPECT_GT(*function.MsixCount(), 0u);
    const auto token = *linux_sys::ParseVfToken("00112233-4455-6677-8899-aabbccddeeff");
    EXPECT_THAT(Words(function.SetVfToken(token)), HasSubstr("no PF"));
  }
  ASSERT_TRUE(linux_sys::SetVfCount(pf, 0, {}, true).ok());
}

TEST_F(FunctionOwnership, AVfOfOurPfWantsItsToken) {
  WriteFile("/sys/module/vfio_pci/parameters/enable_sriov", "Y");
  const PciAddress pf = Find(kIgb);
  {
    const TakenFunction taken = Take(pf, {.vfs = 2});
    const VfioFunction function = Open(taken);
    const auto token = *linux_sys::ParseVfToken("00112233-4455-6677-8899-aabbccddeeff");
    const auto other = *linux_sys::ParseVfToken("ffeeddcc-bbaa-9988-7766-554433221100");
    const absl::Status set = function.SetVfToken(token);
    ASSERT_TRUE(set.ok()) << set;
    const auto vfs = linux_sys::ReadPciFacts(pf)->vfs;
    ASSERT_EQ(vfs.size(), 2u);
    const TakenFunction vf = Take(vfs[0]);
    const auto without = vf.Open();
    EXPECT_EQ(without.status().code(), StatusCode::kPermissionDenied) << without.status();
    EXPECT_THAT(Words(without.status()), HasSubstr("VF token"));
    EXPECT_EQ(vf.Open(other).status().code(), StatusCode::kPermissionDenied);
    const auto with = vf.Open(token);
    EXPECT_TRUE(with.ok()) << with.status();
  }
  EXPECT_EQ(linux_sys::DriverOf(pf), "igb");
  EXPECT_TRUE(linux_sys::ReadPciFacts(pf)->vfs.empty());
  WriteFile("/sys/module/vfio_pci/parameters/enable_sriov", "N");
  const auto refused = TakeFunction(pf.ToString(), {.vfs = 2}, *journal_);
  EXPECT_THAT(Words(refused.status()), HasSubstr("enable_sriov=1"));
  EXPECT_EQ(linux_sys::DriverOf(pf), "igb") << "half way is undone";
}

TEST_F(FunctionOwnership, ANetdevThatTheHostUsesStays) {
  const PciAddress address = Find(kE1000e);
  const std::string netdev = linux_sys::ReadPciFacts(address)->netdevs.at(0);
  const auto ip = [&](const std::string& words) {
    ASSERT_EQ(std::system(absl::StrCat("ip ", words, " dev ", netdev).c_str()), 0) << words;
  };
  ip("address add 10.78.0.1/24");
  const auto refused = TakeFunction(netdev, {}, *journal_);
  EXPECT_THAT(Words(refused.status()),
              AllOf(HasSubstr("carries address 10.78.0.1/24"), HasSubstr("allow_active")));
  EXPECT_EQ(linux_sys::DriverOf(address), "e1000e");
  EXPECT_TRUE(TakeFunction(netdev, {.allow_active = true}, *journal_).ok());
}

}  // namespace
}  // namespace qsplit::vfio
