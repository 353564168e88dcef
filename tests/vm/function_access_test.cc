// What VFIO gives of a function that is ours: registers, memory for DMA, interrupts, and when it is
// free again.
#include <gmock/gmock.h>
#include <linux/capability.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include "daemon/linux/eventfd.h"
#include "tests/vm/functions_rig.h"

namespace qsplit::vfio {
namespace {

using absl::StatusCode;
using linux_sys::VfioFunction;
using ::testing::AllOf;
using ::testing::HasSubstr;

using FunctionAccess = FunctionsTest;

uint32_t Register(const linux_sys::BarWindow& window, uint32_t offset) {
  return *reinterpret_cast<const volatile uint32_t*>(window.data() + offset);
}
void SetRegister(const linux_sys::BarWindow& window, uint32_t offset, uint32_t value) {
  *reinterpret_cast<volatile uint32_t*>(window.data() + offset) = value;
}

TEST_F(FunctionAccess, HaveRegistersAndConfigurationSpace) {
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

TEST_F(FunctionAccess, RegistersThatGoAwayDoNotKill) {
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

TEST_F(FunctionAccess, MemoryIsMappedAndUnmapped) {
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

TEST_F(FunctionAccess, TheAddressSpaceSaysWhatItLeavesOut) {
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

TEST_F(FunctionAccess, ALimitOfMappingsIsNamed) {
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

TEST_F(FunctionAccess, ALimitOfLockedMemoryIsNamed) {
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

TEST_F(FunctionAccess, InterruptsArriveAtTheirEventFds) {
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

TEST_F(FunctionAccess, AHandedOverFunctionIsFreeWhenNobodyHasIt) {
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

}  // namespace
}  // namespace qsplit::vfio
