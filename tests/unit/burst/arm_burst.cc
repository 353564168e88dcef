#include "tests/unit/burst/arm_burst.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace qsplit::dataplane::burst::testing {
namespace {

// The code, or none and a failure.
template <typename Code>
Code Made(absl::StatusOr<Code> code) {
  EXPECT_TRUE(code.ok()) << code.status();
  if (!code.ok()) return {};
  return *std::move(code);
}

template <typename T>
std::span<std::byte> BytesOf(std::vector<T>& values) {
  return std::as_writable_bytes(std::span(values));
}
// The first `count` values, byte by byte.
template <typename T>
bool Same(std::vector<T>& a, std::vector<T>& b, size_t count) {
  return std::ranges::equal(BytesOf(a).first(count * sizeof(T)),
                            BytesOf(b).first(count * sizeof(T)));
}
template <typename T>
ArmMachine::Area Read(std::vector<T>& values) {
  return {BytesOf(values), true, false};
}
template <typename T>
ArmMachine::Area Write(std::vector<T>& values) {
  return {BytesOf(values), false, true};
}

}  // namespace

ArmRxBurst::ArmRxBurst(const RxBurstPlan& plan)
    : plan_(plan), code_(Made(a64::GenerateRx(plan))), machine_(code_.bytes) {}

void ArmRxBurst::CheckReads() const {
  std::vector<bool> seen(size_t{plan_.slot_count} * plan_.slot_bytes / 8);
  for (const ArmMachine::Access& access : machine_.accesses()) {
    if (access.area != ArmMachine::kSlots) continue;
    ASSERT_EQ(access.bytes, 8u);
    ASSERT_EQ(access.offset % 8, 0u);
    const size_t word = access.offset / 8;
    const size_t first = word - word % (plan_.slot_bytes / 8) + plan_.first_word;
    ASSERT_FALSE(seen[word]) << "word " << word << " is read twice";
    ASSERT_EQ(access.acquires, word == first) << "word " << word;
    ASSERT_TRUE(word == first || seen[first]) << "word " << word << " is read first";
    seen[word] = true;
  }
}

uint32_t ArmRxBurst::PollSame(std::vector<std::byte>& ring, std::vector<PostedSlot>& posted,
                              uint32_t first, uint32_t most) {
  std::vector<RxCompletion> expected(most);
  std::vector<RxCompletion> got(most);
  const uint32_t count =
      RxBurst::PollByPlan(plan_, ring.data(), posted.data(), first, most, expected.data());
  const auto polled =
      machine_.Call(code_.poll, {{Read(ring), Read(posted), Write(got), {}}, first, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(polled, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(got, expected, count)) << "from slot " << first << ", at most " << most;
  CheckReads();
  return count;
}

uint32_t ArmRxBurst::PostSame(std::vector<RxBuffer>& buffers, uint32_t first) {
  const auto most = static_cast<uint32_t>(buffers.size());
  std::vector<std::byte> ring(size_t{plan_.slot_count} * plan_.slot_bytes, std::byte{0xa5});
  std::vector<std::byte> same = ring;
  std::vector<PostedSlot> posted(plan_.slot_count);
  std::vector<PostedSlot> same_posted = posted;
  const uint32_t count =
      RxBurst::PostByPlan(plan_, ring.data(), posted.data(), first, most, buffers.data());
  const auto done = machine_.Call(
      code_.post, {{Write(same), Write(same_posted), Read(buffers), {}}, first, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(done, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(ring == same) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(posted, same_posted, posted.size()));
  return count;
}

ArmTxBurst::ArmTxBurst(const TxBurstPlan& plan)
    : plan_(plan), code_(Made(a64::GenerateTx(plan))), machine_(code_.bytes) {}

uint32_t ArmTxBurst::PushSame(std::vector<TxPacket>& packets, TxImage& image, uint32_t first) {
  const auto most = static_cast<uint32_t>(packets.size());
  std::vector<std::byte> ring(size_t{plan_.slot_count} * plan_.slot_bytes, std::byte{0x5a});
  std::vector<std::byte> same = ring;
  std::vector<uint32_t> cookies(plan_.slot_count, 7);
  std::vector<uint32_t> same_cookies = cookies;
  const uint32_t count =
      TxBurst::PushByPlan(plan_, ring.data(), cookies.data(), first, most, packets.data(), image);
  const ArmMachine::Area images{std::as_writable_bytes(std::span(&image, 1)), true, false};
  const auto pushed =
      machine_.Call(code_.push[image.has_total_length ? 1 : 0],
                    {{Write(same), Write(same_cookies), Read(packets), images}, first, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(pushed, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(ring == same) << "from slot " << first << ", at most " << most;
  EXPECT_EQ(cookies, same_cookies);
  return count;
}

}  // namespace qsplit::dataplane::burst::testing
