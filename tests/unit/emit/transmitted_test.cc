// The emitted headers' bursts of packets write what the data plane writes, word for word: the
// engine, its plan interpreted, machine code made of it, and the header, over every spec whose
// packets have one descriptor.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "dataplane/burst_cache.h"
#include "dataplane/tx_program.h"
#include "tests/support/rounds.h"
#include "tests/unit/dataplane/tx_rig.h"
#include "tests/unit/emit/bursts_of_case.h"
#include "tests/unit/emit/header_table.h"

namespace qsplit::testing {
namespace {

using namespace dataplane;           // NOLINT
using namespace dataplane::testing;  // NOLINT

constexpr AccessMode kModes[] = {AccessMode::kEngine, AccessMode::kInterpreted,
                                 AccessMode::kCompiled};

struct TransmittedCase {
  TxCase tx;
  int ring = 0;
  const RingLoopsRow* row = nullptr;
};
void PrintTo(const TransmittedCase& c, std::ostream* os) { *os << c.tx.name; }

std::vector<TransmittedCase> Cases() {
  std::vector<TransmittedCase> cases;
  for (const TxCase& c : AllTxCases()) {
    const v1::Queue& queue = c.layout->message().queues(static_cast<int>(c.queue));
    ForEachRow(*c.layout, queue, c.choices, [&](int ring, const RingLoopsRow& row) {
      if (row.transmit == nullptr) return;
      const TxRig rig(c);
      if (rig.status.ok() && !rig.driver->NeedsMemory()) cases.push_back({c, ring, &row});
    });
  }
  return cases;
}

class Transmitted : public ::testing::TestWithParam<TransmittedCase> {};

TEST_P(Transmitted, IsWhatTheDataPlaneWrites) {
  const TransmittedCase& c = GetParam();
  const v1::Layout& message = c.tx.layout->message();
  const v1::Ring& ring = message.queues(static_cast<int>(c.tx.queue)).rings(c.ring);
  uint32_t form = 0;
  while (message.forms(static_cast<int>(form)).name() != c.row->transmit_form) ++form;
  const bool has_contexts = message.queues(static_cast<int>(c.tx.queue)).contexts_size() != 0;
  Random random(20261126);
  BurstCache cache;
  uint64_t compared = 0, with_request = 0;
  for (uint32_t run = 0; run < 4; ++run) {
    std::unique_ptr<TxRig> rigs[std::size(kModes)];
    for (size_t i = 0; i < std::size(kModes); ++i) {
      // Nothing is reported but what Publish wants to be.
      rigs[i] = std::make_unique<TxRig>(c.tx, 128, TxOptions{100000, kModes[i], &cache});
      ASSERT_TRUE(rigs[i]->status.ok()) << rigs[i]->status;
    }
    const RingView& view = rigs[0]->view.rings[static_cast<size_t>(c.ring)];
    const size_t bytes = size_t{view.slot_count} * ring.slot_bytes();
    const auto shape =
        ShapeQueue(message, message.queues(static_cast<int>(c.tx.queue)), rigs[0]->view);
    ASSERT_TRUE(shape.ok()) << shape.status();
    const auto fields = RequestFields::Compile(ScopeOf(*shape), form);
    ASSERT_TRUE(fields.ok()) << fields.status();
    std::vector<uint64_t> slots((bytes + 7) / 8);
    Stand at = c.row->start;
    uint32_t cookie = 0;
    for (uint32_t step = 0; step < qsplit::testing::Rounds(150); ++step) {
      TxRequest request;
      // With contexts only some packets would have one descriptor.
      if (!has_contexts && random() % 2 == 0) request = RandomRequest(*rigs[0], random);
      // Pieces have lengths of their own.
      if (request.wants.Has(TxFeature::kSegment)) request = TxRequest();
      // Fewer than the driver leaves unreported.
      std::vector<TxPacket> packets(random() % 30);
      for (TxPacket& packet : packets) {
        const TxSegment segment = RandomSegments(*rigs[0], random, 1).front();
        packet = {segment.address, segment.bytes, cookie++};
      }
      std::memcpy(slots.data(), view.slots, bytes);
      const uint32_t room = rigs[0]->driver->Room();
      uint32_t pushed[std::size(kModes)];
      for (size_t i = 0; i < std::size(kModes); ++i) {
        PushResult why;
        pushed[i] = rigs[i]->driver->PushBurst(packets, request, &why);
        rigs[i]->driver->Publish();
        ASSERT_EQ(pushed[i], pushed[0]) << "mode " << i;
        ASSERT_EQ(
            std::memcmp(rigs[i]->view.rings[static_cast<size_t>(c.ring)].slots, view.slots, bytes),
            0)
            << "mode " << i;
      }
      const uint32_t used = room - rigs[0]->driver->Room();
      const auto normal = NormalizeRequest(request);
      if (used == pushed[0] && normal.has_value()) {
        std::vector<PostedBuffer> posted;
        for (uint32_t i = 0; i < pushed[0]; ++i) {
          posted.push_back({packets[i].address.value, packets[i].bytes, 0, 0});
        }
        const auto ask = [&](uint8_t* d) {
          if (request.wants.bits != 0)
            fields->Store(*normal, true, true, reinterpret_cast<std::byte*>(d));
        };
        ASSERT_EQ(c.row->transmit(slots.data(), view.slot_count, &at, ask, posted), pushed[0]);
        ASSERT_EQ(FirstDifference(slots.data(), view.slots, bytes, ring.slot_bytes()), "")
            << "step " << step;
        compared += pushed[0];
        if (request.wants.bits != 0) with_request += pushed[0];
      } else {
        // With contexts: slots that the burst does not write.
        for (uint32_t i = 0; i < used; ++i) {
          at.slot = at.slot + 1 == view.slot_count ? 0 : at.slot + 1;
          ++at.count;
          if (at.slot == 0 && ring.phase().flip() == v1::PHASE_FLIP_EACH_PASS) at.phase ^= 1;
        }
      }
      const uint32_t most = random() % 40;
      for (const auto& rig : rigs) {
        TxWork work;
        for (uint32_t n = 0; n < most && rig->device->Fetch(&work) == RingFault::kNone; ++n) {
          rig->device->Complete(work.handle);
        }
      }
      const std::vector<uint32_t> expected = rigs[0]->ReclaimAll();
      for (size_t i = 1; i < std::size(kModes); ++i) ASSERT_EQ(rigs[i]->ReclaimAll(), expected);
    }
  }
  EXPECT_GT(compared, 500u);
  RecordProperty("with_request", static_cast<int>(with_request));
}

INSTANTIATE_TEST_SUITE_P(Specs, Transmitted, ::testing::ValuesIn(Cases()),
                         [](const auto& param) { return param.param.tx.name; });

}  // namespace
}  // namespace qsplit::testing
