#include "daemon/lease/queue_roles.h"

#include <gmock/gmock.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/support/choosy_layout.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::lease {
namespace {

using ::testing::ElementsAre;

v1::Layout FromText(const std::string& text) {
  v1::Layout layout;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &layout));
  return layout;
}

TEST(QueueRoles, DependOnWhatIsChosen) {
  const layout::VerifiedLayout layout = layout::testing::ChoosyLayout();
  const QueueRoles roles(layout.message(), *layout.FindQueue(v1::DIRECTION_RECEIVE));
  const auto have = [&](const Choices& choices) {
    std::string bits;
    for (const char* role :
         {"packet.length", "hash.value", "flow.mark", "timestamp", "segment.size"}) {
      bits += roles.Has(role, choices) ? '1' : '0';
    }
    return bits;
  };
  // Size, Word. The large completion has both words.
  EXPECT_EQ(have({0, 0}), "11000");
  EXPECT_EQ(have({0, 1}), "10100");
  EXPECT_EQ(have({1, 0}), "11110");
  EXPECT_EQ(have({1, 1}), "11110");
  EXPECT_EQ(roles.SlotBytes({0, 1}), 16u);
  EXPECT_EQ(roles.SlotBytes({1, 0}), 32u);
  EXPECT_LE(roles.LeastSlotBytes(), 16u);
}

TEST(QueueRoles, OnlyFeaturesThatMatterAreMarked) {
  const layout::VerifiedLayout layout = layout::testing::ChoosyLayout();
  const auto marked = [&](v1::Direction direction, const std::vector<std::string>& wanted) {
    std::vector<bool> features(2);
    const QueueRoles roles(layout.message(), *layout.FindQueue(direction));
    roles.MarkFeaturesOfSlots(features);
    for (const std::string& role : wanted) roles.MarkFeaturesOf(role, features);
    return features;
  };
  EXPECT_THAT(marked(v1::DIRECTION_RECEIVE, {}), ElementsAre(true, false)) << "sizes of slots";
  EXPECT_THAT(marked(v1::DIRECTION_RECEIVE, {"hash.value"}), ElementsAre(true, true));
  EXPECT_THAT(marked(v1::DIRECTION_TRANSMIT, {"buffer.address"}), ElementsAre(false, false));
}

// Where else than in a completion's own fields: parts of parts, the bytes before a packet, what
// stands beside a packet in its slot, contexts.
constexpr char kElsewhere[] = R"(
  features { name: "A" choices: "no" choices: "yes" }
  features { name: "B" choices: "no" choices: "yes" }
  forms { name: "Inner" fields { role: "hash.value" features { feature: 1 choice: 1 } } }
  forms { name: "Middle" contains { form: 0 } contains { form: 0 }
          features { feature: 0 choice: 1 } }
  forms { name: "Done" contains { form: 1 } }
  forms { name: "Prefix" fields { role: "timestamp" } features { feature: 0 choice: 0 } }
  forms { name: "Beside" fields { role: "packet.length" } }
  forms { name: "Context" fields { role: "segment.size" } }
  forms { name: "Post" fields { role: "buffer.length" } }
  queues { direction: DIRECTION_RECEIVE
           rings { slot_bytes: 64 post_forms: 6 complete_forms: 2 packets { form: 4 } }
           packet { prefix_form: 3 } }
  queues { direction: DIRECTION_TRANSMIT
           rings { slot_bytes: 16 post_forms: 6 }
           contexts { form: 5 done_form: 3 } }
)";

TEST(QueueRoles, StandInPartsPrefixesContextsAndAnswersToo) {
  const v1::Layout layout = FromText(kElsewhere);
  const QueueRoles rx(layout, layout.queues(0));
  const QueueRoles tx(layout, layout.queues(1));
  const auto have = [](const QueueRoles& roles, const Choices& choices) {
    std::string bits;
    for (const char* role :
         {"hash.value", "timestamp", "packet.length", "segment.size", "buffer.length"}) {
      bits += roles.Has(role, choices) ? '1' : '0';
    }
    return bits;
  };
  EXPECT_EQ(have(rx, {0, 0}), "01100");
  EXPECT_EQ(have(rx, {0, 1}), "01100");
  EXPECT_EQ(have(rx, {1, 0}), "00100");
  EXPECT_EQ(have(rx, {1, 1}), "10100") << "what is posted for receiving tells the client nothing";
  EXPECT_EQ(have(tx, {0, 0}), "01011") << "what answers a context, too";
  EXPECT_EQ(have(tx, {1, 0}), "00011");
}

// Each form contains the one before it twice: more paths than anybody could walk.
TEST(QueueRoles, ManyPathsAreNoWork) {
  v1::Layout layout;
  for (uint32_t i = 0; i < 256; ++i) {
    v1::Form* form = layout.add_forms();
    if (i == 0) form->add_fields()->set_role("hash.value");
    for (int twice = 0; i > 0 && twice < 2; ++twice) form->add_contains()->set_form(i - 1);
    for (uint32_t feature = 0; feature < 32; ++feature) {
      if ((i * 7 + feature) % 5 != 0) continue;
      v1::FeatureChoice* need = form->add_features();
      need->set_feature(feature);
      need->set_choice(1);
    }
  }
  v1::Queue* queue = layout.add_queues();
  queue->set_direction(v1::DIRECTION_RECEIVE);
  queue->add_rings()->add_complete_forms(255);
  const QueueRoles roles(layout, *queue);
  EXPECT_TRUE(roles.Has("hash.value", Choices(32, 1)));
  EXPECT_FALSE(roles.Has("hash.value", Choices(32, 0)));
}

}  // namespace
}  // namespace qsplit::lease
