#include "tests/unit/burst/arm_ring_burst.h"

#include "tests/unit/burst/arm_areas.h"

namespace qsplit::dataplane::burst::testing {

ArmRxRingBurst::ArmRxRingBurst(const RxRingPlan& plan)
    : plan_(plan), code_(Made(a64::GenerateRxRing(plan))), machine_(code_.bytes) {}

uint32_t ArmRxRingBurst::PollSame(RxRingMemory& memory, uint32_t slot, uint32_t buffer,
                                  uint32_t most, uint32_t phase) {
  std::vector<RxCompletion> expected(most);
  std::vector<RxCompletion> got(most);
  const uint32_t count = RxRingBurst::PollByPlan(
      plan_, {memory.ring.data(), phase, slot, memory.posted.data(), buffer, most},
      expected.data());
  // The same buffers where the machine has them.
  std::vector<RxBuffer> posted = memory.posted;
  const std::span<std::byte> prefixes = BytesOf(memory.prefixes);
  const uint64_t there = ArmMachine::AddressOf(ArmMachine::kMore, prefixes.size());
  for (RxBuffer& one : posted) {
    const auto offset = static_cast<uint64_t>(one.memory - prefixes.data());
    one.memory = reinterpret_cast<std::byte*>(static_cast<uintptr_t>(there + offset));
  }
  ArmMachine::Area words = Read(memory.prefixes);
  words.may_read = plan_.prefix_word != kMaxWords;
  const auto polled =
      machine_.Call(code_.poll[phase],
                    {{Read(memory.ring), Read(posted), Write(got), words}, slot, most, buffer});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(polled, count) << "from slot " << slot << ", buffer " << buffer << ", most " << most;
  EXPECT_TRUE(Same(got, expected, count)) << "from slot " << slot << ", buffer " << buffer;
  CheckReadsOfSlots(machine_, plan_.slot_bytes, plan_.first_word);
  return count;
}

uint32_t ArmRxRingBurst::PostSame(std::vector<RxBuffer>& before, std::vector<RxBuffer>& buffers,
                                  uint32_t first, uint32_t phase) {
  std::vector<std::byte> ring(size_t{plan_.buffer_count} * plan_.post_slot_bytes);
  std::vector<RxBuffer> posted(plan_.buffer_count);
  const RxRingBurst::Free all{ring.data(), 1 - phase, 0, posted.data(), plan_.buffer_count};
  const bool were_posted = RxRingBurst::PostByPlan(plan_, all, before.data()) == plan_.buffer_count;
  std::vector<std::byte> same = ring;
  std::vector<RxBuffer> same_posted = posted;
  const auto most = static_cast<uint32_t>(buffers.size());
  const uint32_t count = RxRingBurst::PostByPlan(
      plan_, {ring.data(), phase, first, posted.data(), most, were_posted}, buffers.data());
  const auto post = [&](size_t function, uint32_t done) {
    std::vector<RxBuffer> rest(buffers.begin() + done, buffers.end());
    const ArmMachine::Area states{BytesOf(same_posted), true, true};
    const auto more = machine_.Call(
        function, {{Write(same), states, Read(rest)}, first + done, most - done, uint64_t{0}});
    EXPECT_EQ(machine_.fault(), "");
    return done + more.value_or(0);
  };
  uint32_t done = 0;
  if (were_posted && code_.again[phase] != RxRingCode::kNone) done = post(code_.again[phase], 0);
  done = post(code_.post[phase], done);
  EXPECT_EQ(done, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(ring == same) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(posted, same_posted, posted.size()));
  return count;
}

void ArmRxRingBurst::PostHeldSame(std::vector<RxBuffer>& buffers, uint32_t slot, uint32_t phase) {
  ASSERT_EQ(code_.held[phase] != RxRingCode::kNone, plan_.holds);
  if (!plan_.holds) return;
  std::vector<std::byte> ring(size_t{plan_.buffer_count} * plan_.post_slot_bytes);
  std::vector<std::byte> same = ring;
  std::vector<RxBuffer> posted(plan_.buffer_count);
  std::vector<RxBuffer> same_posted = posted;
  std::vector<uint64_t> held(1);
  std::vector<uint64_t> same_held = held;
  const auto most = static_cast<uint32_t>(buffers.size());
  const uint32_t count = RxRingBurst::PostHeldByPlan(
      plan_, {ring.data(), phase, slot, posted.data(), most}, buffers.data(), held.data());
  const auto done = machine_.Call(
      code_.held[phase],
      {{Write(same), Write(same_posted), Read(buffers), Write(same_held)}, slot, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(done, count);
  EXPECT_TRUE(ring == same);
  EXPECT_TRUE(Same(posted, same_posted, posted.size()));
  EXPECT_EQ(held, same_held);
}

ArmTxRingBurst::ArmTxRingBurst(const TxRingPlan& plan, const TxDonePlan& done)
    : plan_(plan),
      done_(done),
      code_(Made(a64::GenerateTxRing(plan, done))),
      machine_(code_.bytes) {}

uint32_t ArmTxRingBurst::PushSame(TxRingMemory& memory, uint32_t first) {
  TxRingMemory same = memory;
  std::vector<std::byte> ring(size_t{plan_.slot_count} * plan_.slot_bytes, std::byte{0x5a});
  std::vector<std::byte> same_ring = ring;
  const auto most = static_cast<uint32_t>(memory.packets.size());
  TxRingCall call = memory.Call();
  const uint32_t count = TxRingBurst::PushByPlan(plan_, ring.data(), call, first, most,
                                                 memory.packets.data(), memory.image);
  // The same arrays where the machine has them; what is remembered stands in one of two.
  const bool by_id = plan_.memory == TxMemory::kId;
  std::vector<uint32_t> numbers = same.ids;  // both in one area
  numbers.insert(numbers.end(), same.prefixes.begin(), same.prefixes.end());
  const uint64_t ids = ArmMachine::AddressOf(ArmMachine::kB, BytesOf(numbers).size());
  const auto there = [](uint64_t address) { return static_cast<uintptr_t>(address); };
  const ArmMachine::Area remembers = by_id ? Write(same.remembered) : Write(same.cookies);
  const uintptr_t remembered = there(ArmMachine::AddressOf(ArmMachine::kA, remembers.bytes.size()));
  std::vector<TxRingCall> calls{same.call};
  TxRingCall& to = calls.front();
  to.cookies = reinterpret_cast<uint32_t*>(remembered);
  to.remembered = reinterpret_cast<TxRemembered*>(remembered);
  to.ids = reinterpret_cast<uint32_t*>(there(ids + BytesOf(same.ids).size()));
  to.prefixes = to.ids;
  if (same.holds) {
    to.held = reinterpret_cast<uint64_t*>(there(ArmMachine::AddressOf(ArmMachine::kC, 8)));
  }
  std::vector<TxRingImage> images{same.image};
  ArmMachine::Arguments arguments{{Write(same_ring),
                                   {BytesOf(calls), true, true},
                                   Read(same.packets),
                                   Read(images),
                                   remembers,
                                   Read(numbers),
                                   Write(same.held)},
                                  first,
                                  most};
  const auto pushed = machine_.Call(code_.push, arguments);
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(pushed, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(ring == same_ring) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(memory.cookies, same.cookies, count));
  EXPECT_TRUE(Same(memory.remembered, same.remembered, memory.remembered.size()));
  EXPECT_EQ(memory.held, same.held);
  const uint32_t room = first < plan_.slot_count ? plan_.slot_count - first : 0;
  const bool all = count != 0 && count == std::min(most, room / plan_.packet_slots);
  EXPECT_EQ(to.has_kept != 0, plan_.kept_word != TxRingPlan::kNone && all);
  return count;
}

uint32_t ArmTxRingBurst::TakeSame(std::vector<std::byte>& ring, uint32_t first, uint32_t most,
                                  uint32_t phase) {
  std::vector<uint64_t> expected(most);
  std::vector<uint64_t> got(most);
  std::vector<uint64_t> values;
  for (const TxDonePlan::Test& test : done_.tests) values.push_back(test.value[phase]);
  const uint32_t count =
      TxRingBurst::TakeByPlan(done_, ring.data(), first, most, phase, expected.data());
  const auto taken =
      machine_.Call(code_.take, {{Read(ring), {}, Write(got), Read(values)}, first, most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(taken, count) << "from slot " << first << ", at most " << most;
  EXPECT_TRUE(Same(got, expected, count)) << "from slot " << first << ", at most " << most;
  return count;
}

uint32_t ArmTxRingBurst::TakeExpectedSame(std::vector<std::byte>& ring,
                                          std::vector<TxExpected>& expected, uint32_t slot,
                                          uint32_t most, uint32_t first) {
  std::vector<uint32_t> cookies(most);
  std::vector<uint32_t> same(most);
  const uint32_t count = TxRingBurst::TakeExpectedByPlan(done_, ring.data(), slot, most,
                                                         expected.data(), first, cookies.data());
  const auto taken =
      machine_.Call(code_.take_expected,
                    {{Read(ring), Read(expected), Write(same), {}}, slot, most, uint64_t{first}});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(taken, count) << "from slot " << slot << ", buffer " << first << ", most " << most;
  EXPECT_TRUE(Same(same, cookies, count)) << "from slot " << slot << ", buffer " << first;
  return count;
}

uint32_t ArmTxRingBurst::TakeRememberedSame(std::vector<std::byte>& ring,
                                            const std::vector<TxRemembered>& remembered,
                                            uint64_t published, uint32_t slot, uint32_t most,
                                            uint32_t phase) {
  std::vector<TxRemembered> left = remembered;
  std::vector<TxRemembered> same_left = remembered;
  std::vector<uint32_t> cookies(most);
  std::vector<uint32_t> same_cookies(most);
  std::vector<uint32_t> free(most);
  std::vector<uint32_t> same_free(most);
  std::vector<uint64_t> values;
  for (const TxDonePlan::Test& test : done_.tests) values.push_back(test.value[phase]);
  const uint32_t count = TxRingBurst::TakeRememberedByPlan(
      done_, ring.data(), slot, most, phase, {left.data(), left.size(), published, free.data()},
      cookies.data());
  const auto there = [](ArmMachine::AreaNumber area, size_t bytes) {
    return static_cast<uintptr_t>(ArmMachine::AddressOf(area, bytes));
  };
  std::vector<TxNumbers> numbers{
      {reinterpret_cast<TxRemembered*>(there(ArmMachine::kA, BytesOf(same_left).size())),
       same_left.size(), published,
       reinterpret_cast<uint32_t*>(there(ArmMachine::kB, BytesOf(same_free).size()))}};
  const auto taken = machine_.Call(code_.take_remembered, {{Read(ring),
                                                            Read(numbers),
                                                            Write(same_cookies),
                                                            Read(values),
                                                            {BytesOf(same_left), true, true},
                                                            Write(same_free)},
                                                           slot,
                                                           most});
  EXPECT_EQ(machine_.fault(), "");
  EXPECT_EQ(taken, count) << "from slot " << slot << ", at most " << most;
  EXPECT_TRUE(Same(same_left, left, left.size())) << "from slot " << slot;
  EXPECT_TRUE(Same(same_cookies, cookies, count)) << "from slot " << slot;
  EXPECT_TRUE(Same(same_free, free, count)) << "from slot " << slot;
  return count;
}

}  // namespace qsplit::dataplane::burst::testing
