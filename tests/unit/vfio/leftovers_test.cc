// What a daemon that crashed left behind, and the next one finds.
#include <gmock/gmock.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "daemon/linux/process_identity.h"
#include "tests/unit/vfio/ownership_host.h"

namespace qsplit::vfio {
namespace {

using absl::StatusCode;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Leftovers : public OwnershipHost {
 protected:
  // Takes it as a daemon that then crashes: nothing is given back.
  void TakeAndCrash(const std::vector<std::string>& names) {
    {
      std::vector<TakenFunction> all;
      for (const std::string& name : names) {
        auto taken = Take(name);
        ASSERT_TRUE(taken.ok()) << taken.status();
        all.push_back(*std::move(taken));
      }
      held_ = true;  // or its end would give it back
    }
    held_ = false;
    Restart();
    for (const std::string& name : names) ASSERT_EQ(sysfs_.DriverOf(name), "vfio-pci");
  }
  std::vector<absl::Status> UndoAll(const std::set<linux_sys::PciAddress>& kept = {}) {
    return UndoLeftovers(*journal_, kept, host_);
  }
};

// A process that lives until it is told otherwise.
class Client {
 public:
  Client() : pid_(::fork()) {
    if (pid_ == 0) {
      ::pause();
      ::_exit(0);
    }
  }
  ~Client() { End(); }
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }
  void End() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    pid_ = -1;
  }

 private:
  pid_t pid_;
};

TEST_F(Leftovers, ATakenFunctionGoesBackAtTheNextStart) {
  AddPf();
  TakeAndCrash({kPf});
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_EQ(sysfs_.OverrideOf(kPf), "");
  EXPECT_THAT(journal_->Records(), IsEmpty());
  EXPECT_THAT(UndoAll(), IsEmpty());
}

TEST_F(Leftovers, AFunctionThatIsKeptIsTakenAgainWithItsFormerState) {
  AddPf();
  TakeAndCrash({kPf});
  const auto before = sysfs_.Writes();
  EXPECT_THAT(UndoAll({kPfAddress}), IsEmpty());
  std::filesystem::remove(sysfs_.root() + "/class/net/eth0");  // it went with its driver
  EXPECT_EQ(*FunctionOfName("eth0", *journal_, host_), kPfAddress);
  {
    auto taken = Take("eth0");
    ASSERT_TRUE(taken.ok()) << taken.status();
    EXPECT_EQ(taken->former().driver.driver, "igb");
    EXPECT_EQ(sysfs_.Writes(), before) << "it has never left vfio-pci";
    EXPECT_EQ(journal_->Records().size(), 1u);
  }
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Leftovers, AClientThatStillHoldsItIsNamedUntilItEnds) {
  AddPf();
  Client client;
  ASSERT_TRUE(NoteClient(kPfAddress, 42, client.pid(), *journal_, host_).ok());
  TakeAndCrash({kPf});
  held_ = true;
  const auto left = UndoAll();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].code(), StatusCode::kUnavailable);
  EXPECT_THAT(Words(left[0]),
              AllOf(HasSubstr(kPf), HasSubstr(absl::StrCat("process ", client.pid(), " (")),
                    HasSubstr(linux_sys::ProgramOf(client.pid())), HasSubstr("lease 42"),
                    HasSubstr("waits for it to end")));
  EXPECT_EQ(Take(kPf).status(), left[0]) << "and it cannot be taken either";
  EXPECT_EQ(journal_->Records().size(), 2u);
  client.End();
  held_ = false;
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_THAT(journal_->Records(), IsEmpty()) << "the client's as well";
}

TEST_F(Leftovers, AnotherProcessWithAClientsNumberIsNotTakenForIt) {
  AddPf();
  Client other;
  ClientHold hold{kPfAddress, 42, other.pid(), *linux_sys::ProcessStart(other.pid()) + 1};
  ASSERT_TRUE(journal_->Add(ClientHold::kKind, hold.ToFields()).ok());
  TakeAndCrash({kPf});
  held_ = true;
  const auto left = UndoAll();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_THAT(Words(left[0]), AllOf(HasSubstr("/dev/vfio/7"), Not(HasSubstr("lease 42"))));
  EXPECT_THAT(journal_->Records(ClientHold::kKind), IsEmpty());
}

TEST_F(Leftovers, AFunctionThatIsGoneIsForgotten) {
  AddPf();
  TakeAndCrash({kPf});
  sysfs_.RemoveFunction(kPf);
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Leftovers, AFunctionThatSomebodyHasReboundKeepsThatDriver) {
  AddPf();
  TakeAndCrash({kPf});
  sysfs_.SetDriver(kPf, "nvme");
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_EQ(sysfs_.DriverOf(kPf), "nvme");
  EXPECT_EQ(sysfs_.OverrideOf(kPf), "") << "what the former daemon wrote there";
}

