#include <algorithm>
#include <optional>

#include "dataplane/condition.h"
#include "dataplane/field_access.h"
#include "descriptor-lang/emit/field_value.h"
#include "descriptor-lang/layout/bit_layout.h"
#include "tests/fuzz/access_programs/programs.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

std::span<const uint8_t> Octets(const std::vector<std::byte>& bytes) {
  return {reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()};
}

void RunField(const v1::Field& field, uint32_t form_bytes, std::vector<std::byte> bytes,
              uint64_t value) {
  const auto access = FieldAccess::Compile(field, form_bytes);
  MUST(access.ok() == !field.parts().empty());
  if (!access.ok()) return;
  const uint64_t raw = layout::ReadRaw(field, Octets(bytes));
  MUST(access->LoadRaw(bytes.data()) == raw);
  MUST(access->Load(bytes.data()) == access->Decode(raw));
  if (!field.inverted()) MUST(access->Decode(raw) == layout::ValueOf(field, raw));

  // A store changes the field's bits and no others.
  std::vector<std::byte> expected = bytes;
  layout::WriteRaw(field, value & access->MaxRaw(),
                   {reinterpret_cast<uint8_t*>(expected.data()), expected.size()});
  access->StoreRaw(bytes.data(), value & access->MaxRaw());
  MUST(bytes == expected);

  // What can be said is read back; what cannot changes nothing.
  uint64_t encoded = 0;
  MUST(access->CanStore(value) == access->Encode(value, &encoded));
  if (access->Store(bytes.data(), value)) {
    MUST(access->Load(bytes.data()) == value);
    MUST(access->LoadRaw(bytes.data()) == encoded);
    if (!field.inverted()) MUST(layout::RawOf(field, value) == encoded);
  } else {
    MUST(bytes == expected);
  }
}

// Over fields of this form alone: what the slow way knows how to answer.
bool IsOver(const v1::Condition& condition, uint32_t form) {
  for (const v1::Conjunction& conjunction : condition.any_of()) {
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (comparison.field().form() != form || comparison.has_state()) return false;
      if (comparison.has_other() && comparison.other().form() != form) return false;
    }
  }
  return true;
}

void Apply(const std::vector<FieldStore>& stores, std::byte* descriptor) {
  for (const FieldStore& store : stores) store.field.StoreRaw(descriptor, store.raw);
}

void RunCondition(const v1::Layout& layout, const v1::Condition& from, uint32_t form,
                  const std::vector<std::byte>& bytes) {
  if (!IsOver(from, form)) return;
  const auto condition = Condition::Compile(layout, from);
  MUST(condition.ok());
  MUST(condition->Holds(bytes.data()) == layout::Holds(layout, from, form, Octets(bytes)));
  DescriptorBytes whole{};
  std::copy(bytes.begin(), bytes.end(), whole.bytes);
  if (const auto stores = condition->StoresThatMakeItFalse(whole.bytes); stores.ok()) {
    Apply(*stores, whole.bytes);
    MUST(!condition->Holds(whole.bytes));
  }
  if (const auto stores = condition->StoresThatMakeItTrue(); stores.ok()) {
    Apply(*stores, whole.bytes);
    MUST(condition->Holds(whole.bytes));
  }
}

}  // namespace

void RunFields(const v1::Layout& layout, uint32_t form, Input& in) {
  const v1::Form& from = layout.forms(static_cast<int>(form));
  if (from.size_bytes() > kMaxDescriptorBytes) return;
  const uint64_t value = in.Value();
  // No more bytes than access needs, so that the sanitizer sees one that reads further.
  std::vector<std::byte> bytes(std::max(from.size_bytes(), 8u));
  const std::span<const uint8_t> given = in.Take(bytes.size());
  std::transform(given.begin(), given.end(), bytes.begin(), [](uint8_t b) { return std::byte(b); });
  for (const v1::Field& field : from.fields()) {
    RunField(field, from.size_bytes(), bytes, value);
    RunCondition(layout, field.valid_when(), form, bytes);
  }
  RunCondition(layout, from.selector(), form, bytes);
}

}  // namespace qsplit::fuzz
