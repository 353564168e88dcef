// A processor of aarch64 in an emulator, which runs the code of bursts and says every byte that the
// code touches: outside of what it was given, more than once, in what order. For machines that are
// none themselves, and to see what a processor does not show.
#ifndef QSPLIT_TESTS_UNIT_BURST_ARM_MACHINE_H_
#define QSPLIT_TESTS_UNIT_BURST_ARM_MACHINE_H_

#include <unicorn/unicorn.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace qsplit::dataplane::burst::testing {

class ArmMachine {
 public:
  explicit ArmMachine(std::span<const std::byte> code);
  ~ArmMachine();
  ArmMachine(const ArmMachine&) = delete;
  ArmMachine& operator=(const ArmMachine&) = delete;

  // Memory that code is given: whole words of 4 bytes, at most kMaxAreaBytes.
  struct Area {
    std::span<std::byte> bytes;
    bool may_read = false;
    bool may_write = false;
  };
  // What the pointers among the arguments point to, and what pointers in there do.
  enum AreaNumber : uint32_t { kSlots, kStates, kElements, kMore, kA, kB, kC, kAreas };
  struct Arguments {
    std::array<Area, kAreas> areas;
    uint32_t first = 0;
    uint32_t most = 0;
    // The last argument, where it is no pointer.
    std::optional<uint64_t> more = std::nullopt;
  };
  static constexpr size_t kMaxAreaBytes = size_t{1} << 18;

  // Where code finds an area of so many bytes: at the end of its window, in front of what is not
  // mapped.
  static uint64_t AddressOf(AreaNumber area, size_t bytes);

  // What code did with an area.
  struct Access {
    AreaNumber area = kSlots;
    size_t offset = 0;
    uint32_t bytes = 0;
    bool is_write = false;
    bool acquires = false;
    bool barred = false;  // a barrier stands between it and the access before it
  };

  // Calls the function at this offset of the code: (slots, states, first, most, elements, more).
  // None: see fault().
  std::optional<uint32_t> Call(size_t function, const Arguments& arguments);
  const std::vector<Access>& accesses() const { return accesses_; }
  // What it did that it must not: touched other bytes, did not come back, or not as it left.
  const std::string& fault() const { return fault_; }

 private:
  uint32_t Instruction() const;  // that is carried out
  void OnAccess(bool is_write, uint64_t address, uint32_t bytes);
  void Fail(std::string what);

  uc_engine* engine_ = nullptr;
  std::array<std::byte*, kAreas> windows_{};
  std::byte* code_ = nullptr;
  size_t code_bytes_ = 0;
  std::byte* stack_ = nullptr;
  const Arguments* arguments_ = nullptr;
  uint64_t instruction_ = 0;  // where the one stands that is carried out
  bool barrier_ = false;      // was carried out since the last access
  std::vector<Access> accesses_;
  std::string fault_;
};

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_ARM_MACHINE_H_
