// The shipped layouts that carry commands rather than packets: a block of every descriptor that
// their queues may post goes from a driver to a device and back, through the rings as the specs
// describe them, over many turns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <map>
#include <set>

#include "dataplane/command_ring.h"
#include "dataplane/field_access.h"
#include "descriptor-lang/emit/field_value.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/support/spec_list.h"
#include "tests/unit/dataplane/ring_memory.h"
#include "tests/unit/dataplane/test_ring.h"

namespace qsplit::dataplane {
namespace {

using testing::Random;
using testing::RingMemory;

constexpr uint32_t kSlots = 16;  // the fewest that all of them take
constexpr int kTurns = 40;

layout::VerifiedLayout Load(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

struct CommandQueue {
  std::string layout;
  int queue = 0;
};
void PrintTo(const CommandQueue& of, std::ostream* os) { *os << of.layout << " " << of.queue; }

std::vector<CommandQueue> Queues() {
  std::vector<CommandQueue> queues;
  for (const auto& entry : qsplit::testing::ReadSpecList()) {
    if (entry.carries_packets) continue;
    const layout::VerifiedLayout layout = Load(entry.name);
    for (int q = 0; q < layout.message().queues_size(); ++q) queues.push_back({entry.name, q});
  }
  return queues;
}

std::vector<CommandQueue> QueuesWithLinks() {
  std::vector<CommandQueue> queues;
  for (const CommandQueue& of : Queues()) {
    const layout::VerifiedLayout layout = Load(of.layout);
    const auto& rings = layout.message().queues(of.queue).rings();
    if (std::any_of(rings.begin(), rings.end(),
                    [](const v1::Ring& ring) { return ring.wrap().has_link_form(); })) {
      queues.push_back(of);
    }
  }
  return queues;
}

std::string NameOf(const ::testing::TestParamInfo<CommandQueue>& info) {
  return info.param.layout + "_" + std::to_string(info.param.queue);
}

class CommandSpec : public ::testing::TestWithParam<CommandQueue> {
 protected:
  CommandSpec() : layout_(Load(GetParam().layout)) {}

  void SetUp() override {
    memory_ = std::make_unique<RingMemory>(queue(), kSlots);
    QueueView view = memory_->view();
    view.layout_queue = static_cast<uint32_t>(GetParam().queue);
    // Registers that take an address hold the ring's from the start (xHCI 4.2: ERDP).
    for (int i = 0; i < queue().rings_size(); ++i) {
      const RingView& ring = view.rings[static_cast<size_t>(i)];
      for (int k = 0; k < queue().rings(i).consumer_doorbells_size(); ++k) {
        for (const v1::DoorbellTerm& term : queue().rings(i).consumer_doorbells(k).terms()) {
          if (term.source() != v1::DOORBELL_SOURCE_ADDRESS) continue;
          std::memcpy(ring.consumer_doorbells[static_cast<size_t>(k)], &ring.slots_iova.value, 8);
        }
      }
    }
    auto driver = CommandDriver::Create(layout_, view);
    ASSERT_TRUE(driver.ok()) << driver.status();
    driver_ = *std::move(driver);
    auto device = CommandDevice::Create(layout_, view);
    ASSERT_TRUE(device.ok()) << device.status();
    device_ = *std::move(device);
  }
  const v1::Layout& message() const { return layout_.message(); }
  const v1::Queue& queue() const { return message().queues(GetParam().queue); }
  const v1::Form& form(uint32_t index) const { return message().forms(static_cast<int>(index)); }
  // The ring that is posted into, and that of the completions.
  int PostRing() const {
    for (int i = 0; i < queue().rings_size(); ++i) {
      if (!queue().rings(i).post_forms().empty()) return i;
    }
    return -1;
  }
  const v1::Ring& posts() const { return queue().rings(PostRing()); }
  const v1::Ring& completions() const { return queue().rings(1 - PostRing()); }

  // Bytes that are of the form: random, with its constants, and with one of its selector's cases.
  std::vector<uint8_t> Bytes(uint32_t index, Random& random) {
    const v1::Form& of = form(index);
    std::vector<uint8_t> bytes(of.size_bytes());
    for (int attempt = 0; attempt < 64; ++attempt) {
      std::fill(bytes.begin(), bytes.end(), uint8_t{0});
      for (const v1::Field& field : of.fields()) {
        if (field.parts().empty() || field.constraint() == v1::CONSTRAINT_IGNORED) continue;
        layout::WriteRaw(field, random.Wide(), bytes);
      }
      for (const v1::Field& field : of.fields()) {
        if (field.parts().empty() || field.constraint() != v1::CONSTRAINT_CONSTANT) continue;
        layout::WriteRaw(field, field.constant(), bytes);
      }
      if (!of.selector().any_of().empty()) {
        const auto& cases = of.selector().any_of();
        const v1::Conjunction& one = cases[static_cast<int>(random() % cases.size())];
        for (const v1::Comparison& comparison : one.all_of()) {
          layout::WriteRaw(of.fields(static_cast<int>(comparison.field().field())),
                           comparison.constant(), bytes);
        }
      }
      if (layout::CanBe(message(), index, bytes)) return bytes;
    }
    ADD_FAILURE() << "no bytes are of " << of.name();
    return bytes;
  }

  // The bytes without what the ring itself writes: the tag, and the bits by which it hands over.
  std::vector<uint8_t> Content(uint32_t index, std::span<const std::byte> bytes) {
    std::vector<uint8_t> content(bytes.size());
    std::memcpy(content.data(), bytes.data(), bytes.size());
    for (const v1::Field& field : form(index).fields()) {
      if (field.role() == "tag" || field.role() == "phase") layout::WriteRaw(field, 0, content);
    }
    return content;
  }
  static std::span<const std::byte> AsBytes(const std::vector<uint8_t>& bytes) {
    return std::as_bytes(std::span(bytes));
  }

  // Forms that complete a command of this ring, rather than being events of their own.
  std::vector<uint32_t> CompletingForms() {
    std::vector<uint32_t> forms;
    Random random(3);
    for (const uint32_t candidate : completions().complete_forms()) {
      for (const v1::CompletionRule& rule : completions().completes()) {
        const std::vector<uint8_t> bytes = Bytes(candidate, random);
        // Conditions speak of several forms; those over this one decide.
        v1::Condition own;
        for (const v1::Conjunction& one : rule.when().any_of()) {
          if (one.all_of(0).field().form() == candidate) *own.add_any_of() = one;
        }
        const bool speaks_of_it =
            rule.when().any_of().empty() ||
            (!own.any_of().empty() && layout::Holds(message(), own, candidate, bytes));
        if (speaks_of_it) {
          forms.push_back(candidate);
          break;
        }
      }
    }
    return forms;
  }

  layout::VerifiedLayout layout_;
  std::unique_ptr<RingMemory> memory_;
  std::unique_ptr<CommandDriver> driver_;
  std::unique_ptr<CommandDevice> device_;
};

TEST_P(CommandSpec, ABlockOfEachDescriptorGoesThroughManyTimes) {
  Random random(11);
  const std::vector<uint32_t> completing = CompletingForms();
  ASSERT_FALSE(completing.empty());
  const bool by_tag = completions().completes(0).key() == v1::COMPLETION_KEY_TAG;
  std::map<uint64_t, std::pair<uint32_t, std::vector<uint8_t>>> sent;
  std::set<uint32_t> posted_forms, completed_forms;
  uint64_t next = 0, seen = 0, back = 0;
  struct Fetched {
    Command::Handle handle;
    uint64_t cookie;
  };
  std::vector<Fetched> fetched;
  std::map<uint64_t, std::vector<uint8_t>> results;
  for (int block = 0; back < static_cast<uint64_t>(kTurns) * kSlots; ++block) {
    ASSERT_LT(block, 100 * kTurns) << "it stands still";
    for (uint32_t burst = 1 + random() % 6; burst > 0; --burst) {
      const auto& forms = posts().post_forms();
      const uint32_t index = forms[static_cast<int>(next % static_cast<uint64_t>(forms.size()))];
      const std::vector<uint8_t> bytes = Bytes(index, random);
      if (!driver_->Post(index, AsBytes(bytes), next)) break;
      posted_forms.insert(index);
      sent[next++] = {index, Content(index, AsBytes(bytes))};
    }
    driver_->Publish();
    Command command;
    while (device_->Fetch(&command) == RingFault::kNone) {
      ASSERT_TRUE(sent.contains(seen));
      EXPECT_EQ(form(command.form).name(), form(sent[seen].first).name());
      EXPECT_EQ(Content(command.form, command.bytes), sent[seen].second) << seen;
      fetched.push_back({command.handle, seen++});
    }
    ASSERT_EQ(device_->fault(), RingFault::kNone);
    while (!fetched.empty() && random() % 8 != 0) {
      // Tags let a device finish in any order.
      const size_t which = by_tag ? random() % fetched.size() : 0;
      const uint32_t index = completing[random() % completing.size()];
      const std::vector<uint8_t> result = Bytes(index, random);
      if (!device_->Complete(fetched[which].handle, index, AsBytes(result))) break;
      completed_forms.insert(index);
      results[fetched[which].cookie] = Content(index, AsBytes(result));
      fetched.erase(fetched.begin() + static_cast<ptrdiff_t>(which));
    }
    device_->Publish();
    CommandCompletion done;
    while (driver_->Poll(&done)) {
      ASSERT_TRUE(done.has_command);
      ASSERT_TRUE(results.contains(done.cookie)) << done.cookie;
      EXPECT_EQ(Content(done.form, done.bytes), results[done.cookie]) << done.cookie;
      results.erase(done.cookie);
      ASSERT_EQ(sent.erase(done.cookie), 1u);
      ++back;
    }
    driver_->Acknowledge();
  }
  EXPECT_EQ(posted_forms.size(), static_cast<size_t>(posts().post_forms_size()));
  EXPECT_EQ(completed_forms.size(), completing.size());
  EXPECT_TRUE(memory_->GuardsWhole());
}

// A completion's bit must change with each turn: what a slot held one turn ago is not new again.
TEST_P(CommandSpec, OldCompletionsAreNotSeenAgain) {
  Random random(12);
  const uint32_t completion = CompletingForms().at(0);
  const uint32_t command = posts().post_forms(0);
  for (uint32_t i = 0; i < 5 * kSlots; ++i) {
    const std::vector<uint8_t> bytes = Bytes(command, random);
    ASSERT_TRUE(driver_->Post(command, AsBytes(bytes), i));
    driver_->Publish();
    Command got;
    ASSERT_EQ(device_->Fetch(&got), RingFault::kNone);
    EXPECT_EQ(device_->Fetch(&got), RingFault::kEmpty) << "turn " << i / kSlots;
    CommandCompletion done;
    EXPECT_FALSE(driver_->Poll(&done)) << "turn " << i / kSlots;
    ASSERT_TRUE(device_->Complete(got.handle, completion, AsBytes(Bytes(completion, random))));
    device_->Publish();
    ASSERT_TRUE(driver_->Poll(&done));
    EXPECT_EQ(done.cookie, i);
    EXPECT_FALSE(driver_->Poll(&done)) << "turn " << i / kSlots;
    driver_->Acknowledge();
  }
}

// Events that belong to no command come through, in their place between completions.
TEST_P(CommandSpec, EventsAreNoCompletions) {
  Random random(13);
  const std::vector<uint32_t> completing = CompletingForms();
  for (const uint32_t event : completions().complete_forms()) {
    if (std::find(completing.begin(), completing.end(), event) != completing.end()) continue;
    const std::vector<uint8_t> bytes = Bytes(event, random);
    ASSERT_TRUE(device_->Event(event, AsBytes(bytes))) << form(event).name();
    device_->Publish();
    CommandCompletion done;
    ASSERT_TRUE(driver_->Poll(&done)) << form(event).name();
    EXPECT_FALSE(done.has_command) << form(event).name();
    EXPECT_EQ(form(done.form).name(), form(event).name());
    EXPECT_EQ(Content(event, done.bytes), Content(event, AsBytes(bytes)));
    driver_->Acknowledge();
  }
}

class LinkedCommandSpec : public CommandSpec {};

// Where a ring goes on by a link descriptor, it stands in the last slot, leads to the first one,
// toggles, and has the phase of the turn that it ends.
TEST_P(LinkedCommandSpec, LinksStandInTheLastSlotAndFlipThePhase) {
  Random random(14);
  const v1::Form& link = form(posts().wrap().link_form());
  const uint32_t ring = static_cast<uint32_t>(PostRing());
  const auto field_of = [&](const char* role) -> const v1::Field& {
    for (const v1::Field& field : link.fields()) {
      if (field.role() == role) return field;
    }
    ADD_FAILURE() << "the link has no " << role;
    return link.fields(0);
  };
  const uint32_t command = posts().post_forms(0);
  const uint32_t completion = CompletingForms().at(0);
  const std::byte* const slot = memory_->slots(ring) + size_t{kSlots - 1} * posts().slot_bytes();
  const std::span<const uint8_t> last(reinterpret_cast<const uint8_t*>(slot), link.size_bytes());
  uint32_t i = 0;
  for (uint32_t turn = 0; turn < 6; ++turn) {
    // One more than fit in front of the link: the last one goes behind it, into the first slot.
    for (uint32_t n = 0; n < kSlots - 1; ++n, ++i) {
      ASSERT_TRUE(driver_->Post(command, AsBytes(Bytes(command, random)), i));
      driver_->Publish();
      Command got;
      ASSERT_EQ(device_->Fetch(&got), RingFault::kNone) << turn << " " << n;
      ASSERT_TRUE(device_->Complete(got.handle, completion, AsBytes(Bytes(completion, random))));
      device_->Publish();
      CommandCompletion done;
      ASSERT_TRUE(driver_->Poll(&done));
      driver_->Acknowledge();
    }
    if (turn == 0)
      continue;  // the link of a turn is written when the next one begins, at the latest
    ASSERT_TRUE(layout::CanBe(message(), posts().wrap().link_form(), last)) << turn;
    const v1::Field& address = field_of("link.address");
    EXPECT_EQ(layout::ValueOf(address, layout::ReadRaw(address, last)),
              memory_->view().rings[ring].slots_iova.value);
    EXPECT_EQ(layout::ReadRaw(field_of("phase.toggle"), last), 1u);
  }
  // Both phases were there: the bit of the link in one turn is not that of the next.
  std::set<uint64_t> phases;
  for (uint32_t n = 0; n < 2 * kSlots; ++n, ++i) {
    ASSERT_TRUE(driver_->Post(command, AsBytes(Bytes(command, random)), i));
    driver_->Publish();
    Command got;
    ASSERT_EQ(device_->Fetch(&got), RingFault::kNone);
    ASSERT_TRUE(device_->Complete(got.handle, completion, AsBytes(Bytes(completion, random))));
    device_->Publish();
    CommandCompletion done;
    ASSERT_TRUE(driver_->Poll(&done));
    driver_->Acknowledge();
    phases.insert(layout::ReadRaw(field_of("phase"), last));
  }
  EXPECT_THAT(phases, ::testing::ElementsAre(0u, 1u));
}

INSTANTIATE_TEST_SUITE_P(Specs, CommandSpec, ::testing::ValuesIn(Queues()), NameOf);
INSTANTIATE_TEST_SUITE_P(Specs, LinkedCommandSpec, ::testing::ValuesIn(QueuesWithLinks()), NameOf);

// The list says which they are; nothing here may pass because it is empty.
TEST(CommandSpecs, AreTwoWithTwoQueuesEach) { EXPECT_EQ(Queues().size(), 4u); }

}  // namespace
}  // namespace qsplit::dataplane
