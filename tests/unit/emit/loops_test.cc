// The emitted loops over rings against the parts of the engines that do the same, over every ring
// of every spec: on the same bytes they take the same slots, and leave the same bytes behind.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <set>

#include "dataplane/completion_reader.h"
#include "dataplane/post_writer.h"
#include "dataplane/ring_cells.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/emit/header_table.h"
#include "tests/unit/emit/page_example.h"  // out of docs/language.md

namespace qsplit::testing {
namespace {

using dataplane::CompletionReader;
using dataplane::PostWriter;
using dataplane::QueueShape;
using dataplane::RingFault;
using dataplane::RingShape;
using dataplane::testing::QueueMemory;

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

// One ring of a queue in two memories: `engine` for the engine, `loop` for the emitted loop.
struct TwoRings {
  TwoRings(const layout::VerifiedLayout& layout, int queue_number, int ring_number)
      : queue(layout.message().queues(queue_number)),
        ring(queue.rings(ring_number)),
        engine(layout, static_cast<uint32_t>(queue_number), Choices(ring), 64),
        loop(layout, static_cast<uint32_t>(queue_number), Choices(ring), 64),
        shape(dataplane::ShapeQueue(layout.message(), queue, engine.view()).value()),
        rings(shape.Find(static_cast<uint32_t>(ring_number))),
        bytes(size_t{engine.view().rings[static_cast<size_t>(ring_number)].slot_count} *
              ring.slot_bytes()),
        slots(
            reinterpret_cast<uint8_t*>(loop.view().rings[static_cast<size_t>(ring_number)].slots)) {
  }

  static dataplane::FeatureChoices Choices(const v1::Ring& ring) {
    dataplane::FeatureChoices choices;
    for (const v1::FeatureChoice& choice : ring.features()) {
      choices.choice[choice.feature()] = static_cast<uint8_t>(choice.choice());
    }
    return choices;
  }
  uint8_t* EngineSlots() const { return reinterpret_cast<uint8_t*>(rings->view.slots); }
  uint32_t SlotCount() const { return rings->slot_count; }
  bool Same() const { return std::memcmp(EngineSlots(), slots, bytes) == 0; }

  const v1::Queue& queue;
  const v1::Ring& ring;
  QueueMemory engine;
  QueueMemory loop;
  QueueShape shape;
  const RingShape* rings;
  size_t bytes;
  uint8_t* slots;
};

class EmittedLoops : public ::testing::TestWithParam<std::string> {
 protected:
  EmittedLoops() : layout_(Load(GetParam())) {}

  template <typename Run>
  void ForEachRing(Run&& run) {
    for (const RingLoopsRow& row : Headers().at(GetParam()).loops) {
      SCOPED_TRACE(row.name);
      bool found = false;
      for (int q = 0; q < layout_.message().queues_size(); ++q) {
        for (int r = 0; r < layout_.message().queues(q).rings_size(); ++r) {
          const v1::Queue& queue = layout_.message().queues(q);
          if (queue.name() + "_" + queue.rings(r).name() != row.name) continue;
          found = true;
          TwoRings ring(layout_, q, r);
          ASSERT_NE(ring.rings, nullptr);
          run(row, ring);
        }
      }
      EXPECT_TRUE(found);
    }
  }

