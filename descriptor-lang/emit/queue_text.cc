// A queue as the language would say it: its rings, how packets lie in them, limits, contexts.
#include <string>

#include "descriptor-lang/emit/emit.h"
#include "descriptor-lang/emit/ring_text.h"
#include "descriptor-lang/emit/words.h"
#include "descriptor-lang/text.h"

namespace qsplit::layout {
namespace {

class QueueEmitter {
 public:
  explicit QueueEmitter(const v1::Layout& layout) : layout_(layout) {}

  std::string Run(const v1::Queue& queue) {
    EmitQueue(queue);
    return std::move(out_);
  }

 private:
  // A note behind two blanks, if there is one.
  std::string Remark(std::string_view path) {
    const std::string_view note = NoteOn(layout_, path);
    return note.empty() ? "" : text::Cat("    // ", note);
  }

  void EmitQueue(const v1::Queue& queue) {
    text::Append(out_, "queue ", Word(queue.direction()),
                 queue.name() == Word(queue.direction()) ? "" : text::Cat(" ", queue.name()),
                 Remark(queue.name()), "\n");
    for (const v1::Ring& ring : queue.rings()) EmitRing(queue, ring);
    EmitPacket(queue);
    EmitLimits(queue.limits());
    for (const v1::ContextRule& rule : queue.contexts()) {
      text::Append(out_, "  context ", FormName(rule.form()), " ", Word(rule.lifetime()));
      if (rule.contexts() > 0) text::Append(out_, " ", rule.contexts());
      if (rule.after_first()) text::Append(out_, " after first");
      if (rule.before_bytes()) text::Append(out_, " before bytes");
      if (rule.has_done_form()) text::Append(out_, " answered by ", FormName(rule.done_form()));
      text::Append(out_, "\n");
    }
  }

  const std::string& FormName(uint32_t form) const {
    return layout_.forms(static_cast<int>(form)).name();
  }

  void EmitRing(const v1::Queue& queue, const v1::Ring& ring) {
    text::Append(out_, "  ", Word(ring.kind()), " ", ring.name());
    if (!ring.features().empty()) {
      text::Append(out_, " with ", FeatureText(layout_, ring.features()));
    }
    if (ring.position() != v1::PACKET_POSITION_EACH) {
      text::Append(out_, " in ", Word(ring.position()));
    }
    text::Append(out_, Remark(text::Cat(queue.name(), ".", ring.name())), "\n");
    for (const std::string& line : RingLines(layout_, queue, ring)) {
      text::Append(out_, "    ", line, "\n");
    }
  }

  void EmitPacket(const v1::Queue& queue) {
    const v1::PacketRule& rule = queue.packet();
    std::string line = "  packet: ";
    text::Append(line, Word(rule.span()));
    const auto all = static_cast<uint32_t>(layout_.forms_size());
    const std::string last = ConditionText(layout_, rule.last_when(), all);
    if (!last.empty()) text::Append(line, " (", last, ")");
    for (const v1::FieldReference& field : rule.fields()) {
      text::Append(line, ", by ", FieldName(layout_, field));
    }
    text::Append(line, ", length counts ", Word(rule.length()));
    if (rule.length_includes_crc_bytes() > 0) {
      text::Append(line, " with ", rule.length_includes_crc_bytes(), " bytes of crc");
    }
    if (rule.prefix_bytes() > 0) {
      text::Append(line, ", prefix ", rule.prefix_bytes(), " bytes");
      if (rule.has_prefix_form()) text::Append(line, " of ", FormName(rule.prefix_form()));
      if (rule.length_includes_prefix()) text::Append(line, ", which length includes");
    }
    if (rule.buffers_per_descriptor() > 1) {
      text::Append(line, ", up to ", rule.buffers_per_descriptor(), " buffers per descriptor");
    }
    text::Append(out_, line, "\n");
  }

  void EmitLimits(const v1::Limits& limits) {
    const v1::BufferRange& buffer = limits.buffer();
    if (buffer.max_bytes() != UINT32_MAX || buffer.min_bytes() > 1) {
      text::Append(out_, "  buffers ", buffer.min_bytes(), "..", buffer.max_bytes(),
                   buffer.step_bytes() > 1 ? text::Cat(" step ", buffer.step_bytes()) : "",
                   buffer.power_of_two() ? " powers of two" : "", " bytes, aligned to ",
                   limits.buffer_alignment_bytes(), "\n");
    }
    const auto most = [&](uint32_t number, std::string_view what) {
      if (number > 0) text::Append(out_, "  at most ", number, " ", what, "\n");
    };
    most(limits.max_descriptors_per_packet(), "descriptors per packet");
    most(limits.max_bytes_per_descriptor(), "bytes per descriptor");
    most(limits.max_bytes_per_packet(), "bytes per packet");
    if (limits.min_bytes_per_packet() > 0) {
      text::Append(out_, "  at least ", limits.min_bytes_per_packet(), " bytes per packet\n");
    }
  }

  const v1::Layout& layout_;
  std::string out_;
};

}  // namespace

std::string QueueText(const v1::Layout& layout, const v1::Queue& queue) {
  return QueueEmitter(layout).Run(queue);
}

}  // namespace qsplit::layout
