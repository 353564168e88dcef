// A layout as a spec again: the compiler makes the same layout of it.
#include <algorithm>
#include <string>
#include <vector>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/qdl_text.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// A string of the language has no way to write a quote or a line's end.
std::string Quoted(std::string_view words) {
  std::string out = "\"";
  for (const char c : words) {
    out += c == '"' ? '\'' : static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return out + "\"";
}

class QdlEmitter {
 public:
  explicit QdlEmitter(const v1::Layout& layout) : layout_(layout) {}

  std::string Run() {
    const v1::Documentation& words = layout_.documentation();
    text::Append(out_, "layout ", layout_.name(), "\n");
    if (!words.title().empty()) text::Append(out_, "title  ", Quoted(words.title()), "\n");
    for (const std::string& source : words.sources()) {
      text::Append(out_, "source ", Quoted(source), "\n");
    }
    out_ += "byte-order little\n";
    for (const v1::Enumeration& known : layout_.enumerations()) {
      text::Append(out_, "\nenum ", known.name(), " : ", known.bits(), " bits {");
      for (const v1::EnumerationValue& value : known.values()) {
        text::Append(out_, " ", value.name(), " ", value.value());
      }
      out_ += " }\n";
    }
    if (!layout_.features().empty()) out_ += "\n";
    for (const v1::Feature& feature : layout_.features()) {
      text::Append(out_, "feature ", feature.name(), " { ", text::Join(feature.choices(), ", "),
                   " }\n");
    }
    for (int i = 0; i < layout_.forms_size(); ++i) EmitForm(static_cast<uint32_t>(i));
    for (const v1::Queue& queue : layout_.queues()) {
      text::Append(out_, "\n", QdlQueue(layout_, queue));
    }
    return std::move(out_);
  }

 private:
  // Whether a ring, a queue or another form names it.
  bool IsUsed(uint32_t index) const {
    const auto in = [&](const auto& forms) {
      return std::find(forms.begin(), forms.end(), index) != forms.end();
    };
    for (const v1::Form& form : layout_.forms()) {
      for (const v1::ContainedForm& part : form.contains()) {
        if (part.form() == index) return true;
      }
    }
    for (const v1::Queue& queue : layout_.queues()) {
      if (queue.packet().has_prefix_form() && queue.packet().prefix_form() == index) return true;
      for (const v1::ContextRule& rule : queue.contexts()) {
        if (rule.form() == index) return true;
        if (rule.has_done_form() && rule.done_form() == index) return true;
      }
      for (const v1::Ring& ring : queue.rings()) {
        if (in(ring.post_forms()) || in(ring.complete_forms())) return true;
        if (ring.wrap().has_link_form() && ring.wrap().link_form() == index) return true;
        if (ring.has_packets() && ring.packets().form() == index) return true;
        if (ring.has_compressed() && ring.compressed().mini_form() == index) return true;
      }
    }
    return false;
  }

  void EmitForm(uint32_t index) {
    const v1::Form& form = layout_.forms(static_cast<int>(index));
    text::Append(out_, "\ndescriptor ", form.name(), " ", form.size_bytes(), " bytes");
    if (form.slots() > 1) text::Append(out_, " takes ", form.slots(), " slots");
    text::Append(out_, QdlPosition(form.position()), QdlFeatures(layout_, form.features()));
    if (!IsUsed(index)) out_ += " beside the rings";
    const std::string selector = ConditionText(layout_, form.selector(), index);
    if (!selector.empty()) text::Append(out_, " when ", selector);
    text::Append(out_, " {", QdlNote(layout_, form.name()), "\n");
    for (const v1::Field& field : form.fields()) EmitField(form, index, field);
    for (const v1::ContainedForm& part : form.contains()) EmitPart(form, part);
    out_ += "}\n";
  }

  void EmitField(const v1::Form& form, uint32_t index, const v1::Field& field) {
    const std::string attributes = text::Cat(
        Attributes(index, field), QdlNote(layout_, text::Cat(form.name(), ".", field.name())));
    if (field.parts().empty()) {
      const uint32_t at = field.bytes().byte_offset();
      const bool behind = uint64_t{at} + field.bytes().length() > form.size_bytes();
      text::Append(out_, "  @", at, " ", field.name(), " ",
                   behind ? "bytes to end of slot" : text::Cat(field.bytes().length(), " bytes"),
                   attributes, "\n");
      return;
    }
    uint32_t left = BitWidth(field);
    for (int i = 0; i < field.parts_size(); ++i) {
      const v1::Bits& part = field.parts(i);
      left -= part.bits();
      std::string name = field.name();
      if (field.parts_size() > 1) {
        text::Append(name, "[", left + part.bits() - 1, ":", left, "]");
      }
      const std::string word =
          text::Cat("u", 8 * part.word_bytes(),
                    part.byte_order() == v1::BYTE_ORDER_BIG && part.word_bytes() > 1 ? " big" : "");
      // The first line says what all of them are.
      const std::string_view after = i == 0 ? std::string_view(attributes) : "";
      if (part.bits() == 8 * part.word_bytes()) {
        text::Append(out_, "  @", part.byte_offset(), " ", name, " ", word, after, "\n");
      } else {
        text::Append(out_, "  @", part.byte_offset(), " ", word, " {\n    ", name, " ",
                     part.lsb() + part.bits() - 1, ":", part.lsb(), after, "\n  }\n");
      }
    }
  }

  std::string Attributes(uint32_t index, const v1::Field& field) const {
    std::string out;
    if (field.has_enumeration()) {
      text::Append(out, " ", layout_.enumerations(static_cast<int>(field.enumeration())).name());
    }
    if (!field.role().empty()) {
      text::Append(out, field.inverted() ? " is not " : " is ", field.role());
    }
    if (field.constraint() == v1::CONSTRAINT_IGNORED) out += " ignored";
    if (field.constraint() == v1::CONSTRAINT_CONSTANT) {
      if (field.constant() == 0) {
        out += " must be zero";
      } else if (field.parts().empty()) {
        out += " must be one";
      } else {
        text::Append(out, " = ", field.constant());
      }
    }
    const v1::Scale& scale = field.scale();
    if (scale.multiplier() > 1) text::Append(out, " times ", scale.multiplier());
    if (scale.bias() > 0) text::Append(out, " plus ", scale.bias());
    if (scale.bias() < 0)
      text::Append(out, " minus ", uint64_t{0} - static_cast<uint64_t>(scale.bias()));
    if (scale.has_zero_value()) text::Append(out, " zero means ", scale.zero_value());
    if (field.is_signed()) out += " signed";
    text::Append(out, QdlPosition(field.position()), QdlFeatures(layout_, field.features()));
    const std::string when = ConditionText(layout_, field.valid_when(), index);
    if (!when.empty()) text::Append(out, " when ", when);
    return out;
  }

  void EmitPart(const v1::Form& form, const v1::ContainedForm& part) {
    text::Append(out_, "  ", part.appended() ? "then" : text::Cat("@", part.byte_offset()), " ",
                 part.name(), " ", layout_.forms(static_cast<int>(part.form())).name());
    if (part.has_count_field()) {
      text::Append(out_, "[0..", part.max_count(), "] count by ",
                   form.fields(static_cast<int>(part.count_field())).name());
    } else if (part.max_count() > 1) {
      text::Append(out_, "[", part.max_count(), "]");
    }
    if (part.max_count() > 1) text::Append(out_, " every ", part.stride_bytes());
    text::Append(out_, QdlNote(layout_, text::Cat(form.name(), ".", part.name())), "\n");
  }

  const v1::Layout& layout_;
  std::string out_;
};

}  // namespace

std::string QdlFeatures(const v1::Layout& layout,
                        const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& choices) {
  std::string out;
  for (const v1::FeatureChoice& choice : choices) {
    const v1::Feature& feature = layout.features(static_cast<int>(choice.feature()));
    text::Append(out, " with ", feature.name(), " = ",
                 feature.choices(static_cast<int>(choice.choice())));
  }
  return out;
}

std::string QdlPosition(v1::PacketPosition position) {
  return position == v1::PACKET_POSITION_EACH ? "" : text::Cat(" in ", Word(position));
}

std::string QdlNote(const v1::Layout& layout, std::string_view path) {
  const std::string_view note = NoteOn(layout, path);
  if (note.empty()) return "";
  std::string out = "  // ";
  for (const char c : note) out += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  return out;
}

std::string EmitQdl(const VerifiedLayout& layout) { return QdlEmitter(layout.message()).Run(); }

}  // namespace qsplit::layout