  layout::VerifiedLayout layout_;
  std::mt19937_64 random_{20261126};
};

TEST_P(EmittedLoops, TakeWhatTheEngineTakes) {
  ForEachRing([&](const RingLoopsRow& row, TwoRings& ring) {
    if (row.poll == nullptr || !ring.ring.completed().has_when()) return;
    auto reader = CompletionReader::Create(*ring.rings);
    ASSERT_TRUE(reader.ok()) << reader.status();
    if (row.prepare != nullptr) row.prepare(ring.slots, ring.SlotCount());
    ASSERT_TRUE(ring.Same());
    Stand at = row.start;
    uint32_t taken_in_all = 0;
    for (int round = 0; round < 2000; ++round) {
      // Anything at all, in a slot or two; sometimes a slot as it was.
      for (uint32_t i = 0; i < 1 + round % 3u; ++i) {
        const size_t slot = (at.slot + i) % ring.SlotCount();
        for (size_t k = 0; k < ring.ring.slot_bytes(); ++k) {
          const auto byte = static_cast<uint8_t>(random_());
          const size_t where = slot * ring.ring.slot_bytes() + k;
          ring.EngineSlots()[where] = ring.slots[where] = byte;
        }
      }
      const std::vector<uint8_t> before(ring.slots, ring.slots + ring.bytes);
      std::vector<uint32_t> by_engine;
      dataplane::DescriptorBytes copy;
      dataplane::ReadCompletion completion;
      while (by_engine.size() < 5) {
        const RingFault fault = reader->Read(copy.bytes, &completion);
        if (fault == RingFault::kEmpty) break;
        by_engine.push_back(reader->position().index());
        reader->Take(1);
      }
      Slots by_loop;
      const uint32_t n = row.poll(ring.slots, ring.SlotCount(), 5, &at, &by_loop);
      ASSERT_EQ(n, by_loop.size());
      ASSERT_EQ(n, by_engine.size()) << "round " << round;
      for (uint32_t i = 0; i < n; ++i) {
        ASSERT_EQ(by_loop[i].first, by_engine[i]);
        ASSERT_EQ(std::memcmp(by_loop[i].second.data(),
                              before.data() + size_t{by_engine[i]} * ring.ring.slot_bytes(),
                              ring.ring.slot_bytes()),
                  0);
      }
      ASSERT_EQ(at.slot, reader->position().index());
      ASSERT_EQ(at.count, reader->position().count());
      if (ring.ring.has_phase()) {
        ASSERT_EQ(at.phase, reader->position().phase());
      }
      ASSERT_TRUE(ring.Same()) << "round " << round;
      taken_in_all += n;
    }
    // Whatever tests more than a few bits never holds by chance alone.
    if (ring.ring.completed().when().any_of(0).all_of_size() < 3 && !ring.ring.has_sequence()) {
      EXPECT_GT(taken_in_all, 50u);
    }
  });
}

// Where a cell alone says how many there are, the loop is told so; what stands in the slots decides
// nothing.
TEST_P(EmittedLoops, TakeWhatACellSays) {
  ForEachRing([&](const RingLoopsRow& row, TwoRings& ring) {
    const v1::Handover& completed = ring.ring.completed();
    if (row.poll == nullptr || completed.has_when()) return;
    ASSERT_TRUE(completed.has_cell());
    auto reader = CompletionReader::Create(*ring.rings);
    ASSERT_TRUE(reader.ok()) << reader.status();
    const auto cell = dataplane::ProgressWriter::OfCell(*ring.rings, completed.cell());
    ASSERT_TRUE(cell.ok()) << cell.status();
    dataplane::RingCursor device = ring.rings->Begin();
    Stand at = row.start;
    for (int round = 0; round < 300; ++round) {
      for (size_t k = 0; k < ring.bytes; ++k) {
        ring.EngineSlots()[k] = ring.slots[k] = static_cast<uint8_t>(random_());
      }
      const auto ready = static_cast<uint32_t>(random_() % ring.SlotCount());
      device.SkipSlots(ready);
      cell->Store(device);
      ASSERT_EQ(reader->Ready(), ready) << "round " << round;
      Slots by_loop;
      ASSERT_EQ(row.poll(ring.slots, ring.SlotCount(), ready, &at, &by_loop), ready);
      ASSERT_EQ(by_loop.size(), ready);
      for (const auto& [slot, bytes] : by_loop) {
        ASSERT_EQ(slot, reader->position().index());
        std::vector<std::byte> copy(bytes.size());
        reader->ReadRaw(0, copy.data(), static_cast<uint32_t>(copy.size()));
        ASSERT_EQ(std::memcmp(bytes.data(), copy.data(), copy.size()), 0);
        reader->Skip(1, 1);
      }
      reader->Publish();
      ASSERT_EQ(at.slot, reader->position().index());
      ASSERT_EQ(at.count, reader->position().count());
      ASSERT_TRUE(ring.Same()) << "round " << round;
    }
  });
}

TEST_P(EmittedLoops, PostWhatTheEnginePosts) {
  ForEachRing([&](const RingLoopsRow& row, TwoRings& ring) {
    for (const RingLoopsRow::Post& post : row.posts) {
      SCOPED_TRACE(post.form);
      auto writer = PostWriter::Create(*ring.rings);
      ASSERT_TRUE(writer.ok()) << writer.status();
      uint32_t form = UINT32_MAX;
      for (uint32_t i = 0; i < writer->forms().size(); ++i) {
        const auto number = static_cast<int>(writer->forms()[i].form);
        if (layout_.message().forms(number).name() == post.form) form = i;
      }
      if (form == UINT32_MAX) continue;  // of a feature that was not chosen
      const auto image = dataplane::FormImage(*ring.rings, writer->forms()[form].form);
      ASSERT_TRUE(image.ok());
      std::memcpy(ring.slots, ring.EngineSlots(), ring.bytes);
      Stand at = row.start;
      for (uint32_t round = 0; round < 3 * ring.SlotCount(); ++round) {
        if (!writer->HasRoom(1)) {
          writer->Free(1);
          std::memcpy(ring.slots, ring.EngineSlots(), ring.bytes);  // Free fills slots again
        }
        if (!writer->HasRoom(1)) break;  // its slots come back by a cell
        dataplane::DescriptorBytes bytes = *image;
        std::vector<uint8_t> change(ring.ring.slot_bytes());
        const uint32_t size = writer->forms()[form].bytes;
        for (uint32_t i = 0; i < size; ++i) {
          change[i] = static_cast<uint8_t>(random_());
          bytes.bytes[i] ^= static_cast<std::byte>(change[i]);
        }
        writer->Write(form, bytes.bytes);
        writer->Commit();
        post.post(ring.slots, ring.SlotCount(), &at, change.data());
        ASSERT_TRUE(ring.Same()) << "round " << round;
        ASSERT_EQ(at.slot, writer->position().index());
        ASSERT_EQ(at.count, writer->position().count());
      }
      ASSERT_GT(at.count, 0u);
    }
  });
}

// The example of docs/language.md, as it stands there, does what it says.
TEST(EmittedLoopsOfThePage, ReceiveAndRefill) {
  alignas(128) uint8_t ring[64 * 16] = {};
  uint32_t tail = 0;
  Ring::Position refill;
  const uint64_t iovas[] = {0x12'3456'7890, 0x12'3456'8890};
  EXPECT_EQ(Refill(ring, 64, refill, &tail, iovas, 2), 2u);
  EXPECT_EQ(tail, 2u);
  uint64_t word = 0;
  std::memcpy(&word, ring + 16, sizeof word);
  EXPECT_EQ(word, 0x12'3456'8890u);
  std::memset(ring, 0, 32);
  ring[4] = 7;     // the hash
  ring[0] = 1;     // is of TCP
  ring[8] = 0x4b;  // DD, EOP, VP, IPCS
  ring[12] = 60;
  ring[14] = 5;  // the tag
  ring[16 + 8] = 3;
  ring[16 + 13] = 1;
  ring[32 + 8] = 1;  // a packet that goes on
  Ring::Position at;
  qsplit_layout::Received packets[32] = {};
  ASSERT_EQ(Receive(ring, 64, at, packets), 2u);
  EXPECT_EQ(at.slot, 2u);
  EXPECT_EQ(packets[0].length, 60u);
  EXPECT_EQ(packets[0].hash(), 7u);
  EXPECT_EQ(packets[0].vlan_tci(), 5u);
  EXPECT_EQ(packets[0].l3(), qsplit_layout::Checksum::kGood);
  EXPECT_EQ(packets[0].l4(), qsplit_layout::Checksum::kUnknown);
  EXPECT_EQ(packets[1].length, 256u);
  EXPECT_EQ(packets[1].present(), 24u) << "neither hash nor tag";
  EXPECT_EQ(packets[1].buffer, 1u);
  uint32_t lengths[32] = {};
  EXPECT_EQ(ReceiveAny(ring, 64, at, lengths), 1u);
}

// Every NIC's rings have loops, but where the layout's ring says why not.
TEST(EmittedLoopsOfAll, AreThere) {
  size_t polls = 0;
  size_t posts = 0;
  for (const auto& [name, header] : Headers()) {
    for (const RingLoopsRow& row : header.loops) {
      polls += row.poll != nullptr ? 1 : 0;
      posts += row.posts.size();
    }
  }
  EXPECT_GT(polls, Headers().size());
  EXPECT_GT(posts, Headers().size());
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, header] : Headers()) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Specs, EmittedLoops, ::testing::ValuesIn(Names()), [](const auto& spec) {
  std::string name = spec.param;
  for (char& c : name) {
    if (c == '.' || c == '-') c = '_';
  }
  return name;
});

}  // namespace
}  // namespace qsplit::testing
