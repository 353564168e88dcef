// Executable memory: what is put in runs, nobody can write it, it goes with its owner; and where
// the system or the user forbids it, queues are driven all the same.
#include "dataplane/burst/code_memory.h"

#include <gtest/gtest.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <fstream>
#include <string>

#include "dataplane/rx_device.h"
#include "dataplane/rx_driver.h"
#include "dataplane/tx_device.h"
#include "dataplane/tx_driver.h"
#include "tests/unit/dataplane/test_ring.h"

// PR_SET_MDWE, since Linux 6.3 (linux/prctl.h): no memory becomes executable any more.
#ifndef PR_SET_MDWE
#define PR_SET_MDWE 65
#define PR_MDWE_REFUSE_EXEC_GAIN 1
#endif

namespace qsplit::dataplane::burst {
namespace {

// How /proc/self/maps describes the mapping of an address: "r-xp"; empty: there is none.
std::string AccessOf(const void* at) {
  const auto address = reinterpret_cast<uintptr_t>(at);
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    const size_t dash = line.find('-');
    const uintptr_t begin = std::stoull(line.substr(0, dash), nullptr, 16);
    const uintptr_t end = std::stoull(line.substr(dash + 1), nullptr, 16);
    if (address >= begin && address < end) return line.substr(line.find(' ') + 1, 4);
  }
  return "";
}

#if defined(__x86_64__)
constexpr std::array<std::byte, 6> kReturn42 = {std::byte{0xb8}, std::byte{42}, std::byte{0},
                                                std::byte{0},    std::byte{0},  std::byte{0xc3}};
#elif defined(__aarch64__)
constexpr std::array<std::byte, 8> kReturn42 = {std::byte{0x40}, std::byte{0x05}, std::byte{0x80},
                                                std::byte{0x52}, std::byte{0xc0}, std::byte{0x03},
                                                std::byte{0x5f}, std::byte{0xd6}};
#endif

TEST(CodeMemory, RunsWhatIsPutInAndIsNeverWritable) {
  absl::StatusOr<CodeMemory> memory = CodeMemory::Create(kReturn42);
  ASSERT_TRUE(memory.ok()) << memory.status();
  EXPECT_EQ(memory->At<int (*)()>(0)(), 42);
  EXPECT_EQ(AccessOf(memory->begin()), "r-xp");
}

TEST(CodeMemory, OtherProcessorsFetchAnewWhereTheKernelCanMakeThem) {
  // linux/membarrier.h: MEMBARRIER_CMD_QUERY gives the commands that there are.
  const long commands = syscall(SYS_membarrier, 0, 0, 0);
  const bool can = commands > 0 && (commands & (1 << 5)) != 0;
  EXPECT_EQ(RefetchEverywhere(), can);
  EXPECT_EQ(RefetchEverywhere(), can);
}

TEST(CodeMemory, IsUnmappedWithItsOwner) {
  const std::byte* at = nullptr;
  {
    absl::StatusOr<CodeMemory> memory = CodeMemory::Create(kReturn42);
    ASSERT_TRUE(memory.ok()) << memory.status();
    CodeMemory moved = *std::move(memory);
    at = moved.begin();
    EXPECT_EQ(AccessOf(at), "r-xp");
  }
  EXPECT_NE(AccessOf(at), "r-xp");
}

// Runs `check` in a child process that first does `forbid`; what the check returned.
template <typename Forbid, typename Check>
int InChild(Forbid&& forbid, Check&& check) {
  const pid_t child = fork();
  if (child == 0) {
    if (!forbid()) _exit(77);
    _exit(check());
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// Whether what could be compiled is not, for this reason: else it has no plan, and says so. An
// in-place device's plans are left to the engine where they would be interpreted.
bool IsLeft(const AccessReport& access, absl::StatusCode reason, AccessMode to, int* left) {
  if (access.mode == AccessMode::kCompiled) return false;
  if (access.mode == AccessMode::kEngine && absl::IsUnimplemented(access.why_not_compiled)) {
    return true;
  }
  ++*left;
  return access.mode == to && access.why_not_compiled.code() == reason &&
         access.Text().find(std::string(access.why_not_compiled.message())) != std::string::npos;
}

// 0: both sides of a receive and a transmit queue can be opened, are interpreted for this reason,
// and work.
int DrivesWithout(absl::StatusCode reason) {
  int rx_drivers = 0, rx_devices = 0, tx_drivers = 0, tx_devices = 0;
  for (const testing::NamedLayout& layout : testing::LayoutsToDrive(v1::DIRECTION_RECEIVE)) {
    const testing::TestRing ring(*layout.layout, v1::DIRECTION_RECEIVE, 64);
    auto driver = RxDriver::Create(*layout.layout, ring.View(),
                                   {RxFields::All(), testing::QueueBufferBytes(*layout.layout)});
    if (!driver.ok()) return 1;
    if (!IsLeft(driver->Access(), reason, AccessMode::kInterpreted, &rx_drivers)) return 2;
    if (!driver->Post(Iova(0x10000), testing::QueueBufferBytes(*layout.layout), 1)) return 3;
    driver->Publish();
    auto device = RxDevice::Create(*layout.layout, ring.View(),
                                   {testing::QueueBufferBytes(*layout.layout), {}});
    if (!device.ok() || !IsLeft(device->Access(), reason, AccessMode::kEngine, &rx_devices)) {
      return 7;
    }
    PostedBuffer buffer;
    if (device->Fetch(&buffer) != RingFault::kNone || buffer.address != Iova(0x10000)) return 8;
  }
  for (const testing::NamedLayout& layout : testing::LayoutsToDrive(v1::DIRECTION_TRANSMIT)) {
    const testing::TestRing ring(*layout.layout, v1::DIRECTION_TRANSMIT, 64);
    auto driver = TxDriver::Create(*layout.layout, ring.View(), {});
    if (!driver.ok()) return 4;
    if (!IsLeft(driver->Access(), reason, AccessMode::kInterpreted, &tx_drivers)) return 5;
    const TxPacket packet{Iova(0x10000), 100, 1};
    PushResult why;
    if (driver->PushBurst(std::span(&packet, 1), TxRequest{}, &why) != 1) return 6;
    driver->Publish();
    auto device = TxDevice::Create(*layout.layout, ring.View(), {});
    if (!device.ok() || !IsLeft(device->Access(), reason, AccessMode::kEngine, &tx_devices)) {
      return 9;
    }
    TxWork work;
    if (device->Fetch(&work) != RingFault::kNone || work.bytes != packet.bytes) return 10;
  }
  const AccessReport process = AccessReport::OfProcess();
  if (process.mode != AccessMode::kInterpreted || process.why_not_compiled.code() != reason) {
    return 11;
  }
  // Of each at least one could have been compiled.
  return rx_drivers > 0 && rx_devices > 0 && tx_drivers > 0 && tx_devices > 0 ? 0 : 12;
}

TEST(CodeMemory, WhereTheSystemForbidsItDescriptorsAreInterpreted) {
  const auto forbid = [] { return prctl(PR_SET_MDWE, PR_MDWE_REFUSE_EXEC_GAIN, 0, 0, 0) == 0; };
  const int refused = InChild(forbid, [] {
    const absl::StatusOr<CodeMemory> memory = CodeMemory::Create(kReturn42);
    const bool says_so = absl::IsPermissionDenied(memory.status()) &&
                         memory.status().message().find("mprotect") != std::string::npos;
    return says_so ? 0 : 1;
  });
  if (refused == 77) GTEST_SKIP() << "this kernel has no PR_SET_MDWE (Linux 6.3)";
  EXPECT_EQ(refused, 0);
  EXPECT_EQ(InChild(forbid, [] { return DrivesWithout(absl::StatusCode::kPermissionDenied); }), 0);
}

TEST(CodeMemory, WhereTheUserForbidsItDescriptorsAreInterpreted) {
  const auto forbid = [] { return setenv("QSPLIT_JIT", "0", 1) == 0; };
  EXPECT_EQ(InChild(forbid, [] { return DrivesWithout(absl::StatusCode::kFailedPrecondition); }),
            0);
  const auto allow = [] { return setenv("QSPLIT_JIT", "1", 1) == 0; };
  EXPECT_EQ(InChild(allow, [] { return CodeMemory::Allowed().ok() ? 0 : 1; }), 0);
  EXPECT_EQ(InChild(allow,
                    [] {
                      const AccessReport process = AccessReport::OfProcess();
                      return process.mode == AccessMode::kCompiled &&
                                     process.Text() == "in bursts, by machine code"
                                 ? 0
                                 : 1;
                    }),
            0);
}

}  // namespace
}  // namespace qsplit::dataplane::burst
