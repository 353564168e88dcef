#include "dataplane/tx_program.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

using layout::Role;

constexpr TxFeature kEach[] = {TxFeature::kL3Checksum, TxFeature::kL4Checksum,
                               TxFeature::kVlanInsert, TxFeature::kSegment, TxFeature::kTimestamp};
// Without an operand in some descriptor a device cannot do these; the others it can by looking into
// the packet.
constexpr TxFeatures kNeedOperands = TxFeature::kVlanInsert | TxFeature::kSegment;

struct Needed {
  bool possible = false;
  bool context = false;
};

// Whether `data`, with or without a context form that can do `context`, can ask for a feature.
Needed NeedFor(TxFeature feature, const RequestFields& data, const TxContextForm* context) {
  const bool trigger_here = data.Triggers().Has(feature);
  const bool operands_here = data.Operands().Has(feature);
  const bool trigger_there = context != nullptr && context->Triggers().Has(feature);
  const bool operands_there = context != nullptr && context->request.Operands().Has(feature);
  Needed needed;
  needed.possible = (trigger_here || trigger_there) &&
                    (operands_here || operands_there || !kNeedOperands.Has(feature));
  needed.context = (!trigger_here && trigger_there) || (!operands_here && operands_there);
  return needed;
}

// A form with one buffer, which is all that stands in it beside requests.
absl::StatusOr<TxDataForm> CompileData(const InPlaceShape& shape, uint32_t form) {
  absl::StatusOr<TxDataForm> data = TxDataForm::Compile(shape, form);
  if (!data.ok()) return data;
  const v1::Form& message = shape.Form(form);
  if (!data->may_end) {
    return absl::UnimplementedError(
        absl::StrCat("form ", message.name(), ": never a packet's last; not driven in place"));
  }
  std::optional<FieldAccess> address, length, packet_length;
  for (const RoleField& from : RoleFields(shape, form)) {
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    switch (from.role) {
      case Role::kBufferAddress:
        if (address.has_value()) {
          return absl::UnimplementedError(
              absl::StrCat("form ", message.name(), ": several buffers are not driven in place"));
        }
        address = *field;
        break;
      case Role::kBufferLength:
        length = *field;
        break;
      case Role::kPacketLength:
        packet_length = *field;
        break;
      case Role::kBufferKey:
      case Role::kPacketBuffers:
      case Role::kPacketDescriptors:
      case Role::kPacketInlineLength:
      case Role::kDescriptorBytes:
      case Role::kSlotCount:
      case Role::kNextIndex:
      case Role::kTag:
      case Role::kRingLast:
      case Role::kOwn:
        return absl::UnimplementedError(absl::StrCat("form ", message.name(), ": field ",
                                                     from.field->name(), " (", from.field->role(),
                                                     ") is not driven in place"));
      default:
        break;
    }
  }
  if (!length.has_value()) length = packet_length;
  if (!address.has_value() || !length.has_value()) {
    return absl::UnimplementedError(absl::StrCat(
        "form ", message.name(), ": in place, a form needs buffer.address and buffer.length"));
  }
  data->address = *std::move(address);
  data->length = *std::move(length);
  data->max_bytes = data->length.MaxValue();
  if (const uint32_t limit = shape.queue->limits().max_bytes_per_descriptor(); limit != 0) {
    data->max_bytes = std::min<uint64_t>(data->max_bytes, limit);
  }
  data->max_bytes = std::min<uint64_t>(data->max_bytes, UINT32_MAX);
  return data;
}

}  // namespace

absl::StatusOr<PacketLengthField> PacketLengthField::Compile(const QueueScope& scope, uint32_t form,
                                                             const v1::Field& field) {
  PacketLengthField compiled;
  absl::StatusOr<FieldAccess> access = FieldAccess::Compile(field, scope.Form(form).size_bytes());
  if (!access.ok()) return access.status();
  absl::StatusOr<Condition> valid = Condition::Compile(*scope.layout, field.valid_when());
  if (!valid.ok()) return valid.status();
  compiled.field = *std::move(access);
  compiled.valid = *std::move(valid);
  compiled.position = field.position();
  return compiled;
}

