// PCI functions through the real VFIO, in a guest: functions.py boots it and runs this there.
//
// One 82574 and one 82576 are there, each with the kernel's driver and a group of its own; each
// test leaves them so.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "daemon/backend/vfio/ownership.h"
#include "daemon/linux/eventfd.h"

namespace qsplit::vfio {
namespace {

using absl::StatusCode;
using linux_sys::PciAddress;
using linux_sys::VfioFunction;
using ::testing::AllOf;
using ::testing::HasSubstr;

constexpr uint16_t kE1000e = 0x10d3;
constexpr uint16_t kIgb = 0x10c9;
constexpr uint64_t kPage = 4096;

std::string Words(const absl::Status& status) { return std::string(status.message()); }

void WriteFile(const std::string& path, const std::string& text) {
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

class Functions : public ::testing::Test {
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

  static PciAddress Find(uint16_t device) {
    for (const auto& entry : std::filesystem::directory_iterator("/sys/bus/pci/devices")) {
      const auto address = PciAddress::Parse(entry.path().filename().string());
      if (linux_sys::ReadPciFacts(*address)->device_id == device) return *address;
    }
    ADD_FAILURE() << "this guest has no such NIC: " << device;
    return {};
  }
  TakenFunction Take(const PciAddress& address, const TakeOptions& options = {}) {
    auto taken = TakeFunction(address.ToString(), options, *journal_);
    EXPECT_TRUE(taken.ok()) << taken.status();
    return *std::move(taken);
  }
  static VfioFunction Open(const TakenFunction& taken) {
    auto function = taken.Open();
    EXPECT_TRUE(function.ok()) << function.status();
    return *std::move(function);
  }

  std::unique_ptr<journal::Journal> journal_;
};

uint32_t Register(const linux_sys::BarWindow& window, uint32_t offset) {
  return *reinterpret_cast<const volatile uint32_t*>(window.data() + offset);
}
void SetRegister(const linux_sys::BarWindow& window, uint32_t offset, uint32_t value) {
  *reinterpret_cast<volatile uint32_t*>(window.data() + offset) = value;
}

TEST_F(Functions, AreTakenFromTheirDriversAndGivenBack) {
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

TEST_F(Functions, HaveRegistersAndConfigurationSpace) {
  const TakenFunction taken = Take(Find(kE1000e));
  const VfioFunction function = Open(taken);
  EXPECT_EQ(*function.ReadConfig<uint16_t>(0), 0x8086);
  EXPECT_EQ(*function.ReadConfig<uint16_t>(2), kE1000e);
  EXPECT_EQ(function.ReadConfig<uint32_t>(4096).status().code(), StatusCode::kOutOfRange);
  EXPECT_EQ(function.ReadConfig<uint32_t>(2).status().code(), StatusCode::kOutOfRange);
  for (const bool on : {true, false, true}) {
    ASSERT_TRUE(function.SetBusMaster(on).ok());
    EXPECT_EQ((*function.ReadConfig<uint16_t>(4) & 4) != 0, on);
  }
  const auto bar = function.Region(0);
  ASSERT_TRUE(bar.ok()) << bar.status();
  EXPECT_EQ(bar->length_bytes, 128u << 10);
  const auto window = function.MapBar(0);
  ASSERT_TRUE(window.ok()) << window.status();
  // RAL0 is the MAC address's first half, 82574 datasheet 10.2.5.16.
  EXPECT_EQ(Register(*window, 0x5400), 0x00005452u);
  const uint32_t former = Register(*window, 0x3828);
  SetRegister(*window, 0x3828, former ^ 0x1000001);  // TXDCTL
  EXPECT_NE(Register(*window, 0x3828), former);
  const absl::Status reset = function.Reset();
  EXPECT_TRUE(reset.ok()) << reset;
  EXPECT_EQ(Register(*window, 0x5400), 0x00005452u);
  EXPECT_EQ(function.MapBar(5).status().code(), StatusCode::kFailedPrecondition);
}

TEST_F(Functions, RegistersThatGoAwayDoNotKill) {
  const TakenFunction taken = Take(Find(kE1000e));
  const VfioFunction function = Open(taken);
  auto window = function.MapBar(0);
  ASSERT_TRUE(window.ok()) << window.status();
  ASSERT_EQ(Register(*window, 0x5400), 0x00005452u);
  const uint16_t command = *function.ReadConfig<uint16_t>(4);
  ASSERT_TRUE(function.WriteConfig<uint16_t>(4, command & ~2).ok());  // no memory decoding
  EXPECT_EQ(Register(*window, 0x5400), 0u);
  EXPECT_TRUE(window->lost());
  ASSERT_TRUE(function.WriteConfig<uint16_t>(4, command | 2).ok());
  window = function.MapBar(0);
  ASSERT_TRUE(window.ok()) << window.status();
  EXPECT_EQ(Register(*window, 0x5400), 0x00005452u);
  EXPECT_FALSE(window->lost());
}

TEST_F(Functions, MemoryIsMappedAndUnmapped) {
  const TakenFunction taken = Take(Find(kE1000e));
  const VfioFunction function = Open(taken);
  const Memory memory(16 * kPage);
  ASSERT_TRUE(function.MapDma(0x100000, memory.at(), 16 * kPage, true).ok());
  EXPECT_EQ(function.MapDma(0x101000, memory.at(), kPage, true).code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(function.MapDma(0x200001, memory.at(), kPage, true).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(function.MapDma(0xfee00000, memory.at(), kPage, true).code(),
            StatusCode::kInvalidArgument);
  EXPECT_EQ(function.MapDma(0x300000, nullptr, kPage, true).code(), StatusCode::kInvalidArgument);
  EXPECT_FALSE(function.UnmapDma(0x101000, kPage).ok()) << "a part of a mapping";
  EXPECT_TRUE(function.UnmapDma(0x100000, 16 * kPage).ok());
  EXPECT_EQ(function.UnmapDma(0x100000, 16 * kPage).code(), StatusCode::kNotFound);
  EXPECT_TRUE(function.MapDma(0x101000, memory.at(), kPage, false).ok());
}

TEST_F(Functions, TheAddressSpaceSaysWhatItLeavesOut) {
  const TakenFunction taken = Take(Find(kE1000e));
  const VfioFunction function = Open(taken);
  const auto space = function.ReadDmaSpace();
  ASSERT_TRUE(space.ok()) << space.status();
  EXPECT_NE(space->page_sizes & kPage, 0u);
  ASSERT_FALSE(space->ranges.empty());
  for (const linux_sys::IovaRange& range : space->ranges) {
    EXPECT_TRUE(range.last < 0xfee00000 || range.first > 0xfeefffff) << "the interrupts' addresses";
  }
  const Memory memory(kPage);
  ASSERT_TRUE(space->mappings_left.has_value());
  ASSERT_TRUE(function.MapDma(0, memory.at(), kPage, true).ok());
  EXPECT_EQ(function.ReadDmaSpace()->mappings_left, *space->mappings_left - 1);
}

TEST_F(Functions, ALimitOfMappingsIsNamed) {
  constexpr char kLimit[] = "/sys/module/vfio_iommu_type1/parameters/dma_entry_limit";
  WriteFile(kLimit, "2");
  {
    const TakenFunction taken = Take(Find(kE1000e));
    const VfioFunction function = Open(taken);
    const Memory memory(kPage);
    EXPECT_TRUE(function.MapDma(0x0000, memory.at(), kPage, true).ok());
    EXPECT_TRUE(function.MapDma(0x1000, memory.at(), kPage, true).ok());
    const absl::Status third = function.MapDma(0x2000, memory.at(), kPage, true);
    EXPECT_EQ(third.code(), StatusCode::kResourceExhausted);
    EXPECT_THAT(Words(third), HasSubstr("dma_entry_limit 2"));
  }
  WriteFile(kLimit, "65535");
}

TEST_F(Functions, ALimitOfLockedMemoryIsNamed) {
  const TakenFunction taken = Take(Find(kE1000e));
  const VfioFunction function = Open(taken);
  const Memory memory(64 * kPage);
  rlimit former{};
  ASSERT_EQ(::getrlimit(RLIMIT_MEMLOCK, &former), 0);
  rlimit tight = former;
  tight.rlim_cur = 16 * kPage;
  ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &tight), 0);
  __user_cap_header_struct header{.version = _LINUX_CAPABILITY_VERSION_3, .pid = 0};
  __user_cap_data_struct all[2];
  ASSERT_EQ(::syscall(SYS_capget, &header, all), 0);
  __user_cap_data_struct fewer[2] = {all[0], all[1]};
  fewer[0].effective &= ~(1u << CAP_IPC_LOCK);
  ASSERT_EQ(::syscall(SYS_capset, &header, fewer), 0);
  const absl::Status refused = function.MapDma(0x100000, memory.at(), 64 * kPage, true);
  const absl::Status fits = function.MapDma(0x100000, memory.at(), 8 * kPage, true);
  ASSERT_EQ(::syscall(SYS_capset, &header, all), 0);
  ASSERT_EQ(::setrlimit(RLIMIT_MEMLOCK, &former), 0);
  EXPECT_EQ(refused.code(), StatusCode::kResourceExhausted);
  EXPECT_THAT(Words(refused), AllOf(HasSubstr("RLIMIT_MEMLOCK"), HasSubstr("65536 bytes")));
  EXPECT_TRUE(fits.ok()) << fits;
}

TEST_F(Functions, InterruptsArriveAtTheirEventFds) {
  const TakenFunction taken = Take(Find(kIgb));
  VfioFunction function = Open(taken);
  ASSERT_TRUE(function.SetBusMaster(true).ok());
  const auto count = function.MsixCount();
  ASSERT_TRUE(count.ok()) << count.status();
  ASSERT_GE(*count, 3u);
  const auto event = linux_sys::CreateEventFd();
  ASSERT_TRUE(event.ok());
  const int fds[] = {event->get()};
  const absl::Status set = function.SetMsixEvents(2, fds);
  ASSERT_TRUE(set.ok()) << set;
  EXPECT_EQ(function.SetMsixEvents(*count, fds).code(), StatusCode::kOutOfRange);
  const auto window = function.MapBar(0);
  ASSERT_TRUE(window.ok());
  // 82576 datasheet 8.8: GPIE.Multiple_MSIX, EIAC, EIMS, EICS.
  SetRegister(*window, 0x1514, 1u << 4);
  SetRegister(*window, 0x152c, 1u << 2);
  SetRegister(*window, 0x1524, 1u << 2);
  const auto rung = [&] {
    SetRegister(*window, 0x1520, 1u << 2);
    pollfd wait{.fd = event->get(), .events = POLLIN, .revents = 0};
    const bool came = ::poll(&wait, 1, 1000) == 1;
    linux_sys::ClearEventFd(event->get());
    return came;
  };
  EXPECT_TRUE(rung());
  ASSERT_TRUE(function.ClearMsixEvents().ok());
  EXPECT_FALSE(rung());
  ASSERT_TRUE(function.SetMsixEvents(2, fds).ok());
  SetRegister(*window, 0x1524, 1u << 2);
  EXPECT_TRUE(rung());
}

TEST_F(Functions, AHandedOverFunctionIsFreeWhenNobodyHasIt) {
  TakenFunction taken = Take(Find(kE1000e));
  {
    VfioFunction function = Open(taken);
    const Memory memory(kPage);
    EXPECT_EQ(function.HeldElsewhere().status().code(), StatusCode::kFailedPrecondition);
    // One has the descriptor, the other, in the end, a mapping alone.
    Process holder([] {});
    Process mapper([&] {
      const auto region = function.Region(0);
      void* at = ::mmap(nullptr, kPage, PROT_READ, MAP_SHARED, function.fd(),
                        static_cast<off_t>(region->fd_offset_bytes));
      if (at == MAP_FAILED) abort();
      ::close(function.fd());
    });
    function.Close();
    EXPECT_EQ(function.HeldElsewhere().value_or(false), true);
    EXPECT_TRUE(function.MapDma(0, memory.at(), kPage, true).ok()) << "the address space stays";
    EXPECT_TRUE(function.UnmapDma(0, kPage).ok());
    holder.End();
    EXPECT_EQ(function.HeldElsewhere().value_or(false), true) << "a mapping holds it";
    EXPECT_EQ(function.MapBar(0).status().code(), StatusCode::kFailedPrecondition);
    mapper.End();
    EXPECT_EQ(function.HeldElsewhere().value_or(true), false);
    EXPECT_EQ(function.HeldElsewhere().value_or(true), false);
    const absl::Status opened = function.Reopen();
    ASSERT_TRUE(opened.ok()) << opened;
    EXPECT_EQ(*function.ReadConfig<uint16_t>(2), kE1000e);
    EXPECT_TRUE(function.MapDma(0, memory.at(), kPage, true).ok());
  }
  EXPECT_TRUE(taken.Release().ok());
}

TEST_F(Functions, AClientThatOutlivesTheDaemonIsNamed) {
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

TEST_F(Functions, ADriverThatDoesNotLetGoStallsNobody) {
  const PciAddress address = Find(kE1000e);
  ASSERT_TRUE(linux_sys::BindDriver(address, "vfio-pci").ok());
  const uint32_t group = linux_sys::ReadPciFacts(address)->iommu_group->number;
  {
    Process holder([&] {
      static auto function = VfioFunction::Open(address, group);
      if (!function.ok()) abort();
    });
    const absl::Time start = absl::Now();
    const absl::Status stuck =
        linux_sys::RestoreDriver(address, {"e1000e", ""}, {.patience = absl::Seconds(1)});
    EXPECT_LT(absl::Now() - start, absl::Seconds(4));
    EXPECT_EQ(stuck.code(), StatusCode::kDeadlineExceeded);
    EXPECT_THAT(Words(stuck), HasSubstr("driver vfio-pci does not let go"));
    const absl::Status again =
        linux_sys::RestoreDriver(address, {"e1000e", ""}, {.patience = absl::Seconds(1)});
    EXPECT_EQ(again.code(), StatusCode::kDeadlineExceeded) << again;
  }
  const absl::Time until = absl::Now() + absl::Seconds(30);
  absl::Status restored;
  do {
    restored = linux_sys::RestoreDriver(address, {"e1000e", ""});
  } while (!restored.ok() && absl::Now() < until);
  EXPECT_TRUE(restored.ok()) << restored;
}

TEST_F(Functions, AVfOfTheKernelsPfIsTakenByItself) {
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

TEST_F(Functions, AVfOfOurPfWantsItsToken) {
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

TEST_F(Functions, ANetdevThatTheHostUsesStays) {
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
