// What the emitted functions say that a doorbell takes, against what the engine stores in it: every
// doorbell of every ring of every spec that is a store of a number.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "dataplane/doorbell.h"
#include "dataplane/queue_shape.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/unit/dataplane/queue_memory.h"
#include "tests/unit/emit/header_table.h"

namespace qsplit::testing {
namespace {

using dataplane::Doorbells;
using dataplane::DoorbellState;
using dataplane::testing::QueueMemory;

constexpr auto kUntouched = std::byte{0xc5};

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

void Choose(const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& from,
            dataplane::FeatureChoices* to) {
  for (const v1::FeatureChoice& choice : from) {
    to->choice[choice.feature()] = static_cast<uint8_t>(choice.choice());
  }
}

// Whether it is a store of a number that a position decides.
bool SaysPosition(const v1::Doorbell& doorbell) {
  const auto& terms = doorbell.terms();
  return (doorbell.target() == v1::DOORBELL_TARGET_REGISTER ||
          doorbell.target() == v1::DOORBELL_TARGET_MEMORY) &&
         std::none_of(terms.begin(), terms.end(), [](const v1::DoorbellTerm& term) {
           return term.source() == v1::DOORBELL_SOURCE_ADDRESS;
         });
}

// One doorbell of a ring, as the engine rings it, in memory of its own.
class EngineDoorbell {
 public:
  EngineDoorbell(const layout::VerifiedLayout& layout, int queue, int ring, bool producer,
                 int number)
      : ring_(layout.message().queues(queue).rings(ring)),
        doorbell_(producer ? ring_.producer_doorbells(number) : ring_.consumer_doorbells(number)) {
    dataplane::FeatureChoices choices;
    Choose(ring_.features(), &choices);
    Choose(doorbell_.features(), &choices);
    memory_.emplace(layout, static_cast<uint32_t>(queue), choices, 64);
    dataplane::QueueView view = memory_->view();
    const auto at = static_cast<size_t>(ring);
    view.rings[at].counts_for_increments = false;  // as for hardware
    shape_ = dataplane::ShapeQueue(layout.message(), layout.message().queues(queue), view).value();
    const dataplane::RingShape& shape = *shape_->Find(static_cast<uint32_t>(ring));
    made = producer ? Doorbells::OfProducer(shape) : Doorbells::OfConsumer(shape);
    const auto& cells =
        producer ? view.rings[at].producer_doorbells : view.rings[at].consumer_doorbells;
    cell_ = std::span(cells[static_cast<size_t>(number)], sizeof(uint64_t));
    for (int i = 0; i < std::min(ring_.cells_size(), dataplane::kMaxCells); ++i) {
      if (!doorbell_.has_suppressed_by_cell()) break;
      if (doorbell_.suppressed_by_cell() != static_cast<uint32_t>(i)) continue;
      flag_ = std::span(view.rings[at].cells[static_cast<size_t>(i)], ring_.cells(i).bytes());
    }
  }

  // Whether it rang, and then whether with these bytes and no others. flag: what may hold it back.
  bool Rings(const DoorbellState& state, uint64_t value, uint8_t flag) {
    std::ranges::fill(cell_, kUntouched);
    if (!flag_.empty()) {
      std::ranges::fill(flag_, std::byte{0});
      flag_.front() = std::byte{flag};
    }
    made->Ring(state);
    if (std::ranges::count(cell_, kUntouched) == std::ssize(cell_)) return false;
    std::byte expected[sizeof value];
    std::ranges::fill(expected, kUntouched);
    for (uint32_t i = 0; i < doorbell_.bytes(); ++i) {
      const bool big = doorbell_.byte_order() == v1::BYTE_ORDER_BIG;
      const uint32_t shift = 8 * (big ? doorbell_.bytes() - 1 - i : i);
      expected[i] = static_cast<std::byte>(value >> shift);
    }
    EXPECT_TRUE(std::ranges::equal(cell_, expected)) << "value " << std::hex << value;
    return true;
  }