absl::StatusOr<TxDataForm> TxDataForm::Compile(const QueueScope& scope, uint32_t form) {
  TxDataForm data;
  data.form = form;
  const v1::Form& message = scope.Form(form);
  absl::StatusOr<RequestFields> request = RequestFields::Compile(scope, form);
  if (!request.ok()) return request.status();
  data.request = *std::move(request);
  absl::StatusOr<DescriptorBytes> constants = ConstantImage(scope, form);
  if (!constants.ok()) return constants.status();
  // Where the first one says how many there are, none needs a mark.
  const bool marked = scope.queue->packet().span() != v1::SPAN_COUNT_IN_FIRST;
  if (marked) {
    absl::StatusOr<LastMark> last = LastMark::Compile(scope, form);
    if (!last.ok()) return last.status();
    data.last = *std::move(last);
  }
  std::vector<std::pair<FieldAccess, v1::PacketPosition>> crc;
  for (const RoleField& from : RoleFields(scope, form)) {
    absl::StatusOr<FieldAccess> field = FieldAccess::Compile(*from.field, message.size_bytes());
    if (!field.ok()) return field.status();
    switch (from.role) {
      case Role::kPacketFirst:
        data.first = *field;
        break;
      case Role::kPacketTotalLength:
      case Role::kPacketPayloadLength: {
        absl::StatusOr<PacketLengthField> packet =
            PacketLengthField::Compile(scope, form, *from.field);
        if (!packet.ok()) return packet.status();
        (from.role == Role::kPacketTotalLength ? data.total_length : data.payload_length) =
            *std::move(packet);
        break;
      }
      case Role::kReportRequest:
        data.report = *field;
        break;
      case Role::kContextIndex:
        data.context_index = *field;
        break;
      case Role::kContextPresent:
        data.context_present = *field;
        break;
      case Role::kCrcInsert:
        crc.emplace_back(*field, from.field->position());
        break;
      default:
        break;
    }
  }
  for (const bool is_first : {false, true}) {
    for (const bool is_last : {false, true}) {
      DescriptorBytes& image = data.image[is_first][is_last];
      image = *constants;
      if (marked && !data.last.Set(image.bytes, is_last).ok()) {
        (is_last ? data.may_end : data.may_go_on) = false;
        continue;  // never used
      }
      if (data.first.has_value()) data.first->Store(image.bytes, is_first ? 1 : 0);
      for (const auto& [field, position] : crc) {
        if (SpeaksIn(position, is_first, is_last)) field.Store(image.bytes, 1);
      }
    }
  }
  if (!data.may_end && !data.may_go_on) {
    return absl::UnimplementedError(absl::StrCat(
        "form ", message.name(), ": it is not known how to say whether a packet ends with it"));
  }
  return data;
}

absl::StatusOr<TxContextForm> TxContextForm::Compile(const QueueScope& scope, uint32_t form,
                                                     v1::ContextLifetime lifetime,
                                                     uint32_t contexts) {
  TxContextForm context;
  context.form = form;
  context.lifetime = lifetime;
  absl::StatusOr<RequestFields> request = RequestFields::Compile(scope, form);
  if (!request.ok()) return request.status();
  context.request = *std::move(request);
  absl::StatusOr<DescriptorBytes> constants = ConstantImage(scope, form);
  if (!constants.ok()) return constants.status();
  context.image = *constants;
  for (const RoleField& from : RoleFields(scope, form)) {
    context.begins_packet = context.begins_packet || from.role == Role::kPacketFirst;
    if (from.role != Role::kPacketPayloadLength) continue;
    absl::StatusOr<PacketLengthField> packet = PacketLengthField::Compile(scope, form, *from.field);
    if (!packet.ok()) return packet.status();
    context.payload_length = *std::move(packet);
  }
  if (context.lifetime != v1::CONTEXT_LIFETIME_INDEXED) return context;
  for (const RoleField& from : RoleFields(scope, form)) {
    if (from.role != Role::kContextIndex) continue;
    absl::StatusOr<FieldAccess> field =
        FieldAccess::Compile(*from.field, scope.Form(form).size_bytes());
    if (!field.ok()) return field.status();
    context.index = *std::move(field);
  }
  if (!context.index.has_value()) {
    return absl::UnimplementedError(
        absl::StrCat("form ", scope.Form(form).name(), ": indexed contexts without context.index"));
  }
  const uint64_t indices = context.index->MaxValue();
  context.places = static_cast<uint32_t>(std::min<uint64_t>(
      std::clamp(contexts, 1u, kMaxContextPlaces), indices >= 64 ? 64 : indices + 1));
  return context;
}

