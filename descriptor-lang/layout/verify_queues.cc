// Queues: how packets lie in their rings, limits, contexts.
#include <bit>

#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_rings.h"

namespace qsplit::layout::verifier {
namespace {

constexpr std::string_view kQueueForm = "a form of the queue's rings";

FormSet FormsOf(const Context& context, const v1::Queue& queue) {
  google::protobuf::RepeatedField<uint32_t> forms;
  for (const v1::Ring& ring : queue.rings()) {
    forms.MergeFrom(ring.post_forms());
    forms.MergeFrom(ring.complete_forms());
  }
  return context.Placed(forms);
}

// What stands in a packet's memory stands nowhere else; `what` says why it is there.
absl::Status CheckNowhereElse(const Context& context, uint32_t index, std::string_view what,
                              const std::string& path) {
  const v1::Form& form = context.form(index);
  for (const v1::ContainedForm& part : form.contains()) {
    if (part.appended()) return Refuse(path, what, form.name(), " has appended parts");
  }
  const auto elsewhere = [&](std::string_view where) {
    return Refuse(path, what, form.name(), " also stands in ", where);
  };
  for (const v1::Form& container : context.layout.forms()) {
    for (const v1::ContainedForm& part : container.contains()) {
      if (part.form() == index) return elsewhere(container.name());
    }
  }
  for (const v1::Queue& queue : context.layout.queues()) {
    for (const v1::Ring& ring : queue.rings()) {
      bool stands = (ring.wrap().has_link_form() && ring.wrap().link_form() == index) ||
                    (ring.has_packets() && ring.packets().form() == index) ||
                    (ring.has_compressed() && ring.compressed().mini_form() == index);
      for (const uint32_t used : ring.post_forms()) stands = stands || used == index;
      for (const uint32_t used : ring.complete_forms()) stands = stands || used == index;
      if (stands) return elsewhere(Cat(Quoted(queue.name()), ".", Quoted(ring.name())));
    }
  }
  return absl::OkStatus();
}

// The prefix is bytes of a packet.
absl::Status CheckPrefix(const Context& context, const v1::PacketRule& packet,
                         const std::string& path) {
  if (packet.prefix_bytes() > kMaxPrefixBytes) {
    return Refuse(path, "prefix of ", packet.prefix_bytes(), " bytes exceeds ", kMaxPrefixBytes);
  }
  if (packet.length_includes_prefix() && packet.prefix_bytes() == 0) {
    return Refuse(path, "lengths include a prefix, but there is none");
  }
  if (!packet.has_prefix_form()) return absl::OkStatus();
  const uint32_t prefix = packet.prefix_form();
  if (prefix >= context.form_count()) {
    return Refuse(path, "prefix form ", prefix, " of ", context.form_count());
  }
  const v1::Form& form = context.form(prefix);
  if (form.size_bytes() != packet.prefix_bytes()) {
    return Refuse(path, "prefix form ", form.name(), " of ", form.size_bytes(),
                  " bytes for a prefix of ", packet.prefix_bytes());
  }
  return CheckNowhereElse(context, prefix, "prefix form ", path);
}

// A number of descriptors, a next index or a number of completions: one field of each form.
absl::Status CheckPacketFields(const Context& context, const v1::Queue& queue,
                               const std::string& path) {
  const v1::PacketRule& packet = queue.packet();
  const bool completions = packet.span() == v1::SPAN_COMPLETIONS;
  const bool counted = completions || packet.span() == v1::SPAN_COUNT_IN_FIRST ||
                       packet.span() == v1::SPAN_NEXT_INDEX;
  if (counted && packet.fields().empty()) {
    return Refuse(path, v1::Span_Name(packet.span()), " needs the field that holds its number");
  }
  if (!counted && !packet.fields().empty()) {
    return Refuse(path, v1::Span_Name(packet.span()), " has no field");
  }
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "fields", packet.fields_size(), kMaxForms));
  google::protobuf::RepeatedField<uint32_t> list;
  for (const v1::Ring& ring : queue.rings()) {
    if (!completions) list.MergeFrom(ring.post_forms());
    list.MergeFrom(ring.complete_forms());
  }
  if (completions && packet.has_prefix_form()) list.Add(packet.prefix_form());
  const FormSet forms = context.Placed(list);
  FormSet seen(context.form_count(), false);
  for (int i = 0; i < packet.fields_size(); ++i) {
    const v1::FieldReference& field = packet.fields(i);
    const std::string here = Cat(path, ".fields[", i, "]");
    QSPLIT_RETURN_IF_ERROR(context.CheckReference(
        here, field, forms,
        completions ? "a form that the device completes, or of the prefix" : kQueueForm));
    if (seen[field.form()]) {
      return Refuse(here, "a second field of ", context.form(field.form()).name());
    }
    seen[field.form()] = true;
  }
  return absl::OkStatus();
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
  const bool received =
      packet.span() == v1::SPAN_COMPLETIONS || packet.span() == v1::SPAN_BY_LENGTH;
  if (received && queue.direction() != v1::DIRECTION_RECEIVE) {
    return Refuse(path, v1::Span_Name(packet.span()), " is for packets that are received");
  }
  QSPLIT_RETURN_IF_ERROR(CheckPrefix(context, packet, path));
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
  return CheckPacketFields(context, queue, path);
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

// A context in the memory of its packet.
absl::Status CheckBeforeBytes(const Context& context, const v1::Queue& queue,
                              const v1::ContextRule& rule, const std::string& path) {
  const v1::Form& form = context.form(rule.form());
  if (queue.direction() != v1::DIRECTION_TRANSMIT ||
      rule.lifetime() != v1::CONTEXT_LIFETIME_PACKET || rule.after_first()) {
    return Refuse(path, "form ", form.name(),
                  " stands before a packet's bytes, but is not for one packet that is sent");
  }
  if (form.size_bytes() > kMaxPrefixBytes) {
    return Refuse(path, "form ", form.name(), " of ", form.size_bytes(),
                  " bytes before a packet exceeds ", kMaxPrefixBytes);
  }
  QSPLIT_RETURN_IF_ERROR(CheckNowhereElse(context, rule.form(), "context ", path));
  for (const v1::Ring& ring : queue.rings()) {
    if (context.HasRole(ring.post_forms(), Role::kContextPresent)) return absl::OkStatus();
  }
  return Refuse(path, "no form that the queue posts has a field of role context.present, but ",
                form.name(), " stands before a packet's bytes");
}

// What the device writes over a context in the memory of its packet.
absl::Status CheckDoneForm(const Context& context, const v1::ContextRule& rule,
                           const std::string& path) {
  if (rule.done_form() >= context.form_count()) {
    return Refuse(path, "done form ", rule.done_form(), " of ", context.form_count());
  }
  const v1::Form& form = context.form(rule.form());
  const v1::Form& done = context.form(rule.done_form());
  if (!rule.before_bytes()) {
    return Refuse(path, "form ", done.name(), " answers ", form.name(),
                  ", which does not stand before a packet's bytes");
  }
  if (rule.done_form() == rule.form() || done.size_bytes() > form.size_bytes()) {
    return Refuse(path, "form ", done.name(), " of ", done.size_bytes(), " bytes answers ",
                  form.name(), " of ", form.size_bytes(),
                  "; it must be another form, and no longer");
  }
  return CheckNowhereElse(context, rule.done_form(), "done form ", path);
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
    if (rule.before_bytes()) {
      QSPLIT_RETURN_IF_ERROR(CheckBeforeBytes(context, queue, rule, here));
    } else if (!posts[rule.form()]) {
      return Refuse(here, "form ", form.name(), " is posted in no ring of the queue");
    }
    if (rule.has_done_form()) QSPLIT_RETURN_IF_ERROR(CheckDoneForm(context, rule, here));
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
    google::protobuf::RepeatedField<uint32_t> only;
    only.Add(rule.form());
    if (indexed && rule.contexts() > 1 && !context.HasRole(only, Role::kContextIndex)) {
      return Refuse(here, "form ", form.name(),
                    " has no field of role context.index, but the queue ", rule.contexts(),
                    " contexts");
    }
  }
  return absl::OkStatus();
}

