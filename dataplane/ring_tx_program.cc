#include "dataplane/ring_tx_program.h"

#include <algorithm>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace qsplit::dataplane {
namespace {

const v1::ContextRule* RuleOf(const v1::Queue& queue, uint32_t form) {
  for (const v1::ContextRule& rule : queue.contexts()) {
    if (rule.form() == form) return &rule;
  }
  return nullptr;
}

absl::Status AddContext(const QueueScope& scope, uint32_t form, const v1::ContextRule& rule,
                        RingTxProgram* program) {
  absl::StatusOr<TxContextForm> context =
      TxContextForm::Compile(scope, form, rule.lifetime(), rule.contexts());
  if (!context.ok()) return context.status();
  context->after_first = rule.after_first();
  if (context->after_first && program->span != v1::SPAN_COUNT_IN_FIRST) {
    return absl::UnimplementedError(
        absl::StrCat("form ", scope.Form(form).name(),
                     ": a context behind the first descriptor of a packet that nothing counts"));
  }
  if (program->requests.contexts.size() == kMaxContextForms) {
    return absl::UnimplementedError(absl::StrCat("more than ", kMaxContextForms, " context forms"));
  }
  program->requests.contexts.push_back(*std::move(context));
  return absl::OkStatus();
}

// The prefix is a context that each packet brings along, in memory of its own.
absl::Status AddPrefix(const QueueScope& scope, RingTxProgram* program) {
  const v1::PacketRule& packet = scope.queue->packet();
  program->prefix_bytes = packet.prefix_bytes();
  if (program->prefix_bytes == 0) return absl::OkStatus();
  if (!packet.has_prefix_form() || packet.length_includes_prefix() ||
      program->prefix_bytes > kMaxDescriptorBytes ||
      scope.Form(packet.prefix_form()).size_bytes() > program->prefix_bytes) {
    return absl::UnimplementedError(absl::StrCat("queue ", scope.queue->name(), ": a prefix of ",
                                                 program->prefix_bytes,
                                                 " bytes in front of packets"));
  }
  v1::ContextRule rule;
  rule.set_lifetime(v1::CONTEXT_LIFETIME_PACKET);
  if (absl::Status status = AddContext(scope, packet.prefix_form(), rule, program); !status.ok()) {
    return status;
  }
  program->prefix = static_cast<int>(program->requests.contexts.size()) - 1;
  program->context_forms.push_back(RingTxProgram::kNone);
  return absl::OkStatus();
}

// Contexts that stand in front of packets' bytes rather than in the ring.
absl::Status AddBefore(const QueueScope& scope, RingTxProgram* program) {
  for (const v1::ContextRule& rule : scope.queue->contexts()) {
    const v1::Form& form = scope.Form(rule.form());
    if (!rule.before_bytes() || !layout::Applies(form.features(), scope.choices)) continue;
    const bool told = std::all_of(
        program->posts.begin(), program->posts.end(),
        [](const TxPost& post) { return !post.MayBeFirst() || post.context_present.has_value(); });
    if (!told || program->before_bytes != 0 || form.size_bytes() > kMaxDescriptorBytes) {
      return absl::UnimplementedError(
          absl::StrCat("form ", form.name(), ": in front of packets' bytes",
                       told ? "" : ", but not every first descriptor has context.present"));
    }
    if (absl::Status status = AddContext(scope, rule.form(), rule, program); !status.ok()) {
      return status;
    }
    program->before = static_cast<int>(program->requests.contexts.size()) - 1;
    program->before_bytes = form.size_bytes();
    program->context_forms.push_back(RingTxProgram::kNone);
  }
  return absl::OkStatus();
}

// The field with the number of descriptors, as the packet's rule names it.
absl::Status AddCount(const QueueScope& scope, TxPost* post) {
  for (const v1::FieldReference& reference : scope.queue->packet().fields()) {
    if (reference.form() != post->form) continue;
    absl::StatusOr<FieldAccess> count = AccessReference(*scope.layout, reference);
    if (!count.ok()) return count.status();
    post->descriptor_count = *std::move(count);
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<RingTxProgram> RingTxProgram::Compile(const QueueShape& queue, const TxRings& rings,
                                                     const RingForms& forms) {
  RingTxProgram program;
  const QueueScope scope = ScopeOf(queue);
  const std::string where =
      absl::StrCat("layout ", queue.layout->name(), ", queue ", queue.queue->name());
  const v1::Limits& limits = queue.queue->limits();
  program.span = queue.queue->packet().span();
  const bool chains = program.span == v1::SPAN_NEXT_INDEX;
  if (chains != rings.HasTable() ||
      (program.span != v1::SPAN_SINGLE && program.span != v1::SPAN_ADJACENT_UNTIL_LAST &&
       program.span != v1::SPAN_COUNT_IN_FIRST && !chains)) {
    return absl::UnimplementedError(absl::StrCat(
        where, ": packets by ", v1::Span_Name(program.span), chains ? " without a table" : ""));
  }
  const uint32_t slots = rings.descriptors->slot_count;
  program.max_descriptors = limits.max_descriptors_per_packet() == 0
                                ? slots
                                : std::min(limits.max_descriptors_per_packet(), slots);
  program.max_packet_bytes =
      limits.max_bytes_per_packet() == 0 ? UINT64_MAX : limits.max_bytes_per_packet();

  for (uint32_t i = 0; i < forms.size(); ++i) {
    Use use;
    const uint32_t form = forms[i].form;
    if (const v1::ContextRule* rule = RuleOf(*queue.queue, form); rule != nullptr) {
      use = {Kind::kContext, static_cast<uint32_t>(program.requests.contexts.size())};
      if (absl::Status status = AddContext(scope, form, *rule, &program); !status.ok()) {
        return status;
      }
      program.context_forms.push_back(i);
      program.requests.copy_bytes =
          std::max(program.requests.copy_bytes, (forms[i].bytes + 7) / 8 * 8);
    } else if (TxPost::CarriesBytes(scope, form)) {
      absl::StatusOr<TxPost> post = TxPost::Compile(scope, form, queue.view);
      if (!post.ok()) return post.status();
      post->ring_form = i;
      if (program.span == v1::SPAN_COUNT_IN_FIRST) {
        if (absl::Status status = AddCount(scope, &*post); !status.ok()) return status;
      }
      use = {Kind::kData, static_cast<uint32_t>(program.posts.size())};
      program.has_inline = program.has_inline || post->inline_max != 0;
      program.requests.copy_bytes = std::max(program.requests.copy_bytes, post->copy_bytes);
      program.posts.push_back(*std::move(post));
    }
    program.uses.push_back(use);
  }
  if (absl::Status status = AddPrefix(scope, &program); !status.ok()) return status;
  if (absl::Status status = AddBefore(scope, &program); !status.ok()) return status;
  program.requests.copy_bytes =
      std::max({program.requests.copy_bytes, (program.prefix_bytes + 7) / 8 * 8,
                (program.before_bytes + 7) / 8 * 8});
  if (program.posts.empty()) {
    return absl::UnimplementedError(absl::StrCat(where, ": no descriptor with a packet's bytes"));
  }
  for (uint32_t i = 0; i < program.posts.size(); ++i) {
    TxPost& post = program.posts[i];
    if (post.MayBeFirst()) {
      program.requests.AddFeatures(&post);
    }
    // A form of its own for the rest rather than one for all.
    if (program.span != v1::SPAN_SINGLE && post.MayBeRest() && post.may_end && post.may_go_on &&
        (program.rest == kNone ||
         (post.position == v1::PACKET_POSITION_REST &&
          program.posts[program.rest].position != v1::PACKET_POSITION_REST))) {
      program.rest = i;
    }
  }
  return program;
}

}  // namespace qsplit::dataplane
