#include "descriptor-lang/diagnostics/diagnostics.h"

#include <algorithm>

#include "descriptor-lang/text.h"

namespace qsplit::qdl {
namespace {

// Characters of a source line that are shown, and how many of them stand before the underline.
constexpr size_t kShownCharacters = 120;
constexpr size_t kShownBefore = 60;
// Longest argument of a message, in bytes.
constexpr size_t kMaxArgumentBytes = 240;

std::string Shorten(std::string_view text) {
  if (text.size() <= kMaxArgumentBytes) return std::string(text);
  size_t end = kMaxArgumentBytes;
  while (end > 0 && (static_cast<uint8_t>(text[end]) & 0xc0) == 0x80) --end;
  return text::Cat(text.substr(0, end), "…");
}

std::string Fill(std::string_view pattern, std::initializer_list<std::string_view> arguments) {
  std::string out;
  for (size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] == '{' && at + 2 < pattern.size() && pattern[at + 2] == '}') {
      const auto index = static_cast<size_t>(pattern[at + 1] - '0');
      if (index < arguments.size()) out += Shorten(arguments.begin()[index]);
      at += 2;
    } else {
      out += pattern[at];
    }
  }
  return out;
}

bool ContinuesCharacter(char c) { return (static_cast<uint8_t>(c) & 0xc0) == 0x80; }

// What a terminal would act upon becomes '?', a tab a blank.
std::string Printable(std::string_view line) {
  std::string out;
  for (size_t at = 0; at < line.size();) {
    const size_t length = std::max<size_t>(1, Utf8Length(line.substr(at)));
    const auto first = static_cast<uint8_t>(line[at]);
    const bool control =
        first < 0x20 || first == 0x7f ||
        (first == 0xc2 && length == 2 && static_cast<uint8_t>(line[at + 1]) < 0xa0);
    if (first == '\t') {
      out += ' ';
    } else if (control) {
      out += '?';
    } else {
      out += line.substr(at, length);
    }
    at += length;
  }
  return out;
}

// The part of a line that is shown around the byte at `caret`.
struct Excerpt {
  std::string_view before;  // up to the caret
  std::string_view after;   // from the caret on
  bool cut_before = false;
  bool cut_after = false;
};

Excerpt Cut(std::string_view line, size_t caret) {
  size_t begin = caret;
  size_t shown = 0;
  while (begin > 0 && shown < kShownCharacters) {
    do {
      --begin;
    } while (begin > 0 && ContinuesCharacter(line[begin]));
    ++shown;
  }
  if (begin > 0) {  // a line longer than what is shown: the caret stands in the middle
    for (; shown > kShownBefore; --shown)
      begin += std::max<size_t>(1, Utf8Length(line.substr(begin)));
  }
  size_t end = caret;
  while (end < line.size() && shown < kShownCharacters) {
    end += std::max<size_t>(1, Utf8Length(line.substr(end)));
    ++shown;
  }
  return {line.substr(begin, caret - begin), line.substr(caret, end - caret), begin > 0,
          end < line.size()};
}

const DiagnosticInfo& InfoOf(Diagnostic id) { return *FindDiagnostic(static_cast<uint32_t>(id)); }

}  // namespace

const std::vector<DiagnosticInfo>& AllDiagnostics() {
  static const auto* const all = new std::vector<DiagnosticInfo>{
#define QDL_DIAGNOSTIC(name, number, severity, summary, advice) \
  {Diagnostic::k##name, Severity::k##severity, summary, advice},
#include "descriptor-lang/diagnostics/diagnostics.def"
#undef QDL_DIAGNOSTIC
  };
  return *all;
}

const DiagnosticInfo* FindDiagnostic(uint32_t number) {
  for (const DiagnosticInfo& info : AllDiagnostics()) {
    if (static_cast<uint32_t>(info.id) == number) return &info;
  }
  return nullptr;
}

std::string DiagnosticCode(Diagnostic id) {
  return text::Cat("QDL", text::PadLeft(static_cast<uint32_t>(id), 4, '0'));
}

void Diagnostics::Report(Diagnostic id, Span span,
                         std::initializer_list<std::string_view> arguments) {
  const DiagnosticInfo& info = InfoOf(id);
  if (full()) return Count(info.severity);
  Add({id, span, Fill(info.summary, arguments), Fill(info.advice, arguments), std::nullopt, ""},
      info.severity);
}

void Diagnostics::Report(Diagnostic id, Span span,
                         std::initializer_list<std::string_view> arguments, Span other,
                         std::string other_text) {
  const DiagnosticInfo& info = InfoOf(id);
  if (full()) return Count(info.severity);
  Add({id, span, Fill(info.summary, arguments), Fill(info.advice, arguments), other,
       std::move(other_text)},
      info.severity);
}

void Diagnostics::Add(Message message, Severity severity) {
  for (const Message& known : messages_) {
    if (known.id == message.id && known.span.begin == message.span.begin) return;
  }
  Count(severity);
  messages_.push_back(std::move(message));
}

void Diagnostics::Count(Severity severity) {
  (severity == Severity::kError ? error_count_ : warning_count_) += 1;
}

void Diagnostics::RenderOne(const Message& message, std::string& out) const {
  const Position position = source_.PositionOf(message.span.begin);
  const bool error = InfoOf(message.id).severity == Severity::kError;
  text::Append(out, source_.name(), ":", position.line, ":", position.column, ": ",
               error ? "error" : "warning", "[", DiagnosticCode(message.id), "]: ", message.summary,
               "\n");

  const std::string_view line = source_.Line(position.line);
  const uint32_t line_begin = source_.LineBegin(position.line);
  const size_t caret = std::min<size_t>(message.span.begin - line_begin, line.size());
  const Excerpt excerpt = Cut(line, caret);
  const size_t span_bytes = message.span.empty() ? 0 : message.span.end - message.span.begin;
  const size_t length = CountCharacters(excerpt.after.substr(0, span_bytes));
  text::Append(out, text::PadLeft(position.line, 5, ' '), " | ", excerpt.cut_before ? "…" : "",
               Printable(excerpt.before), Printable(excerpt.after), excerpt.cut_after ? "…" : "",
               "\n");
  text::Append(out, "      | ",
               std::string(CountCharacters(excerpt.before) + (excerpt.cut_before ? 1 : 0), ' '),
               std::string(std::max<size_t>(1, length), '^'), "\n");
  if (message.other) {
    text::Append(out, "      = line ", source_.LineOf(message.other->begin), ": ",
                 message.other_text, "\n");
  }
  if (!message.advice.empty()) text::Append(out, "      = help: ", message.advice, "\n");
}

std::string Diagnostics::Render() const {
  std::vector<const Message*> ordered;
  for (const Message& message : messages_) ordered.push_back(&message);
  std::stable_sort(ordered.begin(), ordered.end(), [](const Message* a, const Message* b) {
    return a->span.begin < b->span.begin;
  });
  std::string out;
  for (const Message* message : ordered) RenderOne(*message, out);
  const size_t dropped = error_count_ + warning_count_ - messages_.size();
  if (dropped > 0) {
    text::Append(out, source_.name(), ": ", dropped, " more not shown\n");
  }
  if (error_count_ > 0) {
    text::Append(out, source_.name(), ": ", error_count_, error_count_ == 1 ? " error" : " errors",
                 "\n");
  }
  return out;
}

}  // namespace qsplit::qdl
