#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/passes/passes.h"
#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

using Constraint = ast::Attributes::Constraint;

class Values {
 public:
  Values(Unit& unit, FieldUnit& field)
      : unit_(unit),
        field_(field),
        attributes_(field.main->attributes),
        diagnostics_(unit.diagnostics) {}

  void Run() {
    if (field_.field.has_bytes()) {
      CheckArray();
    }
    ResolveEnumeration();
    ResolveConstraint();
    if (!field_.field.has_bytes()) ResolveScale();
    field_.field.set_position(attributes_.position == v1::PACKET_POSITION_UNSPECIFIED
                                  ? v1::PACKET_POSITION_EACH
                                  : attributes_.position);
    field_.field.set_is_signed(attributes_.is_signed && !field_.field.has_bytes());
    field_.field.set_inverted(attributes_.inverted && field_.bits == 1);
    if (attributes_.inverted && field_.placed && field_.bits != 1) {
      diagnostics_.Report(Diagnostic::kInvertedWidth, attributes_.role->span,
                          {field_.field.name(), BitsText(field_.bits)});
    }
  }

 private:
  void CheckArray() {
    std::string_view what;
    Span span = field_.span();
    if (attributes_.constraint == Constraint::kConstant) {
      what = "a constant", span = attributes_.constant.span;
    } else if (attributes_.constraint == Constraint::kOnes) {
      what = "all ones", span = attributes_.constant.span;
    } else if (attributes_.enumeration) {
      what = "an enumeration", span = attributes_.enumeration->span;
    } else if (attributes_.times || attributes_.plus || attributes_.minus ||
               attributes_.zero_means) {
      what = "scaled";
    } else if (attributes_.is_signed) {
      what = "signed";
    } else {
      return;
    }
    diagnostics_.Report(Diagnostic::kByteArrayAttribute, span, {field_.field.name(), what});
  }

  void ResolveEnumeration() {
    if (!attributes_.enumeration) return;
    const ast::Identifier& name = *attributes_.enumeration;
    const auto found = unit_.enumeration_names.find(name.text);
    if (found == unit_.enumeration_names.end()) {
      diagnostics_.Report(
          Diagnostic::kUnknownName, name.span,
          {"enumeration", name.text, Suggest(name.text, NamesOf(unit_.enumeration_names))});
      return;
    }
    const v1::Enumeration& known = unit_.layout.enumerations(static_cast<int>(found->second));
    if (field_.placed && known.bits() != field_.bits && !field_.field.has_bytes()) {
      diagnostics_.Report(
          Diagnostic::kEnumerationMismatch, name.span,
          {field_.field.name(), BitsText(field_.bits), known.name(), BitsText(known.bits())});
      return;
    }
    if (!field_.field.has_bytes()) field_.field.set_enumeration(found->second);
  }

  void ResolveConstraint() {
    v1::Field& field = field_.field;
    switch (attributes_.constraint) {
      case Constraint::kNone:
        field.set_constraint(v1::CONSTRAINT_NONE);
        return;
      case Constraint::kIgnored:
        field.set_constraint(v1::CONSTRAINT_IGNORED);
        return;
      case Constraint::kZero:
        field.set_constraint(v1::CONSTRAINT_CONSTANT);
        return;
      case Constraint::kOnes:
        field.set_constraint(v1::CONSTRAINT_CONSTANT);
        field.set_constant(layout::LowBits(field_.bits));
        return;
      case Constraint::kConstant:
        break;
    }
    field.set_constraint(v1::CONSTRAINT_CONSTANT);
    if (attributes_.constant_name) {
      ResolveConstantName(*attributes_.constant_name);
      return;
    }
    const ast::Number& constant = attributes_.constant;
    if (field_.placed && constant.value > layout::LowBits(field_.bits) && !field.has_bytes()) {
      diagnostics_.Report(Diagnostic::kConstantTooLarge, constant.span,
                          {text::Cat(constant.value), field.name(), BitsText(field_.bits)});
      return;
    }
    field.set_constant(constant.value);
  }

  // `= identify`: a value of the field's enumeration.
  void ResolveConstantName(const ast::Identifier& name) {
    std::vector<std::string_view> names;
    if (field_.field.has_enumeration()) {
      const v1::Enumeration& known =
          unit_.layout.enumerations(static_cast<int>(field_.field.enumeration()));
      for (const v1::EnumerationValue& value : known.values()) {
        if (value.name() == name.text) {
          field_.field.set_constant(value.value());
          return;
        }
        names.push_back(value.name());
      }
    } else if (attributes_.enumeration) {
      return;  // reported
    }
    diagnostics_.Report(
        Diagnostic::kUnknownName, name.span,
        {text::Cat("value of `", field_.field.name(), "`"), name.text, Suggest(name.text, names)});
  }

  void ResolveScale() {
    v1::Scale& scale = *field_.field.mutable_scale();
    scale.set_multiplier(1);
    if (attributes_.times) {
      if (attributes_.times->value == 0) {
        Refuse(attributes_.times->span, "times 0 leaves nothing");
      } else {
        scale.set_multiplier(attributes_.times->value);
      }
    }
    if (attributes_.plus && attributes_.minus) {
      Refuse(attributes_.minus->span, "it has both `plus` and `minus`");
    } else if (attributes_.plus || attributes_.minus) {
      const ast::Number& bias = attributes_.plus ? *attributes_.plus : *attributes_.minus;
      if (bias.value > static_cast<uint64_t>(INT64_MAX)) {
        Refuse(bias.span, "the number added is larger than 63 bits");
      } else {
        const auto value = static_cast<int64_t>(bias.value);
        scale.set_bias(attributes_.plus ? value : -value);
      }
    }
    if (attributes_.zero_means) scale.set_zero_value(attributes_.zero_means->value);
    CheckLargest(scale);
  }

  void CheckLargest(const v1::Scale& scale) {
    if (!field_.placed || field_.bits == 0) return;
    const bool is_signed = attributes_.is_signed;
    const uint64_t bias = scale.bias() > 0 ? static_cast<uint64_t>(scale.bias()) : 0;
    uint64_t top = layout::LowBits(is_signed ? field_.bits - 1 : field_.bits);
    if (__builtin_mul_overflow(top, scale.multiplier(), &top) ||
        __builtin_add_overflow(top, bias, &top) || top > layout::LowBits(is_signed ? 63 : 64)) {
      const auto& at = attributes_.times ? attributes_.times : attributes_.plus;
      Refuse(at->span, "the largest value does not fit into 64 bits");
    }
  }

  void Refuse(Span span, std::string_view why) {
    diagnostics_.Report(Diagnostic::kBadScale, span, {field_.field.name(), why});
  }

  Unit& unit_;
  FieldUnit& field_;
  const ast::Attributes& attributes_;
  Diagnostics& diagnostics_;
};

}  // namespace

void ResolveValues(Unit& unit) {
  for (FormUnit& form : unit.forms) {
    for (FieldUnit& field : form.fields) Values(unit, field).Run();
  }
}

}  // namespace qsplit::qdl
