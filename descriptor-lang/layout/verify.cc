#include "descriptor-lang/layout/verify.h"

#include <google/protobuf/util/message_differencer.h>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout {
namespace verifier {
namespace {

absl::Status CheckLayoutName(const std::string& name) {
  bool good = !name.empty() && name.size() <= kMaxNameBytes;
  for (const char c : name) {
    const auto byte = static_cast<unsigned char>(c);
    good = good && (absl::ascii_islower(byte) || absl::ascii_isdigit(byte) || c == '_' || c == '.');
  }
  if (good) return absl::OkStatus();
  return Refuse("name", Quoted(name), " of ", name.size(), " bytes; a layout's name is 1 to ",
                kMaxNameBytes, " of a-z 0-9 _ .");
}

absl::Status CheckEnumerations(const v1::Layout& layout) {
  QSPLIT_RETURN_IF_ERROR(
      CheckCount("enumerations", "enumerations", layout.enumerations_size(), kMaxEnumerations));
  NameSet names;
  for (int i = 0; i < layout.enumerations_size(); ++i) {
    const v1::Enumeration& enumeration = layout.enumerations(i);
    QSPLIT_RETURN_IF_ERROR(names.Add(Cat("enumerations[", i, "]"), enumeration.name()));
    const std::string path = Cat("enumerations[", i, "] ", enumeration.name());
    if (enumeration.bits() < 1 || enumeration.bits() > 64) {
      return Refuse(path, enumeration.bits(), " bits are not in 1..64");
    }
    QSPLIT_RETURN_IF_ERROR(
        CheckCount(path, "values", enumeration.values_size(), kMaxEnumerationValues));
    NameSet value_names;
    for (int k = 0; k < enumeration.values_size(); ++k) {
      const v1::EnumerationValue& value = enumeration.values(k);
      QSPLIT_RETURN_IF_ERROR(value_names.Add(Cat(path, ".values[", k, "]"), value.name()));
      if (value.value() > LowBits(enumeration.bits())) {
        return Refuse(Cat(path, ".values[", k, "] ", value.name()), "value ", value.value(),
                      " does not fit ", enumeration.bits(), " bits");
      }
      if (k > 0 && value.value() <= enumeration.values(k - 1).value()) {
        return Refuse(Cat(path, ".values[", k, "] ", value.name()), "value ", value.value(),
                      " is not greater than that of ", enumeration.values(k - 1).name());
      }
    }
  }
  return absl::OkStatus();
}

absl::Status CheckFeatureList(const v1::Layout& layout) {
  QSPLIT_RETURN_IF_ERROR(CheckCount("features", "features", layout.features_size(), kMaxFeatures));
  NameSet names;
  for (int i = 0; i < layout.features_size(); ++i) {
    const v1::Feature& feature = layout.features(i);
    QSPLIT_RETURN_IF_ERROR(names.Add(Cat("features[", i, "]"), feature.name()));
    const std::string path = Cat("features[", i, "] ", feature.name());
    if (feature.choices_size() < 2) {
      return Refuse(path, feature.choices_size(), " choices; a feature has at least 2");
    }
    QSPLIT_RETURN_IF_ERROR(CheckCount(path, "choices", feature.choices_size(), kMaxFeatureChoices));
    NameSet choices;
    for (int k = 0; k < feature.choices_size(); ++k) {
      QSPLIT_RETURN_IF_ERROR(choices.Add(Cat(path, ".choices[", k, "]"), feature.choices(k)));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckText(std::string_view path, const std::string& text, uint32_t limit) {
  if (text.size() > limit) {
    return Refuse(path, text.size(), " bytes exceed the limit of ", limit);
  }
  if (!IsCleanText(text)) return Refuse(path, "not UTF-8, or with control characters");
  return absl::OkStatus();
}

absl::Status CheckDocumentation(const v1::Layout& layout) {
  if (!layout.has_documentation()) return absl::OkStatus();
  const v1::Documentation& words = layout.documentation();
  QSPLIT_RETURN_IF_ERROR(CheckText("documentation.title", words.title(), kMaxTitleBytes));
  if (words.sources().empty()) {
    return Refuse("documentation.sources", "none; say where the facts come from");
  }
  QSPLIT_RETURN_IF_ERROR(
      CheckCount("documentation.sources", "sources", words.sources_size(), kMaxSources));
  for (int i = 0; i < words.sources_size(); ++i) {
    const std::string path = Cat("documentation.sources[", i, "]");
    if (words.sources(i).empty()) return Refuse(path, "empty");
    QSPLIT_RETURN_IF_ERROR(CheckText(path, words.sources(i), kMaxSourceBytes));
  }
  QSPLIT_RETURN_IF_ERROR(CheckCount("documentation.notes", "notes", words.notes_size(), kMaxNotes));
  for (int i = 0; i < words.notes_size(); ++i) {
    const std::string path = Cat("documentation.notes[", i, "]");
    QSPLIT_RETURN_IF_ERROR(CheckText(Cat(path, ".path"), words.notes(i).path(), kMaxNotePathBytes));
    QSPLIT_RETURN_IF_ERROR(CheckText(Cat(path, ".text"), words.notes(i).text(), kMaxNoteBytes));
  }
  return absl::OkStatus();
}

// Fields that this program does not know would be meaning that it does not understand.
absl::Status CheckUnknownFields(const v1::Layout& layout) {
  v1::Layout known = layout;
  known.DiscardUnknownFields();
  if (known.ByteSizeLong() == layout.ByteSizeLong()) return absl::OkStatus();
  return Refuse("layout", "has fields that this version does not know; compile the spec for it");
}

absl::Status CheckCanonical(const v1::Layout& layout) {
  const v1::Layout canonical = Canonicalize(layout);
  if (SerializeCanonical(canonical) == SerializeCanonical(layout)) return absl::OkStatus();
  google::protobuf::util::MessageDifferencer differencer;
  std::string report;
  differencer.ReportDifferencesToString(&report);
  differencer.Compare(layout, canonical);
  return Refuse("layout", "not in canonical form; the first of what differs is ",
                Quoted(report.substr(0, report.find('\n'))), "; compile the spec again");
}

}  // namespace
}  // namespace verifier

absl::Status VerifyLayout(const v1::Layout& layout) {
  if (layout.ByteSizeLong() > kMaxLayoutBytes) {
    return verifier::Refuse("layout", layout.ByteSizeLong(), " bytes exceed the limit of ",
                            kMaxLayoutBytes);
  }
  QSPLIT_RETURN_IF_ERROR(verifier::CheckUnknownFields(layout));
  QSPLIT_RETURN_IF_ERROR(verifier::CheckLayoutName(layout.name()));
  QSPLIT_RETURN_IF_ERROR(verifier::CheckEnumerations(layout));
  QSPLIT_RETURN_IF_ERROR(verifier::CheckFeatureList(layout));
  verifier::Context context(layout);
  QSPLIT_RETURN_IF_ERROR(verifier::CheckForms(context));
  context.IndexForms();
  QSPLIT_RETURN_IF_ERROR(verifier::CheckQueues(context));
  QSPLIT_RETURN_IF_ERROR(verifier::CheckDocumentation(layout));
  return verifier::CheckCanonical(layout);
}

}  // namespace qsplit::layout
