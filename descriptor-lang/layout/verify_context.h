// Private to the verifier: what its parts share. A part is a function from a piece of the message
// to a Status; the first failure ends the verification.
#ifndef QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_CONTEXT_H_
#define QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_CONTEXT_H_

#include <bitset>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "descriptor-lang/layout/exclusion.h"
#include "descriptor-lang/layout/roles.h"
#include "qsplit/v1/layout.pb.h"

#define QSPLIT_RETURN_IF_ERROR(expression)                                  \
  do {                                                                      \
    if (absl::Status status_ = (expression); !status_.ok()) return status_; \
  } while (false)

namespace qsplit::layout::verifier {

// absl::StrCat, also where absl::string_view is not std::string_view.
inline absl::string_view AsWord(std::string_view word) { return {word.data(), word.size()}; }
template <typename Word>
const Word& AsWord(const Word& word) {
  return word;
}
template <typename... Words>
std::string Cat(const Words&... words) {
  return absl::StrCat(AsWord(words)...);
}

// "path: words", InvalidArgument.
template <typename... Words>
absl::Status Refuse(std::string_view path, const Words&... words) {
  return absl::InvalidArgumentError(Cat(path, ": ", words...));
}

// A name of unknown bytes as it may stand in a message: printable, in quotes, cut off at 64 bytes.
std::string Quoted(std::string_view text);

// Names are [A-Za-z_][A-Za-z0-9_]*, 1..kMaxNameBytes bytes.
bool IsIdentifier(std::string_view name);
absl::Status CheckIdentifier(std::string_view path, std::string_view name);

// UTF-8 without control characters other than newline and tab, no surrogates, no overlong forms.
bool IsCleanText(std::string_view text);

// `count` must not exceed `limit`.
absl::Status CheckCount(std::string_view path, std::string_view what, int count, uint32_t limit);

// Forms that a reference may lead to, by index.
using FormSet = std::vector<bool>;

struct Context {
  explicit Context(const v1::Layout& verified) : layout(verified) {}

  const v1::Layout& layout;
  WorkBudget budget;

  uint32_t form_count() const { return static_cast<uint32_t>(layout.forms_size()); }
  const v1::Form& form(uint32_t index) const { return layout.forms(static_cast<int>(index)); }
  const v1::Field& field(const v1::FieldReference& reference) const {
    return form(reference.form()).fields(static_cast<int>(reference.field()));
  }

  // Once a form's name is known to be one.
  std::string FormPath(uint32_t index) const;
  std::string FieldPath(uint32_t form_index, int field_index) const;
  // "RxWriteBack.dd"; of a reference that was checked.
  std::string Name(const v1::FieldReference& reference) const;

  // Once the forms were checked: prepares what is below. Lists may hold forms that do not exist:
  // those of rings that were not checked yet.
  void IndexForms();
  // The form itself and the parts that stand in it exactly once, at a place that the layout fixes:
  // what a reference may lead to without asking which.
  const FormSet& Placed(uint32_t form_index) const { return placed_[form_index]; }
  FormSet Placed(const google::protobuf::RepeatedField<uint32_t>& forms) const;
  // Some field of one of these forms, or of any of their parts, has the role.
  bool HasRole(const google::protobuf::RepeatedField<uint32_t>& forms, Role role) const;

  // Feature and choice exist, and no feature is named twice.
  absl::Status CheckFeatures(
      std::string_view path,
      const google::protobuf::RepeatedPtrField<v1::FeatureChoice>& choices) const;
  // The reference leads to a number of one of these forms; `whose` names them: "a complete form of
  // the ring".
  absl::Status CheckReference(std::string_view path, const v1::FieldReference& reference,
                              const FormSet& allowed, std::string_view whose) const;
  // The same, and the field is one bit wide.
  absl::Status CheckFlagReference(std::string_view path, const v1::FieldReference& reference,
                                  const FormSet& allowed, std::string_view whose) const;
  // `forms` exist, at most kMaxForms, each once.
  absl::Status CheckFormList(std::string_view path,
                             const google::protobuf::RepeatedField<uint32_t>& forms) const;
  absl::Status CheckBudget(std::string_view path) const;

 private:
  std::vector<FormSet> placed_;                    // by form
  std::vector<std::bitset<kRoleCount>> roles_of_;  // by form, with its parts
};

// Where a condition may look.
struct ConditionScope {
  const FormSet& forms;
  std::string_view whose;              // what those forms are, for messages
  const v1::Ring* state_of = nullptr;  // may compare with this ring's state
  bool one_form_each = false;          // each conjunction over one form only
};

// verify_conditions.cc. Also fine with a condition that is empty.
absl::Status CheckCondition(Context& context, std::string_view path, const v1::Condition& condition,
                            const ConditionScope& scope);

// verify_forms.cc
absl::Status CheckForms(Context& context);
// Any two of these forms can be told apart by their bytes or never meet.
absl::Status CheckTellApart(Context& context, std::string_view path,
                            const google::protobuf::RepeatedField<uint32_t>& forms);

// verify_queues.cc
absl::Status CheckQueues(Context& context);

// Names in a list, each an identifier and each once.
class NameSet {
 public:
  absl::Status Add(std::string_view path, std::string_view name);

 private:
  absl::flat_hash_set<std::string_view> seen_;
};

}  // namespace qsplit::layout::verifier

#endif  // QSPLIT_DESCRIPTOR_LANG_LAYOUT_VERIFY_CONTEXT_H_
