// What the compiler says about a spec. Every message has a number that never changes its meaning;
// the table is diagnostics.def, and `qdlc --explain QDL0044` prints an entry of it.
//
// A message looks like this (one underline, then what to do):
//
//   nic.qdl:7:5: error[QDL0044]: `vp` and `dd` lie on the same bits
//      7 |     vp   0
//        |     ^^
//        = `dd` (line 6) has bit 0 of byte 8
//        = help: give one of them other bits, or conditions that exclude each other
//
// Holds at most kMaxDiagnostics; what comes after is counted. Not thread safe.
#ifndef QSPLIT_DESCRIPTOR_LANG_DIAGNOSTICS_DIAGNOSTICS_H_
#define QSPLIT_DESCRIPTOR_LANG_DIAGNOSTICS_DIAGNOSTICS_H_

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "descriptor-lang/source/source_file.h"

namespace qsplit::qdl {

// Messages that are kept for one file.
inline constexpr size_t kMaxDiagnostics = 100;

enum class Severity : uint8_t { kError, kWarning };

enum class Diagnostic : uint16_t {
#define QDL_DIAGNOSTIC(name, number, severity, summary, advice) k##name = (number),
#include "descriptor-lang/diagnostics/diagnostics.def"
#undef QDL_DIAGNOSTIC
};

// One entry of the table.
struct DiagnosticInfo {
  Diagnostic id;
  Severity severity;
  // {0}, {1}, … stand for arguments.
  std::string_view summary;
  // What to do; may hold the same arguments.
  std::string_view advice;
};

// All entries, ascending by number.
const std::vector<DiagnosticInfo>& AllDiagnostics();
// The entry with this number; null when there is none.
const DiagnosticInfo* FindDiagnostic(uint32_t number);
// "QDL0044".
std::string DiagnosticCode(Diagnostic id);

// One message about one place.
struct Message {
  Diagnostic id;
  Span span;
  std::string summary;
  std::string advice;
  // Another place that has to do with it, and why.
  std::optional<Span> other;
  std::string other_text;
};

class Diagnostics {
 public:
  // The source must outlive this.
  explicit Diagnostics(const SourceFile& source) : source_(source) {}
  Diagnostics(const Diagnostics&) = delete;
  Diagnostics& operator=(const Diagnostics&) = delete;

  // Adds a message at `span`. A second message with the same number at the same place is dropped.
  void Report(Diagnostic id, Span span, std::initializer_list<std::string_view> arguments);
  // The same, with a second place: "<file>:<line>: <other_text>".
  void Report(Diagnostic id, Span span, std::initializer_list<std::string_view> arguments,
              Span other, std::string other_text);

  // Messages of severity error, dropped ones included.
  size_t error_count() const { return error_count_; }
  size_t warning_count() const { return warning_count_; }
  bool full() const { return messages_.size() >= kMaxDiagnostics; }
  const std::vector<Message>& messages() const { return messages_; }

  // All messages as text, ordered by position, followed by a count; empty when there are none.
  std::string Render() const;

 private:
  void Add(Message message, Severity severity);
  void Count(Severity severity);
  void RenderOne(const Message& message, std::string& out) const;

  const SourceFile& source_;
  std::vector<Message> messages_;
  size_t error_count_ = 0;
  size_t warning_count_ = 0;
};

}  // namespace qsplit::qdl

#endif  // QSPLIT_DESCRIPTOR_LANG_DIAGNOSTICS_DIAGNOSTICS_H_
