// The page of all specs as Markdown: what each describes, and how its rings go.
#include <algorithm>
#include <string>
#include <vector>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

// What one side looks at to see that a slot is its own.
std::string Sign(const v1::Handover& handover) {
  if (handover.has_doorbell()) return "doorbell";
  if (handover.has_cell()) return "index cell";
  if (!handover.has_when()) return "";
  std::string sign = "flags";
  for (const v1::Conjunction& conjunction : handover.when().any_of()) {
    for (const v1::Comparison& comparison : conjunction.all_of()) {
      if (comparison.has_state()) sign = Word(comparison.state());
    }
  }
  return sign;
}

void AddOnce(std::vector<std::string>* words, std::string word) {
  if (std::find(words->begin(), words->end(), word) == words->end()) {
    words->push_back(std::move(word));
  }
}

std::string KeyWords(const v1::Ring& ring) {
  std::vector<std::string> keys;
  for (const v1::CompletionRule& rule : ring.completes()) {
    if (rule.key() == v1::COMPLETION_KEY_IN_PLACE) continue;
    const bool named = rule.key() != v1::COMPLETION_KEY_IN_ORDER;
    AddOnce(&keys, text::Cat(!named ? "" : rule.cumulative() ? "up to " : "by ", Word(rule.key())));
  }
  return text::Join(keys, " or ");
}

// One ring in a few words: how slots go to the device, and how they come back.
std::string RingWords(const v1::Ring& ring) {
  std::vector<std::string> words;
  if (ring.kind() == v1::RING_KIND_TABLE) return "a table of descriptors";
  if (!ring.post_forms().empty()) words.push_back(text::Cat("posted by ", Sign(ring.posted())));
  const bool in_place = !ring.post_forms().empty() && !ring.completed().has_completion();
  if (in_place) {
    words.push_back(text::Cat("done ", ring.complete_forms().empty() ? "" : "in place ", "by ",
                              Sign(ring.completed())));
  } else if (!ring.complete_forms().empty()) {
    std::string keys = KeyWords(ring);
    words.push_back(text::Cat("completions by ", Sign(ring.completed()),
                              keys.empty() ? "" : text::Cat(", matched ", keys)));
  }
  if (ring.completed().only_where_reported()) words.push_back("where asked for");
  if (ring.has_compressed()) words.push_back("compressed");
  if (ring.has_packets()) words.push_back("packets in the slots");
  if (ring.wrap().has_link_form()) words.push_back("link descriptor");
  if (ring.wrap().has_last_slot_field()) words.push_back("wrap bit");
  return text::Join(words, ", ");
}

std::string QueueWords(const v1::Queue& queue) {
  std::vector<std::string> rings;
  for (const v1::Ring& ring : queue.rings()) AddOnce(&rings, RingWords(ring));
  std::string words = text::Join(rings, "; ");
  if (queue.packet().span() == v1::SPAN_NEXT_INDEX) words += "; chains by next index";
  if (queue.packet().span() == v1::SPAN_COMPLETIONS) words += "; several completions a packet";
  return words;
}

// Queues that go in the same way stand together.
std::string Protocol(const v1::Layout& layout) {
  std::vector<std::string> names;
  std::vector<std::string> words;
  for (const v1::Queue& queue : layout.queues()) {
    const std::string of = QueueWords(queue);
    const auto known = std::find(words.begin(), words.end(), of);
    if (known != words.end()) {
      names[static_cast<size_t>(known - words.begin())] += text::Cat(", ", queue.name());
      continue;
    }
    names.push_back(queue.name());
    words.push_back(of);
  }
  std::vector<std::string> lines;
  for (size_t i = 0; i < names.size(); ++i) {
    lines.push_back(text::Cat("*", names[i], "*: ", words[i]));
  }
  return text::Join(lines, "<br>");
}

}  // namespace

std::string EmitSpecs(std::span<const SpecRow> rows) {
  std::string out =
      "# Specs\n"
      "\n"
      "Each spec in `descriptor-specs/`, and how it is known to be right. Forms, fields and ring\n"
      "protocols come out of the compiled layouts, the last two columns out of\n"
      "`tests/unit/specs/checked.txt`. Tests hold the page to both.\n"
      "\n"
      "- ring protocol: what tells the device that a slot is posted, and the driver that it is\n"
      "  done. *flags* are bits of the descriptor, *phase* a bit that flips with each pass,\n"
      "  *sequence* a number that each entry counts up, an *index cell* a number beside the ring.\n"
      "- real packets: whether packets go through the software NIC with this layout; *no* means\n"
      "  that its queues carry commands, of which a block goes through its rings.\n"
      "- checked against: where the masks and offsets come from that a test compares the layout\n"
      "  with. *offsetof* means that the compiler takes them out of the header itself.\n"
      "\n"
      "| spec | forms | fields | ring protocol | real packets | checked against |\n"
      "|---|---|---|---|---|---|\n";
  int forms = 0;
  int fields = 0;
  for (const SpecRow& row : rows) {
    const v1::Layout& layout = row.layout.message();
    int own_fields = 0;
    for (const v1::Form& form : layout.forms()) own_fields += form.fields_size();
    forms += layout.forms_size();
    fields += own_fields;
    text::Append(out, "| `", layout.name(), "` | ", layout.forms_size(), " | ", own_fields, " | ",
                 Protocol(layout), " | ", row.carries_packets ? "yes" : "no", " | ", row.checked,
                 " |\n");
  }
  text::Append(out, "\n", rows.size(), " specs, ", forms, " forms, ", fields, " fields.\n");
  return out;
}

}  // namespace qsplit::layout
