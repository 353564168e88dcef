// Queues: how packets lie in their rings, limits, contexts.
#include <bit>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_context.h"

namespace qsplit::layout::verifier {
namespace {

constexpr std::string_view kQueueForm = "a form of the queue's rings";

FormSet FormsOf(const Context& context, const v1::Queue& queue) {
  google::protobuf::RepeatedField<uint32_t> forms;
  for (const v1::Ring& ring : queue.rings()) {
    forms.MergeFrom(ring.post_forms());
    forms.MergeFrom(ring.complete_forms());
  }
  return context.WithContained(forms);
}

absl::Status CheckPacketRule(Context& context, const v1::Queue& queue, const std::string& path) {
  const v1::PacketRule& packet = queue.packet();
  if (packet.span() == v1::SPAN_UNSPECIFIED || !v1::Span_IsValid(packet.span())) {
    return Refuse(path, "span ", static_cast<int>(packet.span()), " is none");
  }
  if (packet.length() == v1::LENGTH_MEANING_UNSPECIFIED ||
      !v1::LengthMeaning_IsValid(packet.length())) {
    return Refuse(path, "length meaning ", static_cast<int>(packet.length()), " is none");
  }
  if (packet.length_includes_crc_bytes() != 0 && packet.length_includes_crc_bytes() != 4) {
    return Refuse(path, "length includes ", packet.length_includes_crc_bytes(),
                  " bytes of check sequence; it can be 0 or 4");
  }
  if (packet.prefix_bytes() > kMaxPrefixBytes) {
    return Refuse(path, "prefix of ", packet.prefix_bytes(), " bytes exceeds ", kMaxPrefixBytes);
  }
  if (packet.buffers_per_descriptor() < 1 ||
      packet.buffers_per_descriptor() > kMaxBuffersPerDescriptor) {
    return Refuse(path, packet.buffers_per_descriptor(), " buffers per descriptor are not in 1..",
                  kMaxBuffersPerDescriptor);
  }
  const FormSet forms = FormsOf(context, queue);
  const bool until_last =
      packet.span() == v1::SPAN_ADJACENT_UNTIL_LAST || packet.span() == v1::SPAN_NEXT_INDEX;
  if (until_last == packet.last_when().any_of().empty()) {
    return Refuse(path, v1::Span_Name(packet.span()),
                  until_last ? " needs the condition of the last descriptor"
                             : " has no condition of the last descriptor");
  }
  QSPLIT_RETURN_IF_ERROR(
      CheckCondition(context, Cat(path, ".last_when"), packet.last_when(),
                     {.forms = forms, .whose = kQueueForm, .one_form_each = true}));
  const bool counted = packet.span() == v1::SPAN_COUNT_IN_FIRST ||
                       packet.span() == v1::SPAN_NEXT_INDEX ||
                       packet.span() == v1::SPAN_COMPLETIONS;
  if (counted && !packet.has_field()) {
    return Refuse(path, v1::Span_Name(packet.span()), " needs the field that holds its number");
  }
  if (!counted && packet.span() != v1::SPAN_INDIRECT && packet.has_field()) {
    return Refuse(path, v1::Span_Name(packet.span()), " has no field");
  }
  if (!packet.has_field()) return absl::OkStatus();
  return context.CheckReference(Cat(path, ".field"), packet.field(), forms, kQueueForm);
}

absl::Status CheckLimits(const v1::Limits& limits, const std::string& path) {
  const v1::BufferRange& buffer = limits.buffer();
  if (buffer.min_bytes() < 1 || buffer.min_bytes() > buffer.max_bytes()) {
    return Refuse(path, "buffers of ", buffer.min_bytes(), "..", buffer.max_bytes(),
                  " bytes are no range from 1");
  }
  if (buffer.step_bytes() < 1) return Refuse(path, "buffer step 0; the least is 1");
  if ((buffer.max_bytes() - buffer.min_bytes()) % buffer.step_bytes() != 0) {
    return Refuse(path, "buffers of ", buffer.min_bytes(), "..", buffer.max_bytes(),
                  " bytes are no multiple of the step ", buffer.step_bytes(), " apart");
  }
  if (buffer.power_of_two() &&
      !(std::has_single_bit(buffer.min_bytes()) && std::has_single_bit(buffer.max_bytes()))) {
    return Refuse(path, "buffers of ", buffer.min_bytes(), "..", buffer.max_bytes(),
                  " bytes must both be powers of two");
  }
  if (!std::has_single_bit(limits.buffer_alignment_bytes()) ||
      limits.buffer_alignment_bytes() > kMaxAlignmentBytes) {
    return Refuse(path, "buffer alignment of ", limits.buffer_alignment_bytes(),
                  " bytes is no power of two up to ", kMaxAlignmentBytes);
  }
  if (limits.max_bytes_per_packet() != 0 &&
      limits.min_bytes_per_packet() > limits.max_bytes_per_packet()) {
    return Refuse(path, "packets of ", limits.min_bytes_per_packet(), "..",
                  limits.max_bytes_per_packet(), " bytes are no range");
  }
  return absl::OkStatus();
}

bool HasRole(const v1::Form& form, std::string_view role) {
  for (const v1::Field& field : form.fields()) {
    if (field.role() == role) return true;
  }
  return false;
}

absl::Status CheckContexts(Context& context, const v1::Queue& queue, const std::string& path) {
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "contexts", queue.contexts_size(), kMaxContextRules));
  FormSet posts(context.form_count(), false);
  for (const v1::Ring& ring : queue.rings()) {
    for (const uint32_t form : ring.post_forms()) posts[form] = true;
  }
  for (int i = 0; i < queue.contexts_size(); ++i) {
    const v1::ContextRule& rule = queue.contexts(i);
    const std::string here = Cat(path, "[", i, "]");
    if (rule.form() >= context.form_count()) {
      return Refuse(here, "form ", rule.form(), " of ", context.form_count());
    }
    const v1::Form& form = context.form(rule.form());
    if (!posts[rule.form()]) {
      return Refuse(here, "form ", form.name(), " is posted in no ring of the queue");
    }
    for (int k = 0; k < i; ++k) {
      if (queue.contexts(k).form() == rule.form()) {
        return Refuse(here, "form ", form.name(), " twice");
      }
    }
    if (rule.lifetime() == v1::CONTEXT_LIFETIME_UNSPECIFIED ||
        !v1::ContextLifetime_IsValid(rule.lifetime())) {
      return Refuse(here, "lifetime ", static_cast<int>(rule.lifetime()), " is none");
    }
    const bool indexed = rule.lifetime() == v1::CONTEXT_LIFETIME_INDEXED;
    if (!indexed && rule.contexts() != 0) {
      return Refuse(here, rule.contexts(), " contexts, but they are not indexed");
    }
    if (indexed && (rule.contexts() < 1 || rule.contexts() > kMaxContexts)) {
      return Refuse(here, rule.contexts(), " contexts are not in 1..", kMaxContexts);
    }
    if (indexed && rule.contexts() > 1 && !HasRole(form, "context.index")) {
      return Refuse(here, "form ", form.name(),
                    " has no field of role context.index, but the queue ", rule.contexts(),
                    " contexts");
    }
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status CheckQueues(Context& context) {
  const v1::Layout& layout = context.layout;
  QSPLIT_RETURN_IF_ERROR(CheckCount("queues", "queues", layout.queues_size(), kMaxQueues));
  NameSet names;
  for (int i = 0; i < layout.queues_size(); ++i) {
    const v1::Queue& queue = layout.queues(i);
    QSPLIT_RETURN_IF_ERROR(names.Add(Cat("queues[", i, "]"), queue.name()));
    const std::string path = Cat("queues[", i, "] ", queue.name());
    if (queue.direction() == v1::DIRECTION_UNSPECIFIED ||
        !v1::Direction_IsValid(queue.direction())) {
      return Refuse(path, "direction ", static_cast<int>(queue.direction()), " is none");
    }
    if (queue.rings().empty()) return Refuse(path, "no ring; a queue has at least one");
    QSPLIT_RETURN_IF_ERROR(CheckCount(path, "rings", queue.rings_size(), kMaxRings));
    NameSet ring_names;
    for (int k = 0; k < queue.rings_size(); ++k) {
      const std::string ring_path = Cat(path, ".rings[", k, "]");
      QSPLIT_RETURN_IF_ERROR(ring_names.Add(ring_path, queue.rings(k).name()));
    }
    for (int k = 0; k < queue.rings_size(); ++k) {
      QSPLIT_RETURN_IF_ERROR(CheckRing(context,
                                       Cat(path, ".rings[", k, "] ", queue.rings(k).name()), queue,
                                       static_cast<uint32_t>(k)));
    }
    QSPLIT_RETURN_IF_ERROR(CheckPacketRule(context, queue, Cat(path, ".packet")));
    QSPLIT_RETURN_IF_ERROR(CheckLimits(queue.limits(), Cat(path, ".limits")));
    QSPLIT_RETURN_IF_ERROR(CheckContexts(context, queue, Cat(path, ".contexts")));
  }
  return absl::OkStatus();
}

}  // namespace qsplit::layout::verifier
