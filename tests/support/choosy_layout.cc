#include "tests/support/choosy_layout.h"

#include <cstdio>
#include <cstdlib>

#include "descriptor-lang/layout/canonical.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::layout::testing {
namespace {

// Of Layout.features, as they are sorted.
constexpr uint32_t kSize = 0;
constexpr uint32_t kWord = 1;

void Needs(google::protobuf::RepeatedPtrField<v1::FeatureChoice>* features, uint32_t feature,
           uint32_t choice) {
  v1::FeatureChoice* need = features->Add();
  need->set_feature(feature);
  need->set_choice(choice);
}

void AddFeature(v1::Layout& layout, const char* name, const char* first, const char* second) {
  v1::Feature* feature = layout.add_features();
  feature->set_name(name);
  feature->add_choices(first);
  feature->add_choices(second);
}

int FormIndex(const v1::Layout& layout, std::string_view name) {
  for (int i = 0; i < layout.forms_size(); ++i) {
    if (layout.forms(i).name() == name) return i;
  }
  std::abort();
}

void PointTo(v1::Condition& condition, uint32_t form) {
  for (v1::Conjunction& one : *condition.mutable_any_of()) {
    for (v1::Comparison& comparison : *one.mutable_all_of()) {
      comparison.mutable_field()->set_form(form);
    }
  }
}

// A copy of a form that has 16 bytes more, and all fields whatever is chosen; its index.
uint32_t Enlarge(v1::Layout& layout, std::string_view from, const char* name) {
  const v1::Form original = layout.forms(FormIndex(layout, from));
  const auto index = static_cast<uint32_t>(layout.forms_size());
  v1::Form& form = *layout.add_forms();
  form = original;
  form.set_name(name);
  form.set_size_bytes(original.size_bytes() + 16);
  for (v1::Field& field : *form.mutable_fields()) {
    field.clear_features();
    PointTo(*field.mutable_valid_when(), index);
  }
  return index;
}

v1::Field& AddField(v1::Layout& layout, uint32_t form, const char* name, uint32_t at) {
  v1::Form& to = *layout.mutable_forms(static_cast<int>(form));
  v1::Field& field = *to.add_fields();
  field.set_name(name);
  v1::Bits& bits = *field.add_parts();
  bits.set_byte_offset(at);
  bits.set_word_bytes(8);
  bits.set_byte_order(v1::BYTE_ORDER_LITTLE);
  bits.set_bits(64);
  return field;
}

}  // namespace

v1::Layout ChoosyMessage() {
  v1::Layout layout = SimpleMessage();
  layout.set_name("test.choosy");
  AddFeature(layout, "Size", "small", "large");
  AddFeature(layout, "Word", "hash", "mark");
  for (v1::Field& field : *layout.mutable_forms(FormIndex(layout, "RxDone"))->mutable_fields()) {
    if (field.role().starts_with("hash.")) Needs(field.mutable_features(), kWord, 0);
    if (field.role() == "flow.mark") Needs(field.mutable_features(), kWord, 1);
  }
  const uint32_t post = Enlarge(layout, "RxPost", "RxLargePost");
  AddField(layout, post, "reserved_16", 16).set_constraint(v1::CONSTRAINT_IGNORED);
  const uint32_t done = Enlarge(layout, "RxDone", "RxLargeDone");
  v1::Field& timestamp = AddField(layout, done, "timestamp", 16);
  timestamp.set_role("timestamp");
  timestamp.set_position(v1::PACKET_POSITION_LAST);

  for (v1::Queue& queue : *layout.mutable_queues()) {
    if (queue.direction() != v1::DIRECTION_RECEIVE) continue;
    v1::Ring large = queue.rings(0);
    Needs(queue.mutable_rings(0)->mutable_features(), kSize, 0);
    large.set_name("large_descriptors");
    large.set_slot_bytes(32);
    large.set_post_forms(0, post);
    large.set_complete_forms(0, done);
    PointTo(*large.mutable_completed()->mutable_when(), done);
    for (v1::CompletionRule& rule : *large.mutable_completes()) rule.set_ring(1);
    Needs(large.mutable_features(), kSize, 1);
    *queue.add_rings() = large;
    v1::Condition last = queue.packet().last_when();
    PointTo(last, done);
    queue.mutable_packet()->mutable_last_when()->MergeFrom(last);
  }
  return Canonicalize(layout);
}

VerifiedLayout ChoosyLayout() {
  auto layout = VerifiedLayout::FromMessage(ChoosyMessage());
  if (!layout.ok()) {
    std::fprintf(stderr, "%s\n", layout.status().ToString().c_str());
    std::abort();
  }
  return *std::move(layout);
}

}  // namespace qsplit::layout::testing
