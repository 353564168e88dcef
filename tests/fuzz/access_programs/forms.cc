#include <algorithm>

#include "dataplane/form_match.h"
#include "dataplane/queue_shape.h"
#include "dataplane/ring_condition.h"
#include "dataplane/ring_cursor.h"
#include "dataplane/rx_program.h"
#include "dataplane/tx_program.h"
#include "descriptor-lang/emit/field_value.h"
#include "descriptor-lang/layout/verified_layout.h"
#include "tests/fuzz/access_programs/programs.h"

namespace qsplit::fuzz {
namespace {

using namespace dataplane;  // NOLINT

// As many as the longest of these forms has: what follows in the input is for other things.
DescriptorBytes Take(const v1::Layout& layout, std::span<const uint32_t> forms, Input& in) {
  size_t most = 0;
  for (const uint32_t form : forms) {
    most = std::max<size_t>(most, layout.forms(static_cast<int>(form)).size_bytes());
  }
  DescriptorBytes bytes{};
  const std::span<const uint8_t> given = in.Take(most);
  std::transform(given.begin(), given.end(), bytes.bytes, [](uint8_t b) { return std::byte(b); });
  return bytes;
}

// Those that exist and that the data plane drives.
std::vector<uint32_t> FormsOf(const v1::Layout& layout, std::span<const uint32_t> choices,
                              const google::protobuf::RepeatedField<uint32_t>& from) {
  std::vector<uint32_t> forms;
  for (const uint32_t form : from) {
    const v1::Form& message = layout.forms(static_cast<int>(form));
    if (!layout::Applies(message.features(), choices)) continue;
    if (message.size_bytes() <= kMaxDescriptorBytes) forms.push_back(form);
  }
  return forms;
}

void RunMatcher(const v1::Layout& layout, std::span<const uint32_t> choices,
                std::span<const uint32_t> forms, const DescriptorBytes& bytes) {
  const auto matcher = FormMatcher::Compile(layout, forms, choices);
  if (!matcher.ok()) return;  // a selector over a form that is too long
  const int match = matcher->Match(bytes.bytes);
  MUST(match < static_cast<int>(forms.size()));
  if (match < 0) return;
  const std::span<const uint8_t> octets(reinterpret_cast<const uint8_t*>(bytes.bytes),
                                        sizeof bytes.bytes);
  MUST(layout::CanBe(layout, forms[static_cast<size_t>(match)], octets));
}

void RunHandover(const v1::Layout& layout, const v1::Ring& ring, const v1::Handover& handover,
                 std::span<const uint32_t> forms, DescriptorBytes bytes, Input& in) {
  if (!handover.has_when()) return;
  RingCursor at(ring, 2 + in.Byte() % 6, in.Byte() % 2 == 0);
  for (uint8_t steps = in.Byte() % 16; steps > 0; --steps) {
    at.NextDescriptorSlot();
    at.NextSequence();
  }
  for (const uint32_t form : forms) {
    const auto when =
        RingCondition::Compile(layout, handover.when(), form, ring.slot_bytes(), true);
    if (!when.ok()) continue;
    when->Holds(bytes.bytes, at);
    if (!when->CanMakeTrue()) continue;
    when->MakeTrue(bytes.bytes, at);
    MUST(when->Holds(bytes.bytes, at));
  }
}

void RunReceive(const QueueScope& scope, uint32_t form, DescriptorBytes bytes, Input& in) {
  RxFormUse use;
  use.bytes = scope.Form(form).size_bytes();
  use.needs_length = false;
  use.needs_last = in.Byte() % 2 == 0;
  const auto program = RxProgram::Compile(scope, form, use);
  if (!program.ok()) return;
  const uint8_t place = in.Byte();
  const bool first = place % 2 == 0;
  const bool last = place % 4 < 2;
  RxMetadata meta;
  program->Decode(bytes.bytes, first, program->IsLast(bytes.bytes), &meta);
  program->Offset(bytes.bytes);
  const uint64_t length = program->Length(bytes.bytes);
  DescriptorBytes again{};
  const bool said = program->Encode(length, 0, first, last, meta, again.bytes);
  if (use.needs_last && (last ? program->CanBeLast() : program->CanGoOn())) {
    MUST(program->IsLast(again.bytes) == last);
  }
  if (said && program->HasLength()) MUST(program->Length(again.bytes) == length);
  RunBurst(*program, bytes, in);
  RunRingBurst(*program, bytes, in);
}

void RunTransmit(const QueueScope& scope, uint32_t form, const DescriptorBytes& bytes, Input& in) {
  const auto fields = RequestFields::Compile(scope, form);
  if (!fields.ok()) return;
  const uint8_t place = in.Byte();
  RequestDraft draft;
  fields->Load(bytes.bytes, place % 2 == 0, place % 4 < 2, &draft);
  TxRequest request;
  if (!FinishRequest(draft, &request)) return;
  MUST(!request.wants.Has(TxFeature::kL3Checksum) ||
       request.l3_checksum_at >= request.l3_checksum_start);
  MUST(!request.wants.Has(TxFeature::kL4Checksum) ||
       request.l4_checksum_at >= request.l4_checksum_start);
  MUST(!request.wants.Has(TxFeature::kSegment) || request.segment_bytes > 0);
  const auto normal = NormalizeRequest(request);
  const auto image = ConstantImage(scope, form);
  if (!normal.has_value() || !image.ok()) return;
  if (!fields->CanStore(*normal, image->bytes, kMaxDescriptorBytes)) return;
  DescriptorBytes again = *image;
  fields->Store(*normal, true, true, again.bytes);
  RequestDraft drafted;
  fields->Load(again.bytes, true, true, &drafted);
  FinishRequest(drafted, &request);
}

}  // namespace

void RunForms(const v1::Layout& layout, uint32_t queue, std::span<const uint32_t> choices,
              Input& in) {
  QueueScope scope;
  scope.layout = &layout;
  scope.queue = &layout.queues(static_cast<int>(queue));
  scope.choices.assign(choices.begin(), choices.end());
  for (const v1::Ring& ring : scope.queue->rings()) {
    if (!layout::Applies(ring.features(), choices)) continue;
    const std::vector<uint32_t> posts = FormsOf(layout, choices, ring.post_forms());
    const std::vector<uint32_t> completions = FormsOf(layout, choices, ring.complete_forms());
    std::vector<uint32_t> all = posts;
    all.insert(all.end(), completions.begin(), completions.end());
    const DescriptorBytes bytes = Take(layout, all, in);
    RunMatcher(layout, choices, posts, bytes);
    RunMatcher(layout, choices, completions, bytes);
    RunHandover(layout, ring, ring.posted(), posts, bytes, in);
    RunHandover(layout, ring, ring.completed(), completions, bytes, in);
    if (scope.queue->direction() == v1::DIRECTION_RECEIVE) {
      for (const uint32_t form : completions) RunReceive(scope, form, bytes, in);
    }
    if (scope.queue->direction() == v1::DIRECTION_TRANSMIT) {
      for (const uint32_t form : posts) RunTransmit(scope, form, bytes, in);
    }
  }
}

}  // namespace qsplit::fuzz
