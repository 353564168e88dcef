// Areas of an emulated machine's memory out of arrays, and comparing them.
#ifndef QSPLIT_TESTS_UNIT_BURST_ARM_AREAS_H_
#define QSPLIT_TESTS_UNIT_BURST_ARM_AREAS_H_

#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "tests/unit/burst/arm_machine.h"

namespace qsplit::dataplane::burst::testing {

template <typename T>
std::span<std::byte> BytesOf(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}
template <typename T>
ArmMachine::Area Read(std::vector<T>& values) {
  return {BytesOf(values), true, false};
}
template <typename T>
ArmMachine::Area Write(std::vector<T>& values) {
  return {BytesOf(values), false, true};
}
// The first `count` values, byte by byte.
template <typename T>
bool Same(std::vector<T>& a, std::vector<T>& b, size_t count) {
  return std::ranges::equal(BytesOf(a).first(count * sizeof(T)),
                            BytesOf(b).first(count * sizeof(T)));
}

// The code, or none and a failure.
template <typename Code>
Code Made(absl::StatusOr<Code> code) {
  EXPECT_TRUE(code.ok()) << code.status();
  if (!code.ok()) return {};
  return *std::move(code);
}

// The machine read each word of a slot at most once, the one that decides first and with acquire.
inline void CheckReadsOfSlots(const ArmMachine& machine, uint32_t slot_bytes, uint32_t first_word) {
  std::vector<bool> seen(ArmMachine::kMaxAreaBytes / 8);
  for (const ArmMachine::Access& access : machine.accesses()) {
    if (access.area != ArmMachine::kSlots) continue;
    ASSERT_EQ(access.bytes, 8u);
    ASSERT_EQ(access.offset % 8, 0u);
    const size_t word = access.offset / 8;
    const size_t first = word - word % (slot_bytes / 8) + first_word;
    ASSERT_FALSE(seen[word]) << "word " << word << " is read twice";
    ASSERT_EQ(access.acquires, word == first) << "word " << word;
    ASSERT_TRUE(word == first || seen[first]) << "word " << word << " is read first";
    seen[word] = true;
  }
}

}  // namespace qsplit::dataplane::burst::testing

#endif  // QSPLIT_TESTS_UNIT_BURST_ARM_AREAS_H_
