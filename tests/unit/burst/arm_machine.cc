#include "tests/unit/burst/arm_machine.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <iostream>
#include <utility>

#include "absl/strings/str_cat.h"

namespace qsplit::dataplane::burst::testing {
namespace {

constexpr size_t kPage = 4096;
constexpr uint64_t kReturn = 0x1000;
constexpr uint64_t kCode = 0x10'0000;
constexpr uint64_t kStack = 0x4000'0000;
constexpr size_t kStackBytes = 4 * kPage;
constexpr uint64_t kWindows = 0x1'0000'0000;
constexpr uint64_t kWindowStep = 0x1000'0000;
constexpr uint64_t kMostInstructions = 1'000'000;

// Arm ARM, C6.2 "LDAR": 64 bits, whatever the registers.
bool IsLoadAcquire(uint32_t instruction) { return (instruction & 0xffff'fc00) == 0xc8df'fc00; }

// "DMB": of loads and stores, as far as devices are (option OSH).
constexpr uint32_t kDmbOsh = 0xd503'33bf;

void Must(uc_err error, const char* what) {
  if (error == UC_ERR_OK) return;
  std::cerr << "unicorn: " << what << ": " << uc_strerror(error) << "\n";
  std::abort();
}

std::byte* Map(uc_engine* engine, uint64_t address, size_t bytes, uint32_t access) {
  void* at = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) Must(UC_ERR_NOMEM, "mmap");
  Must(uc_mem_map_ptr(engine, address, bytes, access, at), "uc_mem_map_ptr");
  return static_cast<std::byte*>(at);
}

// What a function leaves as it was (AAPCS64, 6.1.1 and 6.1.2).
constexpr int kKept[] = {UC_ARM64_REG_X19, UC_ARM64_REG_X20, UC_ARM64_REG_X21, UC_ARM64_REG_X22,
                         UC_ARM64_REG_X23, UC_ARM64_REG_X24, UC_ARM64_REG_X25, UC_ARM64_REG_X26,
                         UC_ARM64_REG_X27, UC_ARM64_REG_X28, UC_ARM64_REG_X29, UC_ARM64_REG_D8,
                         UC_ARM64_REG_D9,  UC_ARM64_REG_D10, UC_ARM64_REG_D11, UC_ARM64_REG_D12,
                         UC_ARM64_REG_D13, UC_ARM64_REG_D14, UC_ARM64_REG_D15};

uint64_t KeptValue(int reg) { return 0x5a5a'0000'0000'0000 | static_cast<uint64_t>(reg); }

}  // namespace

ArmMachine::ArmMachine(std::span<const std::byte> code) {
  Must(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &engine_), "uc_open");
  code_bytes_ = (code.size() + kPage - 1) / kPage * kPage;
  code_ = Map(engine_, kCode, code_bytes_, UC_PROT_READ | UC_PROT_EXEC);
  std::memcpy(code_, code.data(), code.size());
  stack_ = Map(engine_, kStack, kStackBytes, UC_PROT_READ | UC_PROT_WRITE);
  for (uint32_t a = 0; a < kAreas; ++a) {
    windows_[a] =
        Map(engine_, kWindows + a * kWindowStep, kMaxAreaBytes, UC_PROT_READ | UC_PROT_WRITE);
  }
  uc_cb_hookcode_t on_code = [](uc_engine*, uint64_t address, uint32_t, void* self) {
    auto* machine = static_cast<ArmMachine*>(self);
    machine->instruction_ = address;
    if (machine->Instruction() == kDmbOsh) machine->barrier_ = true;
  };
  uc_cb_hookmem_t on_access = [](uc_engine*, uc_mem_type type, uint64_t address, int bytes, int64_t,
                                 void* self) {
    static_cast<ArmMachine*>(self)->OnAccess(type == UC_MEM_WRITE, address,
                                             static_cast<uint32_t>(bytes));
  };
  uc_cb_eventmem_t on_unmapped = [](uc_engine*, uc_mem_type type, uint64_t address, int bytes,
                                    int64_t, void* self) {
    static_cast<ArmMachine*>(self)->Fail(
        absl::StrCat(type == UC_MEM_FETCH_UNMAPPED ? "runs" : "touches", " ", bytes, " bytes at 0x",
                     absl::Hex(address), ", where nothing is"));
    return false;
  };
  uc_hook unused;
  Must(uc_hook_add(engine_, &unused, UC_HOOK_CODE, reinterpret_cast<void*>(on_code), this, 1, 0),
       "uc_hook_add");
  Must(uc_hook_add(engine_, &unused, UC_HOOK_MEM_READ | UC_HOOK_MEM_WRITE,
                   reinterpret_cast<void*>(on_access), this, 1, 0),
       "uc_hook_add");
  Must(uc_hook_add(engine_, &unused, UC_HOOK_MEM_INVALID, reinterpret_cast<void*>(on_unmapped),
                   this, 1, 0),
       "uc_hook_add");
}

ArmMachine::~ArmMachine() {
  uc_close(engine_);
  munmap(code_, code_bytes_);
  munmap(stack_, kStackBytes);
  for (std::byte* window : windows_) munmap(window, kMaxAreaBytes);
}

uint64_t ArmMachine::AddressOf(AreaNumber area, size_t bytes) {
  return kWindows + area * kWindowStep + kMaxAreaBytes - bytes;
}

void ArmMachine::Fail(std::string what) {
  if (!fault_.empty()) return;
  fault_ = absl::StrCat("the instruction at offset 0x", absl::Hex(instruction_ - kCode), " ", what);
  uc_emu_stop(engine_);
}

uint32_t ArmMachine::Instruction() const {
  uint32_t instruction = 0;
  if (instruction_ - kCode < code_bytes_) {
    std::memcpy(&instruction, code_ + (instruction_ - kCode), sizeof instruction);
  }
  return instruction;
}

void ArmMachine::OnAccess(bool is_write, uint64_t address, uint32_t bytes) {
  if (address >= kStack && address + bytes <= kStack + kStackBytes) return;
  if (!is_write && address >= kCode && address + bytes <= kCode + code_bytes_) return;
  const auto number = static_cast<uint32_t>((address - kWindows) / kWindowStep);
  if (address >= kWindows && number < kAreas) {
    const auto which = static_cast<AreaNumber>(number);
    const Area& area = arguments_->areas[which];
    const uint64_t begin = AddressOf(which, area.bytes.size());
    if (address >= begin && address + bytes <= begin + area.bytes.size() &&
        (is_write ? area.may_write : area.may_read)) {
      accesses_.push_back({which, address - begin, bytes, is_write, IsLoadAcquire(Instruction()),
                           std::exchange(barrier_, false)});
      return;
    }
  }
  Fail(absl::StrCat(is_write ? "writes " : "reads ", bytes, " bytes at 0x", absl::Hex(address)));
}

std::optional<uint32_t> ArmMachine::Call(size_t function, const Arguments& arguments) {
  arguments_ = &arguments;
  accesses_.clear();
  barrier_ = false;
  fault_.clear();
  // Whatever stands in the rest of a register that has 32 bits to say.
  constexpr uint64_t kGarbage = 0xdead'beef'0000'0000;
  const auto address = [&](AreaNumber area) {
    return AddressOf(area, arguments.areas[area].bytes.size());
  };
  const uint64_t values[] = {
      address(kSlots),           address(kStates),   kGarbage | arguments.first,
      kGarbage | arguments.most, address(kElements), arguments.more.value_or(address(kMore))};
  for (uint32_t a = 0; a < kAreas; ++a) {
    const std::span<std::byte> bytes = arguments.areas[a].bytes;
    if (bytes.size() > kMaxAreaBytes) std::abort();
    if (bytes.empty()) continue;
    std::memcpy(windows_[a] + kMaxAreaBytes - bytes.size(), bytes.data(), bytes.size());
  }
  constexpr int kArgumentRegisters[] = {UC_ARM64_REG_X0, UC_ARM64_REG_X1, UC_ARM64_REG_X2,
                                        UC_ARM64_REG_X3, UC_ARM64_REG_X4, UC_ARM64_REG_X5};
  const auto write = [&](int reg, uint64_t value) {
    Must(uc_reg_write(engine_, reg, &value), "uc_reg_write");
  };
  const auto read = [&](int reg) {
    uint64_t value = 0;
    Must(uc_reg_read(engine_, reg, &value), "uc_reg_read");
    return value;
  };
  for (size_t i = 0; i < std::size(values); ++i) write(kArgumentRegisters[i], values[i]);
  for (const int reg : kKept) write(reg, KeptValue(reg));
  const uint64_t stack = kStack + kStackBytes;
  write(UC_ARM64_REG_SP, stack);
  write(UC_ARM64_REG_LR, kReturn);
  const uc_err error = uc_emu_start(engine_, kCode + function, kReturn, 0, kMostInstructions);
  if (error != UC_ERR_OK) Fail(absl::StrCat("stops the processor: ", uc_strerror(error)));
  if (read(UC_ARM64_REG_PC) != kReturn) Fail("is not the last: the function does not return");
  if (read(UC_ARM64_REG_SP) != stack) Fail("leaves the stack's pointer elsewhere");
  for (const int reg : kKept) {
    if (read(reg) != KeptValue(reg)) Fail(absl::StrCat("leaves register ", reg, " changed"));
  }
  if (!fault_.empty()) return std::nullopt;
  for (uint32_t a = 0; a < kAreas; ++a) {
    const Area& area = arguments.areas[a];
    if (!area.may_write || area.bytes.empty()) continue;
    std::memcpy(area.bytes.data(), windows_[a] + kMaxAreaBytes - area.bytes.size(),
                area.bytes.size());
  }
  return static_cast<uint32_t>(read(UC_ARM64_REG_X0));
}

}  // namespace qsplit::dataplane::burst::testing
