#include "descriptor-lang/passes/locate.h"

#include <algorithm>
#include <charconv>
#include <vector>

namespace qsplit::qdl {
namespace {

// One step of a path: `rings[1] used`.
struct Step {
  std::string_view key;
  std::optional<size_t> index;
  std::string_view name;
};

// "queues[0] receive.rings[1] used.cells[0] index: …" up to the colon.
std::vector<Step> StepsOf(std::string_view message) {
  std::vector<Step> steps;
  std::string_view path = message.substr(0, message.find(": "));
  while (!path.empty() && steps.size() < 8) {
    const size_t end = std::min(path.find('.'), path.size());
    std::string_view word = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    Step& step = steps.emplace_back();
    const size_t blank = word.find(' ');
    if (blank != std::string_view::npos) step.name = word.substr(blank + 1);
    word = word.substr(0, blank);
    const size_t bracket = word.find('[');
    step.key = word.substr(0, bracket);
    if (bracket == std::string_view::npos) continue;
    size_t index = 0;
    const auto [at, failed] =
        std::from_chars(word.data() + bracket + 1, word.data() + word.size(), index);
    if (failed == std::errc()) step.index = index;
  }
  return steps;
}

template <typename List>
auto* ByName(const List& list, std::string_view name) {
  const auto found = std::find_if(list.begin(), list.end(),
                                  [&](const auto& one) { return one.name.text == name; });
  return found == list.end() ? nullptr : &*found;
}

Span DoorbellSpan(const ast::Ring& ring, bool consumer, size_t index) {
  for (const ast::Doorbell& bell : ring.doorbells) {
    if (bell.consumer != consumer) continue;
    if (index-- == 0) return bell.span;
  }
  return ring.name.span;
}

Span InRing(const ast::Ring& ring, const Step& step) {
  const size_t index = step.index.value_or(0);
  if (step.key == "posted" && !ring.posts.empty()) return ring.posts.front().span;
  if (step.key == "completed" && !ring.completions.empty()) return ring.completions.front().span;
  if (step.key == "completes" && !ring.completes.empty()) {
    // The layout has a rule more where it completes in place.
    const bool in_place = !ring.completions.empty() && ring.completions.front().in_place;
    const size_t own = index - (in_place && index > 0 ? 1 : 0);
    return ring.completes[std::min(own, ring.completes.size() - 1)].span;
  }
  if (step.key == "phase" && ring.phase) return ring.phase->span;
  if (step.key == "sequence" && ring.sequence) return ring.sequence->span;
  if (step.key == "fills" && !ring.fills.empty()) return ring.fills.front().field.span;
  if (step.key == "compressed" && ring.compressed) return ring.compressed->span;
  if (step.key == "packets" && ring.packets) return ring.packets->span;
  if (step.key == "wrap" && ring.link_form) return ring.link_form->span;
  if (step.key == "wrap" && ring.last_slot_field) return ring.last_slot_field->span;
  if (step.key == "producer_doorbells") return DoorbellSpan(ring, false, index);
  if (step.key == "consumer_doorbells") return DoorbellSpan(ring, true, index);
  if (step.key == "cells") {
    if (const ast::Cell* cell = ByName(ring.cells, step.name)) return cell->name.span;
  }
  return ring.name.span;
}

Span InQueue(const ast::Queue& queue, const std::vector<Step>& steps) {
  if (steps.size() < 2) return queue.name.span;
  const Step& step = steps[1];
  if (step.key == "rings" && step.index && *step.index < queue.rings.size()) {
    const ast::Ring& ring = queue.rings[*step.index];
    return steps.size() < 3 ? ring.name.span : InRing(ring, steps[2]);
  }
  if (step.key == "packet" && queue.packet) return queue.packet->span;
  if (step.key == "contexts" && !queue.contexts.empty()) return queue.contexts.front().form.span;
  return queue.name.span;
}

Span InForm(const ast::Descriptor& form, const std::vector<Step>& steps) {
  if (steps.size() < 2) return form.name.span;
  if (const ast::Field* field = ByName(form.fields, steps[1].name)) return field->name.span;
  if (const ast::Part* part = ByName(form.parts, steps[1].name)) return part->name.span;
  return form.name.span;
}

}  // namespace

Span LocateRefusal(const ast::File& file, std::string_view message) {
  const std::vector<Step> steps = StepsOf(message);
  if (!steps.empty() && steps[0].key == "queues") {
    if (const ast::Queue* queue = ByName(file.queues, steps[0].name)) return InQueue(*queue, steps);
  }
  if (!steps.empty() && steps[0].key == "forms") {
    if (const ast::Descriptor* form = ByName(file.descriptors, steps[0].name)) {
      return InForm(*form, steps);
    }
  }
  if (!steps.empty() && steps[0].key == "enumerations") {
    if (const auto* enumeration = ByName(file.enumerations, steps[0].name)) {
      return enumeration->name.span;
    }
  }
  return file.name ? file.name->span : Span{0, 1};
}

}  // namespace qsplit::qdl
