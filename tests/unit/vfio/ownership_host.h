// A machine of the test's making: a sysfs, a journal, and what else ownership asks of a host.
#ifndef QSPLIT_TESTS_UNIT_VFIO_OWNERSHIP_HOST_H_
#define QSPLIT_TESTS_UNIT_VFIO_OWNERSHIP_HOST_H_

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "daemon/backend/vfio/ownership.h"
#include "tests/support/fake_sysfs.h"

namespace qsplit::vfio {

inline constexpr char kPf[] = "0000:01:00.0";
inline constexpr linux_sys::PciAddress kPfAddress{0, 1, 0, 0};

class OwnershipHost : public ::testing::Test {
 protected:
  void SetUp() override {
    using Driver = qsplit::testing::FakeSysfs::Driver;
    for (const char* name : {"igb", "nvme", "pcieport"}) sysfs_.AddDriver(name);
    sysfs_.AddDriver("vfio-pci");
    sysfs_.AddDriver("stuck", Driver::kStuck);
    host_.sysfs = sysfs_.sysfs();
    host_.netdev_uses = [this](const std::string&) { return uses_; };
    host_.group_held = [this](uint32_t) { return held_; };
    Restart();
  }

  // As a daemon that crashed and was started again.
  void Restart() {
    journal_.reset();
    auto journal = journal::Journal::Open(sysfs_.root() + "/journal");
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }
  void AddPf(const qsplit::testing::FakePciFunction& function = {.driver = "igb", .group = 7}) {
    sysfs_.AddFunction(kPf, function);
    sysfs_.AddNetdev("eth0", kPf);
  }
  absl::StatusOr<TakenFunction> Take(const std::string& name) {
    return TakeFunction(name, {}, *journal_, host_);
  }
  size_t Vfs() const { return linux_sys::ReadPciFacts(kPfAddress, sysfs_.root())->vfs.size(); }
  static std::string Words(const absl::Status& status) { return std::string(status.message()); }

  qsplit::testing::FakeSysfs sysfs_;
  HostAccess host_;
  std::unique_ptr<journal::Journal> journal_;
  std::vector<std::string> uses_;
  bool held_ = false;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_TESTS_UNIT_VFIO_OWNERSHIP_HOST_H_
