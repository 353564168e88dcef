#include "descriptor-lang/layout/canonical.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/message_differencer.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "descriptor-lang/layout/verified_layout.h"
#include "descriptor-lang/layout/verify.h"
#include "tests/support/layout_builder.h"
#include "tests/support/sample_layouts.h"
#include "tests/unit/layout/refusals.h"

namespace qsplit::layout {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// Puts fields and forms into another order and lets references follow: the same meaning.
v1::Layout Shuffled(const v1::Layout& layout, uint32_t seed) {
  std::mt19937 random(seed);
  v1::Layout shuffled = layout;
  std::vector<uint32_t> form_to(static_cast<size_t>(layout.forms_size()));
  std::vector<std::vector<uint32_t>> field_to;
  std::iota(form_to.begin(), form_to.end(), 0u);
  std::shuffle(form_to.begin(), form_to.end(), random);
  for (int i = 0; i < layout.forms_size(); ++i) {
    std::vector<uint32_t>& to =
        field_to.emplace_back(static_cast<size_t>(layout.forms(i).fields_size()));
    std::iota(to.begin(), to.end(), 0u);
    std::shuffle(to.begin(), to.end(), random);
  }
  for (int i = 0; i < layout.forms_size(); ++i) {
    v1::Form& form = *shuffled.mutable_forms(static_cast<int>(form_to[static_cast<size_t>(i)]));
    form = layout.forms(i);
    for (int k = 0; k < layout.forms(i).fields_size(); ++k) {
      *form.mutable_fields(static_cast<int>(
          field_to[static_cast<size_t>(i)][static_cast<size_t>(k)])) = layout.forms(i).fields(k);
    }
  }
  const auto move_reference = [&](v1::FieldReference& reference) {
    const uint32_t form = reference.form();
    reference.set_form(form_to[form]);
    reference.set_field(field_to[form][reference.field()]);
  };
  const auto move_condition = [&](v1::Condition& condition) {
    for (v1::Conjunction& conjunction : *condition.mutable_any_of()) {
      for (v1::Comparison& comparison : *conjunction.mutable_all_of()) {
        move_reference(*comparison.mutable_field());
      }
    }
  };
  for (v1::Form& form : *shuffled.mutable_forms()) {
    for (v1::Field& field : *form.mutable_fields()) {
      if (field.has_valid_when()) move_condition(*field.mutable_valid_when());
    }
  }
  for (v1::Queue& queue : *shuffled.mutable_queues()) {
    move_condition(*queue.mutable_packet()->mutable_last_when());
    for (v1::ContextRule& rule : *queue.mutable_contexts()) {
      rule.set_form(form_to[rule.form()]);
      if (rule.has_done_form()) rule.set_done_form(form_to[rule.done_form()]);
    }
    for (v1::Ring& ring : *queue.mutable_rings()) {
      for (uint32_t& form : *ring.mutable_post_forms()) form = form_to[form];
      for (uint32_t& form : *ring.mutable_complete_forms()) form = form_to[form];
      move_condition(*ring.mutable_completed()->mutable_when());
    }
  }
  std::reverse(shuffled.mutable_queues()->begin(), shuffled.mutable_queues()->end());
  return shuffled;
}

TEST(Canonicalize, IsIdempotent) {
  std::vector<v1::Layout> layouts = testing::ProtocolMessages();
  layouts.push_back(testing::SimpleMessage());
  layouts.push_back(testing::BigMessage());
  for (const v1::Layout& layout : layouts) {
    EXPECT_EQ(SerializeCanonical(Canonicalize(layout)), SerializeCanonical(layout))
        << layout.name();
  }
}

// The first that fits is taken, so that their order means something.
TEST(Canonicalize, KeepsTheOrderOfFormsRulesAndDoorbells) {
  Layout layout(testing::SimpleMessage());
  std::vector<std::string> posts;
  for (const uint32_t form : layout.tx_ring().post_forms()) {
    posts.push_back(layout.message.forms(static_cast<int>(form)).name());
  }
  EXPECT_THAT(posts, ElementsAre("TxData", "TxContext"));
  Layout turned = layout;
  std::reverse(turned.tx_ring().mutable_post_forms()->begin(),
               turned.tx_ring().mutable_post_forms()->end());
  EXPECT_NE(LayoutDigest(Canonicalize(turned.message)), LayoutDigest(layout.message));

  Layout phase(testing::PhaseMessage());
  v1::Ring& ring = phase.ring("completions");
  *ring.add_completes() = ring.completes(0);
  ring.mutable_completes(0)->set_key(v1::COMPLETION_KEY_TAG);
  ring.mutable_completes(1)->set_key(v1::COMPLETION_KEY_INDEX);
  *ring.add_consumer_doorbells() = ring.consumer_doorbells(0);
  ring.mutable_consumer_doorbells(0)->set_target(v1::DOORBELL_TARGET_REGISTER);
  Layout canonical(Canonicalize(phase.message));
  const v1::Ring& out = canonical.ring("completions");
  EXPECT_EQ(out.completes(0).key(), v1::COMPLETION_KEY_TAG);
  EXPECT_EQ(out.completes(1).key(), v1::COMPLETION_KEY_INDEX);
  EXPECT_EQ(out.consumer_doorbells(0).target(), v1::DOORBELL_TARGET_REGISTER);
}

TEST(Canonicalize, SortsFieldsOfRulesFillsAndCells) {
  Layout layout(testing::PhaseMessage());
  v1::Ring& ring = layout.ring("completions");
  ring.clear_fills();
  for (const char* field : {"phase", "opcode", "length"}) {
    *ring.add_fills()->mutable_field() = layout.reference("RxDone", field);
  }
  *ring.mutable_completes(0)->add_fields() = layout.reference("RxDone", "hash");
  *ring.mutable_completes(0)->add_fields() = layout.reference("RxDone", "tag");  // twice
  ring.add_cells()->set_name("b");
  ring.add_cells()->set_name("a");
  ring.mutable_completed()->set_cell(0);
  Layout canonical(Canonicalize(layout.message));
  const v1::Ring& out = canonical.ring("completions");
  std::vector<uint32_t> fills;
  for (const v1::FillValue& fill : out.fills()) fills.push_back(fill.field().field());
  EXPECT_TRUE(std::is_sorted(fills.begin(), fills.end()));
  ASSERT_EQ(out.completes(0).fields_size(), 2);
  EXPECT_LT(out.completes(0).fields(0).field(), out.completes(0).fields(1).field());
  EXPECT_EQ(out.cells(0).name(), "a");
  EXPECT_EQ(out.completed().cell(), 1u);
}

TEST(Canonicalize, OneMeaningHasOneDigest) {
  Layout answered(testing::SimpleMessage());
  answered.tx().mutable_contexts(0)->set_done_form(answered.form_index("RxPost"));
  for (const v1::Layout& layout :
       {testing::SimpleMessage(), testing::BigMessage(), answered.message}) {
    for (uint32_t seed = 0; seed < 50; ++seed) {
      const v1::Layout shuffled = Shuffled(layout, seed);
      ASSERT_NE(SerializeCanonical(shuffled), SerializeCanonical(layout));
      const v1::Layout again = Canonicalize(shuffled);
      ASSERT_TRUE(google::protobuf::util::MessageDifferencer::Equals(again, layout)) << seed;
      ASSERT_EQ(LayoutDigest(again), LayoutDigest(layout));
      ASSERT_EQ(DigestHex(LayoutDigest(again)).size(), 64u);
    }
  }
}

TEST(Canonicalize, AnotherMeaningHasAnotherDigest) {
  Layout layout(testing::SimpleMessage());
  const std::string digest = LayoutDigest(layout.message);
  layout.field("RxDone", "length").set_name("size");
  EXPECT_NE(LayoutDigest(Canonicalize(layout.message)), digest);
}

// The digests of the sample layouts, as they were when the canonical form was fixed. A change here
// means that every layout ever compiled gets another digest: bump the contract, not the test.
TEST(Canonicalize, DigestsAreStable) {
  EXPECT_EQ(testing::SimpleLayout().digest_hex(),
            "5a1f2746d353427ba1ab54ebb7994d840864e7e0304a4bac32e46c62bb31db75");
  EXPECT_EQ(testing::BigLayout().digest_hex(),
            "faccf69673f71dbcea4276c41d049ec708068addb733a13f0e73abb00b71d150");
}

TEST(Canonicalize, WritesDefaultsOut) {
  v1::Layout layout;
  v1::Form& form = *layout.add_forms();
  v1::Field& field = *form.add_fields();
  field.add_parts()->set_word_bytes(1);
  field.mutable_valid_when();
  form.mutable_selector();
  v1::Queue& queue = *layout.add_queues();
  v1::Ring& ring = *queue.add_rings();
  ring.mutable_slots();
  ring.mutable_wrap();
  ring.mutable_phase();
  ring.add_completes()->mutable_when();
  v1::Doorbell& doorbell = *ring.add_producer_doorbells();
  doorbell.set_target(v1::DOORBELL_TARGET_REGISTER);
  doorbell.set_bytes(4);
  doorbell.add_terms()->set_shift(8);
  ring.add_consumer_doorbells()->set_target(v1::DOORBELL_TARGET_WAKEUP);
  ring.add_cells()->set_bytes(2);

  const v1::Layout canonical = Canonicalize(layout);
  const v1::Field& out = canonical.forms(0).fields(0);
  EXPECT_EQ(out.parts(0).byte_order(), v1::BYTE_ORDER_LITTLE);
  EXPECT_EQ(out.scale().multiplier(), 1u);
  EXPECT_EQ(out.constraint(), v1::CONSTRAINT_NONE);
  EXPECT_EQ(out.position(), v1::PACKET_POSITION_EACH);
  EXPECT_FALSE(out.has_valid_when());
  EXPECT_FALSE(canonical.forms(0).has_selector());
  EXPECT_EQ(canonical.forms(0).slots(), 1u);
  const v1::Ring& out_ring = canonical.queues(0).rings(0);
  EXPECT_EQ(out_ring.slots().step(), 1u);
  EXPECT_EQ(out_ring.alignment_bytes(), 1u);
  EXPECT_FALSE(out_ring.has_wrap());
  EXPECT_EQ(out_ring.kind(), v1::RING_KIND_ORDERED);
  EXPECT_EQ(out_ring.position(), v1::PACKET_POSITION_EACH);
  EXPECT_EQ(out_ring.phase().flip(), v1::PHASE_FLIP_EACH_PASS);
  EXPECT_FALSE(out_ring.completes(0).has_when());
  EXPECT_EQ(canonical.forms(0).position(), v1::PACKET_POSITION_EACH);
  EXPECT_EQ(out_ring.producer_doorbells(0).terms(0).mask(), 0xffffffu);
  EXPECT_EQ(out_ring.producer_doorbells(0).barrier(), v1::BARRIER_MEMORY_BEFORE_DEVICE);
  EXPECT_EQ(out_ring.consumer_doorbells(0).barrier(), v1::BARRIER_NONE);
  EXPECT_EQ(out_ring.cells(0).mask(), 0xffffu);
  EXPECT_EQ(canonical.queues(0).packet().span(), v1::SPAN_SINGLE);
  EXPECT_EQ(canonical.queues(0).packet().buffers_per_descriptor(), 1u);
  EXPECT_EQ(canonical.queues(0).limits().buffer().max_bytes(), UINT32_MAX);
  EXPECT_EQ(canonical.queues(0).limits().buffer_alignment_bytes(), 1u);
}

TEST(Canonicalize, ContainedFormsStandFirstAndKeepTheirCountField) {
  v1::Layout layout;
  for (const char* name : {"A", "B", "Z"}) {
    v1::Form& form = *layout.add_forms();
    form.set_name(name);
    form.set_size_bytes(8);
  }
  for (uint32_t at : {4u, 0u}) {
    v1::Bits& part = *layout.mutable_forms(0)->add_fields()->add_parts();
    part.set_byte_offset(at);
    part.set_word_bytes(4);
    part.set_bits(8);
  }
  layout.mutable_forms(0)->mutable_fields(0)->set_name("count");
  layout.mutable_forms(0)->mutable_fields(1)->set_name("other");
  v1::ContainedForm& part = *layout.mutable_forms(0)->add_contains();
  part.set_form(2);  // A contains Z
  part.set_count_field(0);
  const v1::Layout canonical = Canonicalize(layout);
  std::vector<std::string> names;
  for (const v1::Form& form : canonical.forms()) names.push_back(form.name());
  EXPECT_THAT(names, ElementsAre("B", "Z", "A"));
  const v1::Form& a = canonical.forms(2);
  EXPECT_EQ(canonical.forms(static_cast<int>(a.contains(0).form())).name(), "Z");
  EXPECT_EQ(a.contains(0).stride_bytes(), 8u);
  EXPECT_EQ(a.contains(0).max_count(), 1u);
  EXPECT_EQ(a.fields(static_cast<int>(a.contains(0).count_field())).name(), "count");
}

TEST(Canonicalize, ConditionsAreSetsInOrder) {
  Layout layout(testing::SimpleMessage());
  const v1::Comparison a = layout.compare("RxDone", "last", v1::OPERATOR_EQUAL, 1);
  const v1::Comparison b = layout.compare("RxDone", "hash_type", v1::OPERATOR_NOT_EQUAL, 0);
  v1::Condition one;
  *one.add_any_of()->add_all_of() = a;
  *one.mutable_any_of(0)->add_all_of() = b;
  *one.add_any_of()->add_all_of() = b;
  v1::Condition two;
  *two.add_any_of()->add_all_of() = b;
  *two.add_any_of()->add_all_of() = b;
  *two.mutable_any_of(1)->add_all_of() = a;
  *two.mutable_any_of(1)->add_all_of() = b;
  *layout.field("RxDone", "flow_mark").mutable_valid_when() = one;
  const std::string first = LayoutDigest(Canonicalize(layout.message));
  *layout.field("RxDone", "flow_mark").mutable_valid_when() = two;
  EXPECT_EQ(LayoutDigest(Canonicalize(layout.message)), first);
  EXPECT_TRUE(VerifyLayout(Canonicalize(layout.message)).ok());
}

TEST(Canonicalize, ComparisonsOfTwoFieldsHaveOneOrder) {
  Layout layout(testing::SimpleMessage());
  v1::Comparison less;
  *less.mutable_field() = layout.reference("RxDone", "length");
  less.set_operator_(v1::OPERATOR_LESS);
  *less.mutable_other() = layout.reference("RxDone", "vlan_tci");
  v1::Comparison greater;
  *greater.mutable_field() = less.other();
  greater.set_operator_(v1::OPERATOR_GREATER);
  *greater.mutable_other() = less.field();
  v1::Condition& when = *layout.field("RxDone", "flow_mark").mutable_valid_when();
  *when.add_any_of()->add_all_of() = less;
  const v1::Layout with_less = Canonicalize(layout.message);
  *when.mutable_any_of(0)->mutable_all_of(0) = greater;
  EXPECT_EQ(LayoutDigest(Canonicalize(layout.message)), LayoutDigest(with_less));
  EXPECT_TRUE(VerifyLayout(with_less).ok()) << VerifyLayout(with_less);
}

TEST(Canonicalize, SurvivesReferencesThatLeadNowhere) {
  Layout layout(testing::SimpleMessage());
  layout.rx_ring().add_post_forms(77);
  layout.form("RxDone").add_contains()->set_form(0);   // itself
  layout.form("RxPost").add_contains()->set_form(99);  // nothing
  layout.field("RxDone", "hash").set_enumeration(12345);
  layout.rx_ring().mutable_completed()->set_cell(9);
  layout.rx_ring().add_completes()->add_fields()->set_form(77);
  layout.rx_ring().add_fills()->mutable_field()->set_field(77);
  layout.rx_ring().mutable_compressed()->set_mini_form(77);
  layout.rx_ring().mutable_packets()->set_form(77);
  layout.message.mutable_queues(0)->mutable_packet()->add_fields()->set_form(1000);
  layout.message.mutable_queues(0)->mutable_packet()->set_prefix_form(1000);
  EXPECT_EQ(SerializeCanonical(Canonicalize(Canonicalize(layout.message))),
            SerializeCanonical(Canonicalize(layout.message)));
}

TEST(Verify, RefusesWhatIsNotCanonical) {
  for (uint32_t seed = 0; seed < 10; ++seed) {
    const absl::Status status = VerifyLayout(Shuffled(testing::SimpleMessage(), seed));
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr("not in canonical form"));
  }
}

}  // namespace
}  // namespace qsplit::layout
