#include "descriptor-lang/layout/verify_context.h"

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "descriptor-lang/layout/limits.h"

namespace qsplit::layout::verifier {

std::string Quoted(std::string_view text) {
  constexpr size_t kShown = 64;
  std::string shown = absl::CHexEscape(AsWord(text.substr(0, kShown)));
  return Cat("`", shown, text.size() > kShown ? "…" : "", "`");
}

bool IsIdentifier(std::string_view name) {
  if (name.empty() || name.size() > kMaxNameBytes ||
      absl::ascii_isdigit(static_cast<unsigned char>(name[0])))
    return false;
  for (const char c : name) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '_') return false;
  }
  return true;
}

absl::Status CheckIdentifier(std::string_view path, std::string_view name) {
  if (IsIdentifier(name)) return absl::OkStatus();
  return Refuse(path, "name ", Quoted(name), " of ", name.size(), " bytes; a name is 1 to ",
                kMaxNameBytes, " letters, digits and _, no digit first");
}

bool IsCleanText(std::string_view text) {
  size_t i = 0;
  while (i < text.size()) {
    const auto lead = static_cast<unsigned char>(text[i]);
    size_t more = 0;
    uint32_t code = lead;
    uint32_t least = 0;
    if (lead >= 0xf0 && lead <= 0xf4) {
      more = 3, code = lead & 0x07, least = 0x10000;
    } else if (lead >= 0xe0 && lead < 0xf0) {
      more = 2, code = lead & 0x0f, least = 0x800;
    } else if (lead >= 0xc2 && lead < 0xe0) {
      more = 1, code = lead & 0x1f, least = 0x80;
    } else if (lead >= 0x80) {
      return false;
    }
    if (more >= text.size() - i) return false;
    for (size_t k = 1; k <= more; ++k) {
      const auto next = static_cast<unsigned char>(text[i + k]);
      if ((next & 0xc0) != 0x80) return false;
      code = code << 6 | (next & 0x3f);
    }
    if (code < least || code > 0x10ffff || (code >= 0xd800 && code < 0xe000)) return false;
    if ((code < 0x20 && code != '\n' && code != '\t') || (code >= 0x7f && code < 0xa0)) {
      return false;  // would speak to a terminal
    }
    i += 1 + more;
  }
  return true;
}

absl::Status CheckCount(std::string_view path, std::string_view what, int count, uint32_t limit) {
  if (static_cast<uint32_t>(count) <= limit) return absl::OkStatus();
  return Refuse(path, count, " ", what, " exceed the limit of ", limit);
}

std::string Context::FormPath(uint32_t index) const {
  return Cat("forms[", index, "] ", form(index).name());
}

std::string Context::FieldPath(uint32_t form_index, int field_index) const {
  return Cat(FormPath(form_index), ".fields[", field_index, "] ",
             form(form_index).fields(field_index).name());
}

std::string Context::Name(const v1::FieldReference& reference) const {
  return Cat(form(reference.form()).name(), ".", field(reference).name());
}

void Context::IndexForms() {
  placed_.assign(form_count(), FormSet(form_count(), false));
  roles_of_.assign(form_count(), {});
  for (uint32_t index = 0; index < form_count(); ++index) {
    placed_[index][index] = true;
    for (const v1::Field& known : form(index).fields()) {
      if (const std::optional<Role> role = FindRole(known.role())) {
        roles_of_[index].set(static_cast<size_t>(*role));
      }
    }
    // A contained form stands before its container.
    for (const v1::ContainedForm& part : form(index).contains()) {
      roles_of_[index] |= roles_of_[part.form()];
      if (part.max_count() != 1 || part.has_count_field()) continue;
      for (uint32_t inner = 0; inner <= part.form(); ++inner) {
        if (placed_[part.form()][inner]) placed_[index][inner] = true;
      }
    }
  }
}