TEST_F(Leftovers, ACrashBeforeBindingLeavesNothingToDo) {
  AddPf();
  const FormerState former{.function = kPfAddress, .driver = {"igb", ""}, .netdevs = {"eth0"}};
  ASSERT_TRUE(journal_->Add(FormerState::kKind, former.ToFields()).ok());
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_THAT(sysfs_.Writes(), IsEmpty());
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Leftovers, ACrashBetweenTheDriversIsUndone) {
  AddPf({.driver = "", .group = 7, .driver_override = "vfio-pci"});
  const FormerState former{.function = kPfAddress, .driver = {"igb", "mine"}};
  ASSERT_TRUE(journal_->Add(FormerState::kKind, former.ToFields()).ok());
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_EQ(sysfs_.OverrideOf(kPf), "mine");
}

TEST_F(Leftovers, FormerVfsComeBack) {
  AddPf({.driver = "vfio-pci", .group = 7, .total_vfs = 4, .driver_override = "vfio-pci"});
  const FormerState former{.function = kPfAddress, .driver = {"igb", ""}, .vfs = 2};
  ASSERT_TRUE(journal_->Add(FormerState::kKind, former.ToFields()).ok());
  EXPECT_THAT(UndoAll(), IsEmpty());
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_TRUE(sysfs_.Eventually([&] { return Vfs() == 2; }));
}

TEST_F(Leftovers, ADriverThatLetGoLateGetsItBackAllTheSame) {
  AddPf({.driver = "", .group = 7, .driver_override = "vfio-pci"});
  const FormerState former{.function = kPfAddress, .driver = {"igb", ""}};
  ASSERT_TRUE(journal_->Add(FormerState::kKind, former.ToFields()).ok());
  ASSERT_TRUE(Take(kPf).ok());  // and given back at once
  EXPECT_EQ(sysfs_.DriverOf(kPf), "igb");
  EXPECT_THAT(journal_->Records(), IsEmpty());
}

TEST_F(Leftovers, VfsOpenWithTheSecretOfTheDaemonThatCrashed) {
  AddPf({.driver = "vfio-pci", .group = 7, .total_vfs = 4, .driver_override = "vfio-pci"});
  FormerState former{.function = kPfAddress, .driver = {"igb", ""}};
  former.vf_token = {1, 2, 3};
  ASSERT_TRUE(journal_->Add(FormerState::kKind, former.ToFields()).ok());
  const auto taken = TakeFunction(kPf, {.vfs = 2}, *journal_, host_);
  ASSERT_TRUE(taken.ok()) << taken.status();
  EXPECT_EQ(taken->former().vf_token, former.vf_token);
}

TEST_F(Leftovers, WhatWasTakenLastGoesBackFirst) {
  AddPf();
  sysfs_.AddFunction("0000:02:00.0", {.driver = "igb", .group = 8});
  TakeAndCrash({"0000:02:00.0", kPf});
  const size_t before = sysfs_.Writes().size();
  EXPECT_THAT(UndoLeftovers(*journal_, {}, host_), IsEmpty());
  const auto writes = sysfs_.Writes();
  ASSERT_EQ(writes.size(), before + 4);
  EXPECT_EQ(writes[before], "unbind vfio-pci 0000:01:00.0");
  EXPECT_EQ(writes[before + 2], "unbind vfio-pci 0000:02:00.0");
}

TEST_F(Leftovers, ARecordThatDoesNotReadIsSaidSoAndKept) {
  ASSERT_TRUE(journal_->Add(FormerState::kKind, {{"function", "nonsense"}}).ok());
  const auto left = UndoAll();
  ASSERT_EQ(left.size(), 1u);
  EXPECT_EQ(left[0].code(), StatusCode::kDataLoss);
  EXPECT_THAT(Words(left[0]), AllOf(HasSubstr("record 1"), HasSubstr("function")));
  EXPECT_EQ(journal_->Records().size(), 1u);
}

TEST_F(Leftovers, AClientThatHasEndedIsNotNoted) {
  Client client;
  const uint32_t pid = client.pid();
  client.End();
  EXPECT_EQ(NoteClient(kPfAddress, 1, pid, *journal_, host_).status().code(),
            StatusCode::kNotFound);
}

}  // namespace
}  // namespace qsplit::vfio
