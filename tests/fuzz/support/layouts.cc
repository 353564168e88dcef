#include "tests/fuzz/support/layouts.h"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include "descriptor-lang/diagnostics/diagnostics.h"
#include "descriptor-lang/layout/canonical.h"
#include "descriptor-lang/layout/roles.h"
#include "descriptor-lang/passes/compile.h"
#include "descriptor-lang/source/source_file.h"
#include "tests/support/protocol_layouts.h"
#include "tests/support/sample_layouts.h"

namespace qsplit::fuzz {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;
using layout::VerifiedLayout;

constexpr int kMaxChanges = 4;

VerifiedLayout CompileSpec(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  const qdl::SourceFile source(path.filename().string(), text);
  qdl::Diagnostics diagnostics(source);
  const auto compiled = qdl::Compile(source, diagnostics);
  if (!compiled.has_value()) std::fputs(diagnostics.Render().c_str(), stderr);
  MUST(compiled.has_value());
  return *compiled;
}

std::vector<VerifiedLayout> MakeKnownLayouts() {
  std::vector<VerifiedLayout> known = {layout::testing::SimpleLayout(),
                                       layout::testing::BigLayout()};
  for (const v1::Layout& message : layout::testing::ProtocolMessages()) {
    known.push_back(layout::testing::Verified(message));
  }
  std::vector<std::filesystem::path> specs;
  for (const auto& entry :
       std::filesystem::directory_iterator(QSPLIT_SOURCE_DIR "/descriptor-specs")) {
    if (entry.path().extension() == ".qdl") specs.push_back(entry.path());
  }
  std::sort(specs.begin(), specs.end());
  for (const auto& spec : specs) known.push_back(CompileSpec(spec));
  return known;
}

void SetNumber(Message* message, const FieldDescriptor* field, Input& in) {
  const Reflection& reflect = *message->GetReflection();
  const uint64_t value = in.Value();
  switch (field->cpp_type()) {
    case FieldDescriptor::CPPTYPE_BOOL:
      return reflect.SetBool(message, field, (value & 1) != 0);
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflect.SetEnumValue(
          message, field, static_cast<int>(value) % (field->enum_type()->value_count() + 1));
    case FieldDescriptor::CPPTYPE_INT32:
      return reflect.SetInt32(message, field, static_cast<int32_t>(value));
    case FieldDescriptor::CPPTYPE_UINT32:
      return reflect.SetUInt32(message, field, static_cast<uint32_t>(value));
    case FieldDescriptor::CPPTYPE_INT64:
      return reflect.SetInt64(message, field, static_cast<int64_t>(value));
    case FieldDescriptor::CPPTYPE_UINT64:
      return reflect.SetUInt64(message, field, value);
    case FieldDescriptor::CPPTYPE_STRING: {
      // A role, or none; of a name, another that is one.
      const size_t role = value % (layout::kRoleCount + 1);
      return reflect.SetString(message, field,
                               field->name() != "role" ? "n" + std::to_string(value % 100)
                               : role == layout::kRoleCount
                                   ? ""
                                   : std::string(layout::RoleName(layout::Role(role))));
    }
    default:
      return;
  }
}

// Adds an element, like another one where there is one, takes one away, or moves it.
void ChangeList(Message* message, const FieldDescriptor* field, Input& in) {
  const Reflection& reflect = *message->GetReflection();
  const int size = reflect.FieldSize(*message, field);
  const bool messages = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  const uint8_t what = in.Byte();
  const int at = size == 0 ? 0 : static_cast<int>(in.Below(static_cast<uint64_t>(size)));
  if (what % 3 == 0 || size == 0) {
    if (messages) {
      Message* added = reflect.AddMessage(message, field);
      if (size > 0) added->CopyFrom(reflect.GetRepeatedMessage(*message, field, at));
    } else if (field->cpp_type() == FieldDescriptor::CPPTYPE_UINT32) {
      reflect.AddUInt32(message, field, static_cast<uint32_t>(in.Value()));
    }
    return;
  }
  reflect.SwapElements(message, field, at, size - 1);
  if (what % 3 == 1) reflect.RemoveLast(message, field);
}

// Mostly one of those that say something, but for names and words.
const FieldDescriptor* ChooseField(const Message& message, Input& in) {
  const auto& type = *message.GetDescriptor();
  std::vector<const FieldDescriptor*> fields;
  if (in.Byte() % 8 != 0) message.GetReflection()->ListFields(message, &fields);
  std::erase_if(fields, [](const FieldDescriptor* field) {
    return field->name() == "name" || field->name() == "documentation";
  });
  if (!fields.empty()) return fields[in.Below(fields.size())];
  return type.field(static_cast<int>(in.Below(static_cast<uint64_t>(type.field_count()))));
}

}  // namespace

const std::vector<VerifiedLayout>& KnownLayouts() {
  static const auto* known = new std::vector<VerifiedLayout>(MakeKnownLayouts());
  return *known;
}

void ChangeLayout(v1::Layout* layout, Input& in) {
  Message* message = layout;
  while (true) {
    const FieldDescriptor* field = ChooseField(*message, in);
    const Reflection& reflect = *message->GetReflection();
    const bool messages = field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
    if (field->is_repeated()) {
      const int size = reflect.FieldSize(*message, field);
      if (!messages || size == 0 || in.Byte() % 8 == 0) return ChangeList(message, field, in);
      message = reflect.MutableRepeatedMessage(
          message, field, static_cast<int>(in.Below(static_cast<uint64_t>(size))));
    } else if (in.Byte() % 16 == 0) {
      return reflect.ClearField(message, field);
    } else if (messages) {
      message = reflect.MutableMessage(message, field);
    } else {
      return SetNumber(message, field, in);
    }
  }
}

std::optional<ChosenLayout> ChooseLayout(Input& in) {
  const auto& known = KnownLayouts();
  const VerifiedLayout& base = known[in.Below(known.size())];
  // Most as they are: a change costs a verification.
  const uint8_t how = in.Byte();
  if (how < 0xc0) return ChosenLayout{base, true};
  const int changes = 1 + how % kMaxChanges;
  v1::Layout message = base.message();
  for (int i = 0; i < changes; ++i) ChangeLayout(&message, in);
  auto made = VerifiedLayout::FromMessage(layout::Canonicalize(std::move(message)));
  if (!made.ok()) return std::nullopt;
  return ChosenLayout{*std::move(made), false};
}

std::vector<uint32_t> ChooseFeatures(const v1::Layout& layout, Input& in) {
  std::vector<uint32_t> choices;
  for (const v1::Feature& feature : layout.features()) {
    choices.push_back(
        static_cast<uint32_t>(in.Below(static_cast<uint64_t>(feature.choices_size()))));
  }
  return choices;
}

}  // namespace qsplit::fuzz