FormSet Context::Placed(const google::protobuf::RepeatedField<uint32_t>& forms) const {
  FormSet set(form_count(), false);
  for (const uint32_t outer : forms) {
    if (outer >= form_count()) continue;
    for (uint32_t inner = 0; inner <= outer; ++inner) {
      if (placed_[outer][inner]) set[inner] = true;
    }
  }
  return set;
}

bool Context::HasRole(const google::protobuf::RepeatedField<uint32_t>& forms, Role role) const {
  for (const uint32_t index : forms) {
    if (index < form_count() && roles_of_[index].test(static_cast<size_t>(role))) return true;
  }
  return false;
}

absl::Status Context::CheckFeatures(
    std::string_view path,
    const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& choices) const {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "features", choices.size(), kMaxFeatures));
  uint32_t seen = 0;
  static_assert(kMaxFeatures <= 32);
  for (int i = 0; i < choices.size(); ++i) {
    const uint32_t feature = choices[i].feature();
    if (feature >= static_cast<uint32_t>(layout.features_size())) {
      return Refuse(path, "features[", i, "]: feature ", feature, " of ", layout.features_size());
    }
    const v1::Feature& known = layout.features(static_cast<int>(feature));
    if (choices[i].choice() >= static_cast<uint32_t>(known.choices_size())) {
      return Refuse(path, "features[", i, "]: choice ", choices[i].choice(), " of ",
                    known.choices_size(), " of feature ", known.name());
    }
    if ((seen >> feature & 1) != 0) {
      return Refuse(path, "features[", i, "]: feature ", known.name(), " twice");
    }
    seen |= 1u << feature;
  }
  return absl::OkStatus();
}

absl::Status Context::CheckReference(std::string_view path, const v1::FieldReference& reference,
                                     const FormSet& allowed, std::string_view whose) const {
  if (reference.form() >= form_count()) {
    return Refuse(path, "form ", reference.form(), " of ", form_count());
  }
  if (reference.field() >= static_cast<uint32_t>(form(reference.form()).fields_size())) {
    return Refuse(path, "form ", form(reference.form()).name(), " has no field ", reference.field(),
                  ", it has ", form(reference.form()).fields_size());
  }
  if (!allowed[reference.form()]) {
    return Refuse(path, "field ", Name(reference), " is not of ", whose);
  }
  if (field(reference).parts().empty()) {
    return Refuse(path, "field ", Name(reference), " is a byte array, not a number");
  }
  return absl::OkStatus();
}

absl::Status Context::CheckFlagReference(std::string_view path, const v1::FieldReference& reference,
                                         const FormSet& allowed, std::string_view whose) const {
  QSPLIT_RETURN_IF_ERROR(CheckReference(path, reference, allowed, whose));
  const uint32_t bits = BitWidth(field(reference));
  if (bits != 1) {
    return Refuse(path, "field ", Name(reference), " has ", bits, " bits; it must have 1");
  }
  return absl::OkStatus();
}

absl::Status Context::CheckFormList(std::string_view path,
                                    const google::protobuf::RepeatedField<uint32_t>& forms) const {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "forms", forms.size(), kMaxForms));
  FormSet seen(form_count(), false);
  for (const uint32_t index : forms) {
    if (index >= form_count()) return Refuse(path, "form ", index, " of ", form_count());
    if (seen[index]) return Refuse(path, "form ", form(index).name(), " twice");
    seen[index] = true;
  }
  return absl::OkStatus();
}

absl::Status Context::CheckBudget(std::string_view path) const {
  if (!budget.Exhausted()) return absl::OkStatus();
  return Refuse(path, "too many overlaps and conditions to compare (limit ", WorkBudget::kSteps,
                " steps); describe fewer alternatives of the same bytes");
}

absl::Status NameSet::Add(std::string_view path, std::string_view name) {
  QSPLIT_RETURN_IF_ERROR(CheckIdentifier(path, name));
  if (seen_.insert(name).second) return absl::OkStatus();
  return Refuse(path, "name ", name, " is taken");
}

}  // namespace qsplit::layout::verifier
