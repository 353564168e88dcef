// What completions say: about which slots, and how several of them share a slot.
#include "descriptor-lang/layout/bit_layout.h"
#include "descriptor-lang/layout/limits.h"
#include "descriptor-lang/layout/verify_rings.h"

namespace qsplit::layout::verifier {
namespace {

absl::Status CheckTarget(const RingScope& scope, const std::string& path,
                         const v1::CompletionRule& rule) {
  if (rule.ring() >= static_cast<uint32_t>(scope.queue.rings_size())) {
    return Refuse(path, "ring ", rule.ring(), " of ", scope.queue.rings_size());
  }
  const v1::Ring& target = scope.queue.rings(static_cast<int>(rule.ring()));
  if (target.post_forms().empty()) {
    return Refuse(path, "the driver posts nothing in ring ", target.name(),
                  ", so that there is nothing to complete");
  }
  if (rule.ring() == scope.index) return absl::OkStatus();
  if (rule.key() == v1::COMPLETION_KEY_IN_PLACE) {
    return Refuse(path, "in place, but in the other ring ", target.name());
  }
  if (!target.completed().has_completion()) {
    return Refuse(path, "ring ", target.name(), " is completed in another way");
  }
  if (Exclude(scope.ring.features(), target.features(), scope.context.budget)) {
    return Refuse(path, "ring ", target.name(), " never exists beside this one");
  }
  return absl::OkStatus();
}

absl::Status CheckKey(const RingScope& scope, const std::string& path,
                      const v1::CompletionRule& rule) {
  if (rule.key() == v1::COMPLETION_KEY_UNSPECIFIED || !v1::CompletionKey_IsValid(rule.key())) {
    return Refuse(path, "key ", static_cast<int>(rule.key()), " is none");
  }
  QSPLIT_RETURN_IF_ERROR(CheckTarget(scope, path, rule));
  const std::string& key = v1::CompletionKey_Name(rule.key());
  const bool keyed = rule.key() == v1::COMPLETION_KEY_INDEX ||
                     rule.key() == v1::COMPLETION_KEY_TAG ||
                     rule.key() == v1::COMPLETION_KEY_ADDRESS;
  if (keyed != !rule.fields().empty()) {
    return Refuse(path, key, keyed ? " needs a field that holds it" : " has no field");
  }
  if (rule.cumulative() && rule.key() != v1::COMPLETION_KEY_INDEX &&
      rule.key() != v1::COMPLETION_KEY_TAG) {
    return Refuse(path, "cumulative, but ", key, " does not say up to where");
  }
  const auto& posts = scope.queue.rings(static_cast<int>(rule.ring())).post_forms();
  const std::string& name = scope.queue.rings(static_cast<int>(rule.ring())).name();
  if (rule.key() == v1::COMPLETION_KEY_TAG && !scope.context.HasRole(posts, Role::kTag) &&
      !scope.context.HasRole(posts, Role::kBufferTag)) {
    return Refuse(path, "by tag, but no post form of ring ", name,
                  " has the role tag or buffer.tag");
  }
  if (rule.key() == v1::COMPLETION_KEY_ADDRESS &&
      !scope.context.HasRole(posts, Role::kBufferAddress)) {
    return Refuse(path, "by address, but no post form of ring ", name,
                  " has the role buffer.address");
  }
  return absl::OkStatus();
}

absl::Status CheckRule(const RingScope& scope, const std::string& path,
                       const v1::CompletionRule& rule, FormSet& settled) {
  QSPLIT_RETURN_IF_ERROR(CheckKey(scope, path, rule));
  QSPLIT_RETURN_IF_ERROR(scope.context.CheckFeatures(path, rule.features()));
  const auto& completes = scope.ring.complete_forms();
  QSPLIT_RETURN_IF_ERROR(CheckCount(path, "fields", rule.fields_size(), kMaxForms));
  FormSet keyed(scope.context.form_count(), rule.fields().empty());
  for (int i = 0; i < rule.fields_size(); ++i) {
    const std::string here = Cat(path, ".fields[", i, "]");
    QSPLIT_RETURN_IF_ERROR(
        scope.context.CheckReference(here, rule.fields(i), scope.completes, kCompleteForm));
    for (const uint32_t form : completes) {
      if (!scope.context.Placed(form)[rule.fields(i).form()]) continue;
      if (keyed[form]) {
        return Refuse(here, "a second field of ", scope.context.form(form).name());
      }
      keyed[form] = true;
    }
  }
  QSPLIT_RETURN_IF_ERROR(
      CheckCondition(scope.context, Cat(path, ".when"), rule.when(),
                     {.forms = scope.completes, .whose = kCompleteForm, .one_form_each = true}));
  bool reached = false;
  for (const uint32_t form : completes) {
    bool speaks = rule.when().any_of().empty();
    for (const v1::Conjunction& conjunction : rule.when().any_of()) {
      speaks = speaks || scope.context.Placed(form)[conjunction.all_of(0).field().form()];
    }
    if (!keyed[form] || !speaks || settled[form]) continue;
    reached = true;
    if (rule.when().any_of().empty() && rule.features().empty()) settled[form] = true;
  }
  if (reached) return absl::OkStatus();
  return Refuse(path, "no completion is left for it: rules before it, its fields and its condition",
                " leave none");
}

absl::Status CheckRules(const RingScope& scope) {
  const v1::Ring& ring = scope.ring;
  const std::string path = Cat(scope.path, ".completes");
  QSPLIT_RETURN_IF_ERROR(
      CheckCount(path, "completion rules", ring.completes_size(), kMaxCompletionRules));
  if (!ring.completes().empty() && ring.complete_forms().empty()) {
    return Refuse(path, "rules, but the device completes nothing in the ring");
  }
  FormSet settled(scope.context.form_count(), false);
  for (int i = 0; i < ring.completes_size(); ++i) {
    QSPLIT_RETURN_IF_ERROR(CheckRule(scope, Cat(path, "[", i, "]"), ring.completes(i), settled));
  }
  return absl::OkStatus();
}

FormSet Only(const Context& context, uint32_t form) {
  FormSet only(context.form_count(), false);
  only[form] = true;
  return only;
}

absl::Status CheckCompressed(const RingScope& scope) {
  if (!scope.ring.has_compressed()) return absl::OkStatus();
  const std::string path = Cat(scope.path, ".compressed");
  const v1::CompressedEntries& entries = scope.ring.compressed();
  const Context& context = scope.context;
  if (entries.title_form() >= context.form_count() || entries.mini_form() >= context.form_count()) {
    return Refuse(path, "title form ", entries.title_form(), " and mini form ", entries.mini_form(),
                  " of ", context.form_count());
  }
  if (scope.driver_produces()) {
    return Refuse(path, "only completions in a ring of their own can be compressed");
  }
  const v1::Form& title = context.form(entries.title_form());
  const v1::Form& mini = context.form(entries.mini_form());
  bool listed = false;
  bool mini_listed = false;
  for (const uint32_t form : scope.ring.complete_forms()) {
    listed = listed || form == entries.title_form();
    mini_listed = mini_listed || form == entries.mini_form();
  }
  if (!listed) return Refuse(path, "title form ", title.name(), " is not ", kCompleteForm);
  if (title.slots() != 1) {
    return Refuse(path, "title form ", title.name(), " takes ", title.slots(), " slots");
  }
  if (mini_listed) {
    return Refuse(path, "mini form ", mini.name(), " is also a full completion of the ring");
  }
  if (entries.per_slot() < 1 || entries.per_slot() > kMaxCompressedEntries) {
    return Refuse(path, entries.per_slot(), " entries in a slot are not in 1..",
                  kMaxCompressedEntries);
  }
  if (uint64_t{entries.per_slot()} * mini.size_bytes() > scope.ring.slot_bytes()) {
    return Refuse(path, entries.per_slot(), " entries of ", mini.size_bytes(),
                  " bytes exceed the slot of ", scope.ring.slot_bytes());
  }
  const FormSet only_title = Only(context, entries.title_form());
  if (!entries.has_count()) return Refuse(path, "no field says how many entries follow");
  QSPLIT_RETURN_IF_ERROR(
      context.CheckReference(Cat(path, ".count"), entries.count(), only_title, "the title form"));
  if (entries.when().any_of().empty()) {
    return Refuse(path, "no condition tells a title from other completions");
  }
  return CheckCondition(scope.context, Cat(path, ".when"), entries.when(),
                        {.forms = only_title, .whose = "the title form"});
}

absl::Status CheckPackets(const RingScope& scope) {
  if (!scope.ring.has_packets()) return absl::OkStatus();
  const std::string path = Cat(scope.path, ".packets");
  const v1::SlotPackets& packets = scope.ring.packets();
  const Context& context = scope.context;
  if (packets.form() >= context.form_count()) {
    return Refuse(path, "form ", packets.form(), " of ", context.form_count());
  }
  if (scope.queue.direction() != v1::DIRECTION_RECEIVE || scope.ring.complete_forms().empty()) {
    return Refuse(path, "packets in slots are received, with a completion in front");
  }
  const v1::Form& form = context.form(packets.form());
  if (form.size_bytes() > scope.ring.slot_bytes()) {
    return Refuse(path, "form ", form.name(), " of ", form.size_bytes(),
                  " bytes exceeds the slot of ", scope.ring.slot_bytes());
  }
  google::protobuf::RepeatedField<uint32_t> behind;
  behind.Add(packets.form());
  if (!context.HasRole(behind, Role::kPacketOffset)) {
    return Refuse(path, "form ", form.name(), " has no field of role packet.offset");
  }
  if (!context.HasRole(behind, Role::kPacketLength) &&
      !context.HasRole(behind, Role::kPacketSnapLength)) {
    return Refuse(path, "form ", form.name(),
                  " has no field of role packet.length or packet.snap_length");
  }
  if (!packets.has_first() || !packets.has_count() || !packets.has_next()) {
    return Refuse(path, "needs the fields first, count and next");
  }
  QSPLIT_RETURN_IF_ERROR(
      context.CheckReference(Cat(path, ".first"), packets.first(), scope.completes, kCompleteForm));
  QSPLIT_RETURN_IF_ERROR(
      context.CheckReference(Cat(path, ".count"), packets.count(), scope.completes, kCompleteForm));
  bool together = false;
  for (const uint32_t complete : scope.ring.complete_forms()) {
    together = together || (context.Placed(complete)[packets.first().form()] &&
                            context.Placed(complete)[packets.count().form()]);
  }
  if (!together) return Refuse(path, "first and count are of different completions");
  return context.CheckReference(Cat(path, ".next"), packets.next(), Only(context, packets.form()),
                                "the form in front of each packet");
}

}  // namespace

absl::Status CheckCompletions(const RingScope& scope) {
  QSPLIT_RETURN_IF_ERROR(CheckRules(scope));
  QSPLIT_RETURN_IF_ERROR(CheckCompressed(scope));
  return CheckPackets(scope);
}

}  // namespace qsplit::layout::verifier
