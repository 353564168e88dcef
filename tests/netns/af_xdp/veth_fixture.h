// A veth pair in a network namespace of the test's own, and a journal; gone with the test.
#ifndef QSPLIT_TESTS_NETNS_AF_XDP_VETH_FIXTURE_H_
#define QSPLIT_TESTS_NETNS_AF_XDP_VETH_FIXTURE_H_

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <string>

#include "daemon/journal/journal.h"
#include "daemon/linux/netdev_link.h"

namespace qsplit::test {

class VethFixture : public ::testing::Test {
 protected:
  static constexpr char kNetdev[] = "d0";
  static constexpr char kPeer[] = "d1";

  void SetUp() override {
    name_ = "qsxt" + std::to_string(::getpid());
    if (::geteuid() != 0 || std::system(("ip netns add " + name_ + " 2>/dev/null").c_str()) != 0) {
      GTEST_SKIP() << "SKIPPED: needs root to make a network namespace";
    }
    Run("ip link add d0 numrxqueues 4 numtxqueues 4 type veth peer name d1 numrxqueues 4 "
        "numtxqueues 4");
    Run("ip link set d0 up");
    Run("ip link set d1 up");
    dir_ = std::filesystem::temp_directory_path() / name_;
    std::filesystem::create_directories(dir_);
    OpenJournal();
  }
  void TearDown() override {
    if (name_.empty()) return;
    std::filesystem::remove_all(dir_);
    EXPECT_EQ(std::system(("ip netns del " + name_).c_str()), 0);
  }

  void Run(const std::string& command) {
    ASSERT_EQ(std::system(("ip netns exec " + name_ + " " + command).c_str()), 0) << command;
  }
  // As the next daemon finds it.
  void OpenJournal() {
    journal_.reset();
    auto journal = journal::Journal::Open(dir_ / "journal");
    ASSERT_TRUE(journal.ok()) << journal.status();
    journal_ = *std::move(journal);
  }
  uint32_t ifindex() const {
    const auto link = linux_sys::NetdevLink::Open(name_, kNetdev);
    if (!link.ok()) return 0;
    const auto facts = (*link)->GetFacts();
    return facts.ok() ? static_cast<uint32_t>(facts->index) : 0;
  }

  const std::string& netns() const { return name_; }

  std::string name_;
  std::filesystem::path dir_;
  std::unique_ptr<journal::Journal> journal_;
};

}  // namespace qsplit::test

#endif  // QSPLIT_TESTS_NETNS_AF_XDP_VETH_FIXTURE_H_