// What one ring asks of the others.
absl::Status CheckTogether(Context& context, const v1::Queue& queue, const std::string& path) {
  bool first = false, rest = false, each = false;
  for (int i = 0; i < queue.rings_size(); ++i) {
    const v1::Ring& ring = queue.rings(i);
    if (!ring.post_forms().empty() && ring.kind() == v1::RING_KIND_ORDERED) {
      first = first || ring.position() == v1::PACKET_POSITION_FIRST;
      rest = rest || ring.position() == v1::PACKET_POSITION_REST;
      each = each || ring.position() == v1::PACKET_POSITION_EACH;
    }
    if (ring.kind() != v1::RING_KIND_TABLE) continue;
    bool named = false;
    for (const v1::Ring& other : queue.rings()) {
      named = named || (other.kind() == v1::RING_KIND_ORDERED &&
                        context.HasRole(other.post_forms(), Role::kTableIndex) &&
                        !Exclude(other.features(), ring.features(), context.budget));
    }
    if (!named) {
      return Refuse(Cat(path, ".rings[", i, "] ", ring.name()),
                    "a table, but no form posted in another ring has the role table.index");
    }
  }
  if (rest && !first && !each) {
    return Refuse(path, "buffers for the rest of each packet, but none for its beginning");
  }
  if (first && !rest && !each && queue.packet().span() != v1::SPAN_SINGLE) {
    return Refuse(path, "buffers for the beginning of each packet, but none for its rest");
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
    QSPLIT_RETURN_IF_ERROR(CheckTogether(context, queue, path));
    QSPLIT_RETURN_IF_ERROR(CheckPacketRule(context, queue, Cat(path, ".packet")));
    QSPLIT_RETURN_IF_ERROR(CheckLimits(queue.limits(), Cat(path, ".limits")));
    QSPLIT_RETURN_IF_ERROR(CheckContexts(context, queue, Cat(path, ".contexts")));
  }
  return absl::OkStatus();
}

}  // namespace qsplit::layout::verifier