  // What may hold it back; null: nothing.
  const void* flag() const { return flag_.empty() ? nullptr : flag_.data(); }
  // What stands in the doorbell.
  std::span<const std::byte> cell() const { return cell_; }

  absl::StatusOr<Doorbells> made;

 private:
  const v1::Ring& ring_;
  const v1::Doorbell& doorbell_;
  std::optional<QueueMemory> memory_;
  std::optional<dataplane::QueueShape> shape_;
  std::span<std::byte> cell_;
  std::span<std::byte> flag_;
};

class EmittedDoorbells : public ::testing::TestWithParam<std::string> {
 protected:
  EmittedDoorbells() : layout_(Load(GetParam())) {}

  // Doorbell number `number` of a side of a ring.
  void Check(const RingLoopsRow& row, int queue, int ring, bool producer, int number) {
    const std::string side = producer ? "producer" : "consumer";
    const auto found = std::ranges::find_if(row.doorbells, [&](const auto& doorbell) {
      return doorbell.side == side && doorbell.number == number;
    });
    SCOPED_TRACE(row.name + (", " + side) + " doorbell " + std::to_string(number));
    ASSERT_NE(found, row.doorbells.end());
    EngineDoorbell engine(layout_, queue, ring, producer, number);
    ASSERT_TRUE(engine.made.ok()) << engine.made.status();
    uint32_t rang = 0;
    for (int round = 0; round < 400; ++round) {
      const auto added = static_cast<uint32_t>(1 + random_() % 64);
      // Now and then where an event at a small number is due.
      const uint64_t count = round % 2 == 0 ? added + random_() % 4 : random_() >> random_() % 64;
      const Stand at{static_cast<uint32_t>(random_() % 64), count,
                     static_cast<uint32_t>(random_() % 2), 0};
      const dataplane::DescriptorBytes descriptor{};  // which another doorbell may copy
      const DoorbellState state{at.slot, at.count, added, at.phase, descriptor.bytes};
      const uint64_t value = found->value(at, added, 3);  // QueueMemory's number
      const bool rings = engine.Rings(state, value, static_cast<uint8_t>(random_() % 4));
      rang += rings ? 1 : 0;
      // The header's own store, of the same bytes, and held back by the same cell.
      alignas(sizeof value) std::byte own[sizeof value];
      std::ranges::fill(own, kUntouched);
      ASSERT_EQ(found->ring(own, at, added, 3, engine.flag()), rings);
      ASSERT_TRUE(std::ranges::equal(own, engine.cell()));
    }
    EXPECT_GT(rang, 10u);
  }

  layout::VerifiedLayout layout_;
  std::mt19937_64 random_{20261126};
};

TEST_P(EmittedDoorbells, TakeWhatTheEngineStores) {
  for (const RingLoopsRow& row : Headers().at(GetParam()).loops) {
    for (int q = 0; q < layout_.message().queues_size(); ++q) {
      const v1::Queue& queue = layout_.message().queues(q);
      for (int r = 0; r < queue.rings_size(); ++r) {
        const v1::Ring& ring = queue.rings(r);
        if (queue.name() + "_" + ring.name() != row.name) continue;
        for (int i = 0; i < ring.producer_doorbells_size(); ++i) {
          if (SaysPosition(ring.producer_doorbells(i))) Check(row, q, r, true, i);
        }
        for (int i = 0; i < ring.consumer_doorbells_size(); ++i) {
          if (SaysPosition(ring.consumer_doorbells(i))) Check(row, q, r, false, i);
        }
      }
    }
  }
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& [name, header] : Headers()) names.push_back(name);
  return names;
}
INSTANTIATE_TEST_SUITE_P(Specs, EmittedDoorbells, ::testing::ValuesIn(Names()),
                         [](const auto& spec) {
                           std::string name = spec.param;
                           std::ranges::replace_if(
                               name, [](char c) { return c == '.' || c == '-'; }, '_');
                           return name;
                         });

}  // namespace
}  // namespace qsplit::testing
