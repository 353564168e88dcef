#include "descriptor-lang/layout/canonical.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/io/zero_copy_stream_impl_lite.h>
#include <openssl/evp.h>

#include <algorithm>
#include <cstdint>
#include <queue>
#include <tuple>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/canonical_references.h"

namespace qsplit::layout {
namespace {

using canonical::kName;
using canonical::Mapped;
using canonical::References;
using canonical::Remap;
using canonical::RepeatedPtrField;
using canonical::RewriteQueue;
using canonical::SortBy;

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

class Canonicalizer {
 public:
  explicit Canonicalizer(v1::Layout& layout) : layout_(layout) {}

  void Run() {
    layout_.DiscardUnknownFields();
    for (v1::Enumeration& enumeration : *layout_.mutable_enumerations()) {
      SortBy(*enumeration.mutable_values(), [](const auto& value) { return value.value(); });
    }
    references_.enumerations = SortBy(*layout_.mutable_enumerations(), kName);
    references_.features = SortBy(*layout_.mutable_features(), kName);
    // Positions before references: conditions name fields by where they will stand.
    for (v1::Form& form : *layout_.mutable_forms()) {
      for (v1::Field& field : *form.mutable_fields()) FillFieldDefaults(field);
      references_.fields.push_back(SortBy(*form.mutable_fields(), [](const v1::Field& field) {
        return std::make_pair(PositionOf(field), field.name());
      }));
    }
    references_.forms = FormOrder(layout_);
    for (v1::Form& form : *layout_.mutable_forms()) RewriteForm(form);
    ReorderForms();
    for (v1::Queue& queue : *layout_.mutable_queues()) RewriteQueue(references_, queue);
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
        field.set_enumeration(Mapped(references_.enumerations, field.enumeration()));
      }
      if (field.has_valid_when()) {
        references_.Rewrite(*field.mutable_valid_when());
        if (field.valid_when().any_of().empty()) field.clear_valid_when();
      }
      references_.Rewrite(*field.mutable_features());
    }
    if (form.has_selector()) {
      references_.Rewrite(*form.mutable_selector());
      if (form.selector().any_of().empty()) form.clear_selector();
    }
    references_.Rewrite(*form.mutable_features());
    if (form.slots() == 0) form.set_slots(1);
    if (form.position() == v1::PACKET_POSITION_UNSPECIFIED) {
      form.set_position(v1::PACKET_POSITION_EACH);
    }
  }

  // Parts need their container's old index for the count field, and the contained form's size.
  void RewriteParts(uint32_t old_form, v1::Form& form, const v1::Layout& before) {
    for (v1::ContainedForm& part : *form.mutable_contains()) {
      if (part.max_count() == 0) part.set_max_count(1);
      if (part.stride_bytes() == 0 && part.form() < static_cast<uint32_t>(before.forms_size())) {
        part.set_stride_bytes(before.forms(static_cast<int>(part.form())).size_bytes());
      }
      part.set_form(Mapped(references_.forms, part.form()));
      if (part.has_count_field()) {
        part.set_count_field(Mapped(references_.fields[old_form], part.count_field()));
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
    std::vector<uint32_t> from(references_.forms.size());
    for (uint32_t i = 0; i < references_.forms.size(); ++i) from[references_.forms[i]] = i;
    for (const uint32_t i : from) {
      sorted.Add(std::move(*layout_.mutable_forms(static_cast<int>(i))));
    }
    layout_.mutable_forms()->Swap(&sorted);
  }

  v1::Layout& layout_;
  References references_;
};

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
