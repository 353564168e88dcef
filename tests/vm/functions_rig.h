// What tests of PCI functions through the real VFIO share; functions.py boots a guest for them.
//
// One 82574 and one 82576 are there, each with the kernel's driver and a group of its own; each
// test leaves them so.
#ifndef QSPLIT_TESTS_VM_FUNCTIONS_RIG_H_
#define QSPLIT_TESTS_VM_FUNCTIONS_RIG_H_

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "daemon/backend/vfio/ownership.h"

namespace qsplit::vfio {

inline constexpr uint16_t kE1000e = 0x10d3;
inline constexpr uint16_t kIgb = 0x10c9;
inline constexpr uint64_t kPage = 4096;

inline std::string Words(const absl::Status& status) { return std::string(status.message()); }

inline void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream out(path);
  ASSERT_TRUE(out << text << std::flush) << path;
}

// Memory that can be mapped for DMA.
class Memory {
 public:
  explicit Memory(uint64_t bytes) : bytes_(bytes) {
    at_ = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  }
  ~Memory() { ::munmap(at_, bytes_); }
  void* at() const { return at_; }

 private:
  void* at_;
  uint64_t bytes_;
};

// A process that does something and then lives on until it is told to end.
class Process {
 public:
  explicit Process(const std::function<void()>& first) {
    int ends[2];
    if (::pipe(ends) != 0) abort();
    pid_ = ::fork();
    if (pid_ == 0) {
      constexpr int kDone = 200;  // out of the way of those that `first` closes
      ::dup2(ends[1], kDone);
      first();
      (void)!::write(kDone, "x", 1);
      while (true) ::pause();
    }
    ::close(ends[1]);
    char done = 0;
    if (::read(ends[0], &done, 1) != 1) ADD_FAILURE() << "the process has ended by itself";
    ::close(ends[0]);
  }
  ~Process() { End(); }
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }
  void End() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    pid_ = -1;
  }

 private:
  pid_t pid_ = -1;
};

class FunctionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto journal = journal::Journal::Open(absl::StrCat("/tmp/journal-", ::getpid()));
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }
  void TearDown() override {
    const auto left = UndoLeftovers(*journal_);
    EXPECT_TRUE(left.empty()) << left[0];
  }

  static linux_sys::PciAddress Find(uint16_t device) {
    for (const auto& entry : std::filesystem::directory_iterator("/sys/bus/pci/devices")) {
      const auto address = linux_sys::PciAddress::Parse(entry.path().filename().string());
      if (linux_sys::ReadPciFacts(*address)->device_id == device) return *address;
    }
    ADD_FAILURE() << "this guest has no such NIC: " << device;
    return {};
  }
  TakenFunction Take(const linux_sys::PciAddress& address, const TakeOptions& options = {}) {
    auto taken = TakeFunction(address.ToString(), options, *journal_);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return *std::move(taken);
  }
  static linux_sys::VfioFunction Open(const TakenFunction& taken) {
    auto function = taken.Open();
    EXPECT_TRUE(function.ok()) << function.status();
    return *std::move(function);
  }

  std::unique_ptr<journal::Journal> journal_;
};

}  // namespace qsplit::vfio

#endif  // QSPLIT_TESTS_VM_FUNCTIONS_RIG_H_