absl::StatusOr<TxProgram> TxProgram::Compile(const InPlaceShape& shape) {
  TxProgram program;
  program.copy_bytes = (shape.ring->slot_bytes() + 7) / 8 * 8;
  const v1::Limits& limits = shape.queue->limits();
  program.max_descriptors = limits.max_descriptors_per_packet() == 0
                                ? shape.capacity
                                : std::min(limits.max_descriptors_per_packet(), shape.capacity);
  program.max_packet_bytes =
      limits.max_bytes_per_packet() == 0 ? UINT64_MAX : limits.max_bytes_per_packet();
  if (shape.context_forms.size() > kMaxContextForms) {
    return absl::UnimplementedError(
        absl::StrCat(shape.context_forms.size(), " context forms; at most ", kMaxContextForms));
  }
  for (size_t i = 0; i < shape.context_forms.size(); ++i) {
    const v1::ContextRule& rule = *shape.context_rules[i];
    absl::StatusOr<TxContextForm> context =
        TxContextForm::Compile(shape, shape.context_forms[i], rule.lifetime(), rule.contexts());
    if (!context.ok()) return context.status();
    if (rule.after_first() || context->begins_packet) {
      return absl::UnimplementedError(
          absl::StrCat("form ", shape.Form(shape.context_forms[i]).name(),
                       ": contexts within a packet are not driven in place"));
    }
    program.contexts.push_back(*std::move(context));
  }
  for (const uint32_t form : shape.post_forms) {
    absl::StatusOr<TxDataForm> data = CompileData(shape, form);
    if (!data.ok()) return data.status();
    if (shape.only_where_reported && !data->report.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("form ", shape.Form(form).name(),
                       ": completions only where reported, but no report.request"));
    }
    program.data.push_back(*std::move(data));
  }
  for (TxDataForm& data : program.data) program.AddFeatures(&data);
  if (shape.queue->packet().span() == v1::SPAN_ADJACENT_UNTIL_LAST && program.max_descriptors > 1) {
    program.features |= TxFeature::kScatter;
  }
  return program;
}

std::optional<int> TxProgram::ContextFor(const TxDataForm& form, const TxRequest& request) const {
  if (request.wants.bits == 0) return kNoContext;
  const auto fits = [&](const TxContextForm* context) {
    bool uses = false;
    for (const TxFeature feature : kEach) {
      if (!request.wants.Has(feature)) continue;
      const Needed needed = NeedFor(feature, form.request, context);
      // Who cuts packets fills in the headers of the pieces, asked or not.
      if (!needed.possible && feature == TxFeature::kL3Checksum &&
          request.wants.Has(TxFeature::kSegment) && !features.Has(feature)) {
        continue;
      }
      if (!needed.possible) return false;
      uses = uses || needed.context;
    }
    const bool sctp = request.l4 == L4Kind::kSctp;
    if (sctp && !form.request.NamesSctp() &&
        !(context != nullptr && context->request.NamesSctp())) {
      return false;
    }
    return uses == (context != nullptr) &&
           form.request.CanStore(request, form.image[1][form.may_end].bytes, copy_bytes) &&
           (context == nullptr ||
            context->request.CanStore(request, context->image.bytes, copy_bytes));
  };
  // A context first: a form that has the bit alone but not the operands would leave the device to
  // guess.
  for (size_t i = 0; i < contexts.size(); ++i) {
    if (fits(&contexts[i])) return static_cast<int>(i);
  }
  // Nothing in this form wants one.
  for (const TxFeature feature : kEach) {
    if (request.wants.Has(feature) && form.needs_context.Has(feature)) return std::nullopt;
  }
  if (fits(nullptr)) return kNoContext;
  return std::nullopt;
}

void TxProgram::AddFeatures(TxDataForm* form) {
  for (const TxFeature feature : kEach) {
    if (NeedFor(feature, form->request, nullptr).possible) features |= feature;
    for (const TxContextForm& context : contexts) {
      const Needed needed = NeedFor(feature, form->request, &context);
      if (needed.possible) features |= feature;
      if (needed.possible && needed.context) form->needs_context |= feature;
    }
  }
}

}  // namespace qsplit::dataplane
