// Forms: fields, their bits and what they may say; parts; which forms can be told apart.
#include <algorithm>
#include <bitset>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/layout/verify_context.h"
#include "descriptor-lang/layout/verify_fields.h"

namespace qsplit::layout::verifier {
namespace {

using ByteSet = std::bitset<kMaxFormBytes>;

// What overlaps are judged by.
struct Extent {
  const v1::Field* field = nullptr;
  std::vector<ByteMask> masks;  // empty for byte arrays
  uint32_t first = 0;           // bytes, inclusive
  uint32_t last = 0;
  std::optional<ConditionFacts> valid_when;  // made when first asked for
};

Extent ExtentOf(const v1::Field& field) {
  Extent extent;
  extent.field = &field;
  if (field.parts().empty()) {
    extent.first = field.bytes().byte_offset();
    extent.last = extent.first + field.bytes().length() - 1;
  } else {
    extent.masks = ByteMasks(field);
    extent.first = extent.masks.front().byte;
    extent.last = extent.masks.back().byte;
  }
  return extent;
}

// The first byte that both touch with the same bit, if any.
std::optional<uint32_t> SharedByte(const Extent& a, const Extent& b, WorkBudget& budget) {
  if (a.last < b.first || b.last < a.first) return std::nullopt;
  if (!budget.Spend(1 + a.masks.size() + b.masks.size())) return std::nullopt;
  if (a.masks.empty() && b.masks.empty()) return std::max(a.first, b.first);
  if (a.masks.empty()) return SharedByte(b, a, budget);
  if (b.masks.empty()) {
    for (const ByteMask& mask : a.masks) {
      if (mask.byte >= b.first && mask.byte <= b.last) return mask.byte;
    }
    return std::nullopt;
  }
  auto i = a.masks.begin();
  auto j = b.masks.begin();
  while (i != a.masks.end() && j != b.masks.end()) {
    if (i->byte == j->byte) {
      if ((i->mask & j->mask) != 0) return i->byte;
      ++i;
      ++j;
    } else if (i->byte < j->byte) {
      ++i;
    } else {
      ++j;
    }
  }
  return std::nullopt;
}

const ConditionFacts& ValidWhen(Context& context, Extent& extent) {
  if (!extent.valid_when) {
    extent.valid_when = FactsOf(context.layout, extent.field->valid_when());
  }
  return *extent.valid_when;
}

// Never both in use: other choices of a feature, or conditions that exclude each other.
bool NeverBoth(Context& context, Extent& a, Extent& b) {
  return Exclude(a.field->features(), b.field->features(), context.budget) ||
         Exclude(ValidWhen(context, a), ValidWhen(context, b), context.budget);
}

absl::Status CheckOverlaps(Context& context, uint32_t form_index, std::vector<Extent>& extents) {
  for (size_t i = 0; i < extents.size(); ++i) {
    for (size_t k = 0; k < i; ++k) {
      const std::optional<uint32_t> byte = SharedByte(extents[k], extents[i], context.budget);
      if (byte && !NeverBoth(context, extents[k], extents[i])) {
        QSPLIT_RETURN_IF_ERROR(context.CheckBudget(context.FormPath(form_index)));
        return Refuse(context.FieldPath(form_index, static_cast<int>(i)), "shares bits of byte ",
                      *byte, " with ", extents[k].field->name(),
                      "; give them conditions or features that exclude each other");
      }
    }
  }
  return context.CheckBudget(context.FormPath(form_index));
}

absl::Status CheckRoles(Context& context, uint32_t form_index, std::vector<Extent>& extents) {
  absl::flat_hash_map<std::string_view, std::vector<size_t>> by_role;
  for (size_t i = 0; i < extents.size(); ++i) {
    const std::string& role = extents[i].field->role();
    if (role.empty() || GetRoleInfo(*FindRole(role)).repeatable) continue;
    std::vector<size_t>& same = by_role[role];
    for (const size_t k : same) {
      if (NeverBoth(context, extents[k], extents[i])) continue;
      QSPLIT_RETURN_IF_ERROR(context.CheckBudget(context.FormPath(form_index)));
      return Refuse(context.FieldPath(form_index, static_cast<int>(i)), "role ", role,
                    " is also that of ", extents[k].field->name(),
                    "; give them conditions or features that exclude each other");
    }
    same.push_back(i);
  }
  return absl::OkStatus();
}

// Where the parts end: behind the last of as many as there can be.
uint64_t EndOf(const Context& context, const v1::ContainedForm& part) {
  return part.byte_offset() + uint64_t{part.stride_bytes()} * (part.max_count() - 1) +
         context.form(part.form()).size_bytes();
}

absl::Status CheckPart(Context& context, uint32_t form_index, const v1::ContainedForm& part,
                       const std::string& path) {
  const v1::Form& form = context.form(form_index);
  if (part.form() >= form_index) {
    return Refuse(path, "form ", part.form(), " must stand before its container ", form_index);
  }
  const v1::Form& inner = context.form(part.form());
  for (const v1::ContainedForm& nested : inner.contains()) {
    if (nested.appended()) {
      return Refuse(path, "form ", inner.name(),
                    " has appended parts; such a form cannot be a part");
    }
  }
  if (part.max_count() < 1 || part.max_count() > kMaxContainedCount) {
    return Refuse(path, "max_count ", part.max_count(), " is not in 1..", kMaxContainedCount);
  }
  if (part.max_count() > 1 && part.stride_bytes() < inner.size_bytes()) {
    return Refuse(path, "stride ", part.stride_bytes(), " is less than the ", inner.size_bytes(),
                  " bytes of ", inner.name());
  }
  const uint64_t end = EndOf(context, part);
  const uint32_t limit = part.appended() ? kMaxExtendedFormBytes : form.size_bytes();
  if (end > limit) {
    return Refuse(path, "ends at byte ", end, " behind the limit of ", limit);
  }
  if (part.appended() && part.byte_offset() < form.size_bytes()) {
    return Refuse(path, "is appended but begins at byte ", part.byte_offset(), " inside the ",
                  form.size_bytes(), " bytes of its container");
  }
  if (!part.has_count_field()) return absl::OkStatus();
  if (part.count_field() >= static_cast<uint32_t>(form.fields_size())) {
    return Refuse(path, "count field ", part.count_field(), " of ", form.fields_size());
  }
  if (form.fields(static_cast<int>(part.count_field())).parts().empty()) {
    return Refuse(path, "count field ", form.fields(static_cast<int>(part.count_field())).name(),
                  " is a byte array, not a number");
  }
  return absl::OkStatus();
}

ByteSet BytesOf(Context& context, const v1::ContainedForm& part) {
  ByteSet bytes;
  const uint32_t size = context.form(part.form()).size_bytes();
  for (uint32_t i = 0; i < part.max_count(); ++i) {
    const uint32_t at = part.byte_offset() + i * part.stride_bytes();
    for (uint32_t k = 0; k < size; ++k) bytes.set(at + k);
  }
  return bytes;
}

// Parts inside the container share no byte with its fields or with each other.
absl::Status CheckPartOverlaps(Context& context, uint32_t form_index,
                               const std::vector<Extent>& extents) {
  const v1::Form& form = context.form(form_index);
  std::vector<std::pair<const v1::ContainedForm*, ByteSet>> inside;
  for (const v1::ContainedForm& part : form.contains()) {
    if (part.appended()) continue;
    const std::string path = Cat(context.FormPath(form_index), ".contains ", part.name());
    const v1::Form& inner = context.form(part.form());
    const ByteSet bytes = BytesOf(context, part);
    for (const Extent& extent : extents) {
      uint32_t shared = UINT32_MAX;
      if (extent.masks.empty()) {
        if (!context.budget.Spend(extent.last - extent.first + 1)) break;
        for (uint32_t b = extent.first; b <= extent.last && shared == UINT32_MAX; ++b) {
          if (bytes.test(b)) shared = b;
        }
      }
      for (const ByteMask& mask : extent.masks) {
        if (bytes.test(mask.byte)) shared = mask.byte;
      }
      if (shared != UINT32_MAX &&
          !Exclude(inner.features(), extent.field->features(), context.budget)) {
        return Refuse(path, "shares byte ", shared, " with the field ", extent.field->name());
      }
    }
    for (const auto& [other, other_bytes] : inside) {
      const v1::Form& other_form = context.form(other->form());
      if ((bytes & other_bytes).none()) continue;
      if (Exclude(inner.features(), other_form.features(), context.budget)) continue;
      if (!context.budget.Spend(IdentityCost(inner) + IdentityCost(other_form))) break;
      if (part.byte_offset() == other->byte_offset() &&
          Exclude(IdentityOf(inner), IdentityOf(other_form), context.budget)) {
        continue;
      }
      return Refuse(path, "shares bytes with the part ", other->name(),
                    ", and nothing tells their forms apart");
    }
    inside.emplace_back(&part, bytes);
  }
  return context.CheckBudget(context.FormPath(form_index));
}

// Parts behind the container: one after the other, nothing behind one whose count varies.
absl::Status CheckAppended(Context& context, uint32_t form_index) {
  const v1::Form& form = context.form(form_index);
  for (int i = 0; i < form.contains_size(); ++i) {
    const v1::ContainedForm& b = form.contains(i);
    if (!b.appended()) continue;
    const std::string path = Cat(context.FormPath(form_index), ".contains ", b.name());
    for (int k = 0; k < i; ++k) {
      const v1::ContainedForm& a = form.contains(k);
      const v1::Form& form_a = context.form(a.form());
      const v1::Form& form_b = context.form(b.form());
      if (!a.appended() || Exclude(form_a.features(), form_b.features(), context.budget)) continue;
      if (a.byte_offset() == b.byte_offset()) {
        context.budget.Spend(IdentityCost(form_a) + IdentityCost(form_b));
        QSPLIT_RETURN_IF_ERROR(context.CheckBudget(path));
        if (Exclude(IdentityOf(form_a), IdentityOf(form_b), context.budget)) continue;
      }
      const v1::ContainedForm& first = a.byte_offset() <= b.byte_offset() ? a : b;
      const v1::ContainedForm& second = &first == &a ? b : a;
      if (EndOf(context, first) > second.byte_offset()) {
        return Refuse(path, "shares bytes with the part ", a.name(),
                      ", and nothing tells their forms apart");
      }
      if (first.has_count_field()) {
        return Refuse(path, second.name(), " stands behind ", first.name(),
                      ", of which there may be fewer");
      }
    }
  }
  return context.CheckBudget(context.FormPath(form_index));
}

// Forms that fields of this one may be compared with: itself, what it contains once, what contains
// it, and the title of which it inherits.
std::vector<FormSet> Visible(const Context& context) {
  const uint32_t count = context.form_count();
  std::vector<FormSet> visible(count, FormSet(count, false));
  for (uint32_t i = 0; i < count; ++i) {
    visible[i][i] = true;
    for (const v1::ContainedForm& part : context.form(i).contains()) {
      if (part.form() >= i) continue;
      visible[part.form()][i] = true;
      if (part.max_count() <= 1) visible[i][part.form()] = true;
    }
  }
  for (const v1::Queue& queue : context.layout.queues()) {
    for (const v1::Ring& ring : queue.rings()) {
      const v1::CompressedEntries& entries = ring.compressed();
      if (!ring.has_compressed()) continue;
      if (entries.mini_form() < count && entries.title_form() < count) {
        visible[entries.mini_form()][entries.title_form()] = true;
      }
    }
  }
  return visible;
}

// Names, sizes and counts of all forms, before anything refers to anything.
absl::Status CheckShapes(Context& context) {
  NameSet form_names;
  for (uint32_t i = 0; i < context.form_count(); ++i) {
    const v1::Form& form = context.form(i);
    QSPLIT_RETURN_IF_ERROR(form_names.Add(Cat("forms[", i, "]"), form.name()));
    const std::string path = context.FormPath(i);
    if (form.size_bytes() < 1 || form.size_bytes() > kMaxFormBytes) {
      return Refuse(path, "size of ", form.size_bytes(), " bytes is not in 1..", kMaxFormBytes);
    }
    if (form.slots() < 1 || form.slots() > kMaxFormSlots) {
      return Refuse(path, form.slots(), " slots are not in 1..", kMaxFormSlots);
    }
    if (form.position() == v1::PACKET_POSITION_UNSPECIFIED ||
        !v1::PacketPosition_IsValid(form.position())) {
      return Refuse(path, "position ", static_cast<int>(form.position()), " is none");
    }
    QSPLIT_RETURN_IF_ERROR(CheckCount(path, "fields", form.fields_size(), kMaxFields));
    QSPLIT_RETURN_IF_ERROR(CheckCount(path, "parts", form.contains_size(), kMaxContainedForms));
    QSPLIT_RETURN_IF_ERROR(context.CheckFeatures(path, form.features()));
    NameSet names;
    for (int k = 0; k < form.fields_size(); ++k) {
      QSPLIT_RETURN_IF_ERROR(names.Add(Cat(path, ".fields[", k, "]"), form.fields(k).name()));
      QSPLIT_RETURN_IF_ERROR(CheckField(context, i, k));
    }
    for (int k = 0; k < form.contains_size(); ++k) {
      QSPLIT_RETURN_IF_ERROR(names.Add(Cat(path, ".contains[", k, "]"), form.contains(k).name()));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckForm(Context& context, uint32_t index, const FormSet& visible) {
  const v1::Form& form = context.form(index);
  FormSet own(context.form_count(), false);
  own[index] = true;
  const std::string path = context.FormPath(index);
  QSPLIT_RETURN_IF_ERROR(CheckCondition(context, Cat(path, ".selector"), form.selector(),
                                        {.forms = own, .whose = "the form itself"}));
  std::vector<Extent> extents;
  extents.reserve(static_cast<size_t>(form.fields_size()));
  for (int k = 0; k < form.fields_size(); ++k) {
    const v1::Field& field = form.fields(k);
    QSPLIT_RETURN_IF_ERROR(CheckCondition(
        context, Cat(path, ".fields[", k, "] ", field.name(), ".valid_when"), field.valid_when(),
        {.forms = visible, .whose = "the form, its container or its parts"}));
    extents.push_back(ExtentOf(field));
  }
  QSPLIT_RETURN_IF_ERROR(CheckOverlaps(context, index, extents));
  QSPLIT_RETURN_IF_ERROR(CheckRoles(context, index, extents));
  for (int k = 0; k < form.contains_size(); ++k) {
    const v1::ContainedForm& part = form.contains(k);
    QSPLIT_RETURN_IF_ERROR(
        CheckPart(context, index, part, Cat(path, ".contains[", k, "] ", part.name())));
  }
  QSPLIT_RETURN_IF_ERROR(CheckAppended(context, index));
  return CheckPartOverlaps(context, index, extents);
}

// One serves for first descriptors of packets, the other for those behind.
bool ExcludePositions(const v1::Form& a, const v1::Form& b) {
  return (a.position() == v1::PACKET_POSITION_FIRST && b.position() == v1::PACKET_POSITION_REST) ||
         (a.position() == v1::PACKET_POSITION_REST && b.position() == v1::PACKET_POSITION_FIRST);
}

}  // namespace

absl::Status CheckForms(Context& context) {
  QSPLIT_RETURN_IF_ERROR(CheckCount("forms", "forms", context.layout.forms_size(), kMaxForms));
  if (context.layout.forms().empty()) return Refuse("forms", "none; a layout has at least one");
  QSPLIT_RETURN_IF_ERROR(CheckShapes(context));
  const std::vector<FormSet> visible = Visible(context);
  for (uint32_t i = 0; i < context.form_count(); ++i) {
    QSPLIT_RETURN_IF_ERROR(CheckForm(context, i, visible[i]));
  }
  return absl::OkStatus();
}

absl::Status CheckTellApart(Context& context, std::string_view path,
                            const google::protobuf::RepeatedField<uint32_t>& forms) {
  if (forms.size() < 2) return absl::OkStatus();
  std::vector<FormIdentity> identities;
  for (const uint32_t index : forms) {
    context.budget.Spend(IdentityCost(context.form(index)));
    QSPLIT_RETURN_IF_ERROR(context.CheckBudget(path));
    identities.push_back(IdentityOf(context.form(index)));
  }
  for (int i = 0; i < forms.size(); ++i) {
    for (int k = 0; k < i; ++k) {
      const v1::Form& a = context.form(forms[k]);
      const v1::Form& b = context.form(forms[i]);
      if (ExcludePositions(a, b) || Exclude(a.features(), b.features(), context.budget)) continue;
      if (Exclude(identities[static_cast<size_t>(k)], identities[static_cast<size_t>(i)],
                  context.budget)) {
        continue;
      }
      QSPLIT_RETURN_IF_ERROR(context.CheckBudget(path));
      return Refuse(path, "nothing tells ", a.name(), " and ", b.name(),
                    " apart; give both a selector or a constant over the same bits");
    }
  }
  return context.CheckBudget(path);
}

}  // namespace qsplit::layout::verifier
