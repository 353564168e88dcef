#include "descriptor-lang/layout/canonical.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <functional>
#include <numeric>
#include <queue>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "descriptor-lang/layout/bit_layout.h"

namespace qsplit::layout {
namespace {

using google::protobuf::RepeatedField;
using google::protobuf::RepeatedPtrField;

// old index -> new index.
using Remap = std::vector<uint32_t>;

uint32_t Mapped(const Remap& remap, uint32_t index) {
  return index < remap.size() ? remap[index] : index;
}

// Sorts by key(element); returns where each one went.
template <typename T, typename Key>
Remap SortBy(RepeatedPtrField<T>& list, Key key) {
  std::vector<uint32_t> order(static_cast<size_t>(list.size()));
  std::iota(order.begin(), order.end(), 0u);
  std::stable_sort(order.begin(), order.end(), [&](uint32_t a, uint32_t b) {
    return key(list[static_cast<int>(a)]) < key(list[static_cast<int>(b)]);
  });
  RepeatedPtrField<T> sorted;
  sorted.Reserve(list.size());
  Remap remap(order.size());
  for (uint32_t to = 0; to < order.size(); ++to) {
    remap[order[to]] = to;
    sorted.Add(std::move(list[static_cast<int>(order[to])]));
  }
  list.Swap(&sorted);
  return remap;
}

const auto kName = [](const auto& element) -> const std::string& { return element.name(); };

// Sorts messages by their bytes and drops repetitions.
template <typename T>
void SortUnique(RepeatedPtrField<T>& list) {
  std::vector<std::pair<std::string, T>> keyed;
  keyed.reserve(static_cast<size_t>(list.size()));
  for (T& element : list) {
    std::string bytes = element.SerializeAsString();
    keyed.emplace_back(std::move(bytes), std::move(element));
  }
  std::stable_sort(keyed.begin(), keyed.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  keyed.erase(std::unique(keyed.begin(), keyed.end(),
                          [](const auto& a, const auto& b) { return a.first == b.first; }),
              keyed.end());
  list.Clear();
  for (auto& [bytes, element] : keyed) list.Add(std::move(element));
}

// A contained form before its container, else by name: always the least name that may stand next.
Remap FormOrder(const v1::Layout& layout) {
  const auto count = static_cast<uint32_t>(layout.forms_size());
  std::vector<std::vector<uint32_t>> containers(count);
  std::vector<uint32_t> waits_for(count, 0);
  for (uint32_t i = 0; i < count; ++i) {
    for (const v1::ContainedForm& part : layout.forms(static_cast<int>(i)).contains()) {
      if (part.form() >= count || part.form() == i) continue;
      containers[part.form()].push_back(i);
      ++waits_for[i];
    }
  }
  const auto later = [&](uint32_t a, uint32_t b) {
    const std::string& name_a = layout.forms(static_cast<int>(a)).name();
    const std::string& name_b = layout.forms(static_cast<int>(b)).name();
    return name_a != name_b ? name_a > name_b : a > b;
  };
  std::priority_queue<uint32_t, std::vector<uint32_t>, decltype(later)> ready(later);
  for (uint32_t i = 0; i < count; ++i) {
    if (waits_for[i] == 0) ready.push(i);
  }
  Remap remap(count, UINT32_MAX);
  uint32_t next = 0;
  while (!ready.empty()) {
    const uint32_t form = ready.top();
    ready.pop();
    remap[form] = next++;
    for (const uint32_t container : containers[form]) {
      if (--waits_for[container] == 0) ready.push(container);
    }
  }
  for (uint32_t& to : remap) {  // forms that contain each other, for the verifier to refuse
    if (to == UINT32_MAX) to = next++;
  }
  return remap;
}

v1::Operator Mirrored(v1::Operator op) {
  switch (op) {
    case v1::OPERATOR_LESS:
      return v1::OPERATOR_GREATER;
    case v1::OPERATOR_LESS_OR_EQUAL:
      return v1::OPERATOR_GREATER_OR_EQUAL;
    case v1::OPERATOR_GREATER:
      return v1::OPERATOR_LESS;
    case v1::OPERATOR_GREATER_OR_EQUAL:
      return v1::OPERATOR_LESS_OR_EQUAL;
    default:
      return op;
  }
}

class Canonicalizer {
 public:
  explicit Canonicalizer(v1::Layout& layout) : layout_(layout) {}

  void Run() {
    layout_.DiscardUnknownFields();
    for (v1::Enumeration& enumeration : *layout_.mutable_enumerations()) {
      SortBy(*enumeration.mutable_values(), [](const auto& value) { return value.value(); });
    }
    enumerations_ = SortBy(*layout_.mutable_enumerations(), kName);
    features_ = SortBy(*layout_.mutable_features(), kName);
    // Positions before references: conditions name fields by where they will stand.
    for (v1::Form& form : *layout_.mutable_forms()) {
      for (v1::Field& field : *form.mutable_fields()) FillFieldDefaults(field);
      fields_.push_back(SortBy(*form.mutable_fields(), [](const v1::Field& field) {
        return std::make_pair(PositionOf(field), field.name());
      }));
    }
    forms_ = FormOrder(layout_);
    for (v1::Form& form : *layout_.mutable_forms()) RewriteForm(form);
    ReorderForms();
    for (v1::Queue& queue : *layout_.mutable_queues()) RewriteQueue(queue);
    SortBy(*layout_.mutable_queues(), kName);
    if (layout_.has_documentation()) {
      SortBy(*layout_.mutable_documentation()->mutable_notes(),
             [](const v1::Note& note) { return std::make_pair(note.path(), note.text()); });
    }
  }

 private:
  static void FillFieldDefaults(v1::Field& field) {
    for (v1::Bits& part : *field.mutable_parts()) {
      if (part.word_bytes() == 1 && part.byte_order() == v1::BYTE_ORDER_UNSPECIFIED) {
        part.set_byte_order(v1::BYTE_ORDER_LITTLE);
      }
    }
    if (!field.parts().empty() && field.scale().multiplier() == 0) {
      field.mutable_scale()->set_multiplier(1);
    }
    if (field.constraint() == v1::CONSTRAINT_UNSPECIFIED) field.set_constraint(v1::CONSTRAINT_NONE);
    if (field.position() == v1::PACKET_POSITION_UNSPECIFIED) {
      field.set_position(v1::PACKET_POSITION_EACH);
    }
  }

  void RewriteForm(v1::Form& form) {
    for (v1::Field& field : *form.mutable_fields()) {
      if (field.has_enumeration()) {
        field.set_enumeration(Mapped(enumerations_, field.enumeration()));
      }
      if (field.has_valid_when()) {
        RewriteCondition(*field.mutable_valid_when());
        if (field.valid_when().any_of().empty()) field.clear_valid_when();
      }
      RewriteFeatures(*field.mutable_features());
    }
    if (form.has_selector()) {
      RewriteCondition(*form.mutable_selector());
      if (form.selector().any_of().empty()) form.clear_selector();
    }
    RewriteFeatures(*form.mutable_features());
    if (form.slots() == 0) form.set_slots(1);
  }

  // Parts need their container's old index for the count field, and the contained form's size.
  void RewriteParts(uint32_t old_form, v1::Form& form, const v1::Layout& before) {
    for (v1::ContainedForm& part : *form.mutable_contains()) {
      if (part.max_count() == 0) part.set_max_count(1);
      if (part.stride_bytes() == 0 && part.form() < static_cast<uint32_t>(before.forms_size())) {
        part.set_stride_bytes(before.forms(static_cast<int>(part.form())).size_bytes());
      }
      part.set_form(Mapped(forms_, part.form()));
      if (part.has_count_field()) {
        part.set_count_field(Mapped(fields_[old_form], part.count_field()));
      }
    }
    SortBy(*form.mutable_contains(), [](const v1::ContainedForm& part) {
      return std::make_tuple(part.appended(), part.byte_offset(), part.name());
    });
  }

  void ReorderForms() {
    for (int i = 0; i < layout_.forms_size(); ++i) {
      RewriteParts(static_cast<uint32_t>(i), *layout_.mutable_forms(i), layout_);
    }
    RepeatedPtrField<v1::Form> sorted;
    sorted.Reserve(layout_.forms_size());
    std::vector<uint32_t> from(forms_.size());
    for (uint32_t i = 0; i < forms_.size(); ++i) from[forms_[i]] = i;
    for (const uint32_t i : from) {
      sorted.Add(std::move(*layout_.mutable_forms(static_cast<int>(i))));
    }
    layout_.mutable_forms()->Swap(&sorted);
  }

  void RewriteReference(v1::FieldReference& reference) const {
    if (reference.form() >= fields_.size()) return;
    const uint32_t form = reference.form();
    reference.set_form(forms_[form]);
    reference.set_field(Mapped(fields_[form], reference.field()));
  }

  void RewriteCondition(v1::Condition& condition) const {
    for (v1::Conjunction& conjunction : *condition.mutable_any_of()) {
      for (v1::Comparison& comparison : *conjunction.mutable_all_of()) {
        if (comparison.has_field()) RewriteReference(*comparison.mutable_field());
        if (!comparison.has_other()) continue;
        RewriteReference(*comparison.mutable_other());
        v1::FieldReference& left = *comparison.mutable_field();
        v1::FieldReference& right = *comparison.mutable_other();
        if (std::make_pair(right.form(), right.field()) <
            std::make_pair(left.form(), left.field())) {
          left.Swap(&right);
          comparison.set_operator_(Mirrored(comparison.operator_()));
        }
      }
      SortUnique(*conjunction.mutable_all_of());
    }
    SortUnique(*condition.mutable_any_of());
  }

  void RewriteFeatures(RepeatedPtrField<v1::FeatureChoice>& choices) const {
    for (v1::FeatureChoice& choice : choices)
      choice.set_feature(Mapped(features_, choice.feature()));
    SortBy(choices, [](const auto& c) { return std::make_pair(c.feature(), c.choice()); });
    SortUniqueAdjacent(choices);
  }

  static void SortUniqueAdjacent(RepeatedPtrField<v1::FeatureChoice>& choices) {
    const auto same = [](const auto& a, const auto& b) {
      return a.feature() == b.feature() && a.choice() == b.choice();
    };
    const auto end = std::unique(choices.begin(), choices.end(), same);
    choices.erase(end, choices.end());
  }

  void RewriteFormList(RepeatedField<uint32_t>& list) const {
    for (uint32_t& form : list) form = Mapped(forms_, form);
    std::sort(list.begin(), list.end());
    list.Truncate(static_cast<int>(std::unique(list.begin(), list.end()) - list.begin()));
  }

  void RewriteQueue(v1::Queue& queue) const;
  void RewriteRing(v1::Ring& ring, uint32_t index) const;
  void RewriteOwnership(v1::Ownership& ownership, const Remap& cells) const;
  void RewriteCompletion(v1::Ring& ring, uint32_t index) const;
  static void RewriteDoorbells(RepeatedPtrField<v1::Doorbell>& doorbells, const Remap& cells);

  v1::Layout& layout_;
  Remap enumerations_, features_, forms_;
  std::vector<Remap> fields_;  // by old form index
};

void Canonicalizer::RewriteQueue(v1::Queue& queue) const {
  for (int i = 0; i < queue.rings_size(); ++i) {
    RewriteRing(*queue.mutable_rings(i), static_cast<uint32_t>(i));
  }
  v1::PacketRule& packet = *queue.mutable_packet();
  if (packet.span() == v1::SPAN_UNSPECIFIED) packet.set_span(v1::SPAN_SINGLE);
  if (packet.length() == v1::LENGTH_MEANING_UNSPECIFIED) {
    packet.set_length(v1::LENGTH_MEANING_BUFFER);
  }
  if (packet.buffers_per_descriptor() == 0) packet.set_buffers_per_descriptor(1);
  if (packet.has_last_when()) {
    RewriteCondition(*packet.mutable_last_when());
    if (packet.last_when().any_of().empty()) packet.clear_last_when();
  }
  if (packet.has_field()) RewriteReference(*packet.mutable_field());

  v1::Limits& limits = *queue.mutable_limits();
  if (!limits.has_buffer()) {
    limits.mutable_buffer()->set_min_bytes(1);
    limits.mutable_buffer()->set_max_bytes(UINT32_MAX);
  }
  if (limits.buffer().step_bytes() == 0) limits.mutable_buffer()->set_step_bytes(1);
  if (limits.buffer_alignment_bytes() == 0) limits.set_buffer_alignment_bytes(1);

  for (v1::ContextRule& rule : *queue.mutable_contexts()) {
    rule.set_form(Mapped(forms_, rule.form()));
  }
  SortBy(*queue.mutable_contexts(), [](const v1::ContextRule& rule) { return rule.form(); });
}

void Canonicalizer::RewriteRing(v1::Ring& ring, uint32_t index) const {
  const Remap cells = SortBy(*ring.mutable_cells(), kName);
  for (v1::IndexCell& cell : *ring.mutable_cells()) {
    if (cell.mask() == 0) cell.set_mask(LowBits(8 * std::min(cell.bytes(), 8u)));
    if (cell.bytes() == 1 && cell.byte_order() == v1::BYTE_ORDER_UNSPECIFIED) {
      cell.set_byte_order(v1::BYTE_ORDER_LITTLE);
    }
  }
  if (ring.has_slots() && ring.slots().step() == 0) ring.mutable_slots()->set_step(1);
  if (ring.alignment_bytes() == 0) ring.set_alignment_bytes(1);
  RewriteFormList(*ring.mutable_post_forms());
  RewriteFormList(*ring.mutable_complete_forms());
  if (ring.has_ownership()) RewriteOwnership(*ring.mutable_ownership(), cells);
  RewriteCompletion(ring, index);
  RewriteDoorbells(*ring.mutable_producer_doorbells(), cells);
  RewriteDoorbells(*ring.mutable_consumer_doorbells(), cells);
  if (ring.has_wrap()) {
    v1::WrapRule& wrap = *ring.mutable_wrap();
    if (wrap.has_last_slot_field()) RewriteReference(*wrap.mutable_last_slot_field());
    if (wrap.has_link_form()) wrap.set_link_form(Mapped(forms_, wrap.link_form()));
    if (!wrap.has_last_slot_field() && !wrap.has_link_form()) ring.clear_wrap();
  }
  RewriteFeatures(*ring.mutable_features());
}

void Canonicalizer::RewriteOwnership(v1::Ownership& ownership, const Remap& cells) const {
  switch (ownership.protocol_case()) {
    case v1::Ownership::kInPlace:
      RewriteCondition(*ownership.mutable_in_place()->mutable_when());
      break;
    case v1::Ownership::kOwnBit:
      RewriteReference(*ownership.mutable_own_bit()->mutable_field());
      break;
    case v1::Ownership::kPhase: {
      v1::PhaseBit& phase = *ownership.mutable_phase();
      RewriteReference(*phase.mutable_field());
      RewriteCondition(*phase.mutable_when());
      if (phase.when().any_of().empty()) phase.clear_when();
      break;
    }
    case v1::Ownership::kWrapBits:
      RewriteReference(*ownership.mutable_wrap_bits()->mutable_available());
      RewriteReference(*ownership.mutable_wrap_bits()->mutable_used());
      break;
    case v1::Ownership::kSequence:
      RewriteReference(*ownership.mutable_sequence()->mutable_field());
      break;
    case v1::Ownership::kHead:
      ownership.mutable_head()->set_cell(Mapped(cells, ownership.head().cell()));
      break;
    case v1::Ownership::kSharedIndices: {
      v1::SharedIndices& indices = *ownership.mutable_shared_indices();
      indices.set_producer_cell(Mapped(cells, indices.producer_cell()));
      indices.set_consumer_cell(Mapped(cells, indices.consumer_cell()));
      break;
    }
    case v1::Ownership::kFill:
      RewriteReference(*ownership.mutable_fill()->mutable_field());
      break;
    case v1::Ownership::kGivenBack:
    case v1::Ownership::PROTOCOL_NOT_SET:
      break;
  }
}

void Canonicalizer::RewriteCompletion(v1::Ring& ring, uint32_t index) const {
  if (ring.completes().key() == v1::COMPLETION_KEY_UNSPECIFIED) {
    const auto protocol = ring.ownership().protocol_case();
    if (protocol == v1::Ownership::kInPlace || protocol == v1::Ownership::kOwnBit) {
      ring.mutable_completes()->set_key(v1::COMPLETION_KEY_IN_PLACE);
    } else if (protocol == v1::Ownership::kGivenBack) {
      ring.mutable_completes()->set_key(v1::COMPLETION_KEY_NONE);
    }
  }
  if (!ring.has_completes()) return;
  v1::CompletionRule& rule = *ring.mutable_completes();
  if (rule.key() == v1::COMPLETION_KEY_IN_PLACE || rule.key() == v1::COMPLETION_KEY_NONE) {
    rule.set_ring(index);
  }
  if (rule.has_field()) RewriteReference(*rule.mutable_field());
  if (rule.has_compressed()) {
    v1::CompressedEntries& entries = *rule.mutable_compressed();
    entries.set_title_form(Mapped(forms_, entries.title_form()));
    entries.set_mini_form(Mapped(forms_, entries.mini_form()));
    if (entries.has_count()) RewriteReference(*entries.mutable_count());
  }
}

void Canonicalizer::RewriteDoorbells(RepeatedPtrField<v1::Doorbell>& doorbells,
                                     const Remap& cells) {
  for (v1::Doorbell& doorbell : doorbells) {
    const v1::DoorbellTarget target = doorbell.target();
    const bool store =
        target == v1::DOORBELL_TARGET_REGISTER || target == v1::DOORBELL_TARGET_MEMORY;
    if (doorbell.byte_order() == v1::BYTE_ORDER_UNSPECIFIED && (!store || doorbell.bytes() == 1)) {
      doorbell.set_byte_order(v1::BYTE_ORDER_LITTLE);
    }
    if (doorbell.barrier() == v1::BARRIER_UNSPECIFIED) {
      if (target == v1::DOORBELL_TARGET_MEMORY) {
        doorbell.set_barrier(v1::BARRIER_MEMORY_BEFORE_MEMORY);
      } else if (target == v1::DOORBELL_TARGET_WAKEUP) {
        doorbell.set_barrier(v1::BARRIER_NONE);
      } else {
        doorbell.set_barrier(v1::BARRIER_MEMORY_BEFORE_DEVICE);
      }
    }
    for (v1::DoorbellTerm& term : *doorbell.mutable_terms()) {
      const uint32_t bits = 8 * std::min(doorbell.bytes(), 8u);
      if (term.mask() == 0 && term.shift() < bits) term.set_mask(LowBits(bits - term.shift()));
    }
    SortBy(*doorbell.mutable_terms(), [](const v1::DoorbellTerm& term) {
      return std::make_tuple(term.shift(), static_cast<int>(term.source()), term.mask(),
                             term.constant());
    });
    if (doorbell.has_suppressed_by_cell()) {
      doorbell.set_suppressed_by_cell(Mapped(cells, doorbell.suppressed_by_cell()));
    }
  }
}

}  // namespace

v1::Layout Canonicalize(v1::Layout layout) {
  Canonicalizer(layout).Run();
  return layout;
}

std::string SerializeCanonical(const v1::Layout& layout) {
  std::string bytes;
  {
    google::protobuf::io::StringOutputStream stream(&bytes);
    google::protobuf::io::CodedOutputStream coded(&stream);
    coded.SetSerializationDeterministic(true);
    layout.SerializePartialToCodedStream(&coded);
  }
  return bytes;
}

std::string LayoutDigest(const v1::Layout& layout) {
  v1::Layout meaning = layout;
  meaning.clear_documentation();
  const std::string bytes = SerializeCanonical(meaning);
  std::string digest(32, '\0');
  EVP_Digest(bytes.data(), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()), nullptr,
             EVP_sha256(), nullptr);
  return digest;
}

std::string DigestHex(const std::string& digest) { return absl::BytesToHexString(digest); }

}  // namespace qsplit::layout
