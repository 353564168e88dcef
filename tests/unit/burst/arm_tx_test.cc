// Transmit bursts made for aarch64, run in an emulator: they write what the plan says, over rings
// of every spec that is completed in place, and read no slot.
#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <vector>

#include "dataplane/burst/generator.h"
#include "dataplane/in_place_tx_driver.h"
#include "tests/unit/burst/arm_machine.h"
#include "tests/unit/dataplane/tx_rig.h"

namespace qsplit::dataplane::burst::testing {
namespace {

using namespace dataplane::testing;  // NOLINT(google-build-using-namespace)

class ArmTx : public ::testing::TestWithParam<TxCase> {};

// Packets, some of which no descriptor can say.
std::vector<TxPacket> RandomPackets(const TxBurstPlan& plan, Random& random) {
  std::vector<TxPacket> packets(random() % (plan.slot_count + 4));
  for (TxPacket& packet : packets) {
    const uint64_t address = random() % 64 == 0 ? random.Wide() : random.Wide() & plan.max_address;
    packet = {Iova(address), 1 + random() % std::min(plan.max_bytes, 9000u), random()};
    if (random() % 64 == 0) packet.bytes = random() % 4 == 0 ? 0 : random();
  }
  return packets;
}

TxImage RandomImage(const TxBurstPlan& plan, Random& random) {
  TxImage image;
  for (uint32_t w = 0; w < plan.slot_bytes / 8; ++w) {
    if (random() % 4 != 0) image.words[w] = random.Wide();
    if ((plan.report_words >> w & 1) != 0 && random() % 2 == 0) image.report[w] = random.Wide();
  }
  image.has_total_length = random() % 2 == 0;
  return image;
}

// How many it wrote.
uint32_t PushSame(const TxBurstPlan& plan, const TxCode& code, ArmMachine* machine,
                  Random& random) {
  std::vector<TxPacket> packets = RandomPackets(plan, random);
  TxImage image = RandomImage(plan, random);
  const auto most = static_cast<uint32_t>(packets.size());
  const uint32_t first = random() % 8 == 0 ? random() : random() % (plan.slot_count + 2);
  std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes, std::byte{0x5a});
  std::vector<std::byte> same = ring;
  std::vector<uint32_t> cookies(plan.slot_count, 7);
  std::vector<uint32_t> same_cookies = cookies;
  const uint32_t count =
      TxBurst::PushByPlan(plan, ring.data(), cookies.data(), first, most, packets.data(), image);
  ArmMachine::Arguments arguments;
  arguments.areas = {{{same, false, true},
                      {std::as_writable_bytes(std::span(same_cookies)), false, true},
                      {std::as_writable_bytes(std::span(packets)), true, false},
                      {std::as_writable_bytes(std::span(&image, 1)), true, false}}};
  arguments.first = first;
  arguments.most = most;
  const auto pushed = machine->Call(code.push[image.has_total_length ? 1 : 0], arguments);
  EXPECT_EQ(machine->fault(), "");
  EXPECT_EQ(pushed, count) << "from slot " << first << ", at most " << most;
  EXPECT_EQ(ring, same) << "from slot " << first << ", at most " << most;
  EXPECT_EQ(cookies, same_cookies);
  return count;
}

TEST_P(ArmTx, WritesWhatThePlanSays) {
  const TxCase& c = GetParam();
  QueueMemory memory(*c.layout, c.queue, c.choices, 16);
  const auto driver =
      InPlaceTxDriver::Create(*c.layout, memory.view(), {32, AccessMode::kInterpreted});
  if (!driver.ok()) GTEST_SKIP() << "not driven in place";
  Random random(29);
  uint32_t bursts = 0;
  for (const std::unique_ptr<TxBurst>& burst : (*driver)->bursts()) {
    if (burst == nullptr) continue;
    ++bursts;
    const absl::StatusOr<TxCode> code = a64::GenerateTx(burst->plan());
    ASSERT_TRUE(code.ok()) << code.status();
    ArmMachine machine(code->bytes);
    uint64_t packets = 0;
    for (uint32_t step = 0; step < 80; ++step) {
      packets += PushSame(burst->plan(), *code, &machine, random);
      if (HasFailure()) return;
    }
    EXPECT_GT(packets, 0u);
  }
  if (bursts == 0) GTEST_SKIP() << "no burst";
}

INSTANTIATE_TEST_SUITE_P(Specs, ArmTx, ::testing::ValuesIn(AllTxCases()),
                         [](const auto& param) { return param.param.name; });

}  // namespace
}  // namespace qsplit::dataplane::burst::testing
