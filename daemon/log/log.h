// The daemon's log: one event a line on stderr, as key=value for people or as JSON for programs.
//
//   2026-01-02T03:04:05.678Z info session_opened session=7 uid=65534 program=responder
//   {"time":"2026-01-02T03:04:05.678Z","level":"info","event":"session_opened","session":7,…}
//
// Values may come from clients: they are escaped, and cut at 256 bytes. Writing never blocks: a
// thread of its own writes, and when it falls behind, the oldest lines are lost, not the caller's
// time. Before Start, and after Stop, events go nowhere. Any thread may call Write.
#ifndef QSPLIT_DAEMON_LOG_LOG_H_
#define QSPLIT_DAEMON_LOG_LOG_H_

#include <atomic>
#include <concepts>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>

#include "absl/status/status.h"

namespace qsplit::log {

enum class Level : uint8_t { kTrace, kDebug, kInfo, kWarning, kError };
enum class Format : uint8_t { kText, kJson };

// A key and its value.
class Field {
 public:
  Field(std::string_view key, std::string_view value) : key_(key), value_(value), text_(true) {}
  Field(std::string_view key, const char* value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, const std::string& value) : Field(key, std::string_view(value)) {}
  Field(std::string_view key, bool value) : key_(key), value_(value ? "true" : "false") {}
  template <std::integral Number>
  Field(std::string_view key, Number value) : key_(key), value_(std::to_string(value)) {}
  Field(std::string_view key, const absl::Status& status) : Field(key, status.ToString()) {}

  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  bool is_text() const { return text_; }

 private:
  std::string_view key_;
  std::string value_;
  bool text_ = false;
};

// Main thread, once. An unknown level counts as "info".
void Start(std::string_view level, Format format);
// Writes what waits, and ends the thread.
void Stop();

void Write(Level level, std::string_view event, std::initializer_list<Field> fields = {});

inline void Debug(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kDebug, event, fields);
}
inline void Info(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kInfo, event, fields);
}
inline void Warning(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kWarning, event, fields);
}
inline void Error(std::string_view event, std::initializer_list<Field> fields = {}) {
  Write(Level::kError, event, fields);
}

// For events that clients cause at will: so many a second, the rest is counted.
class RateLimit {
 public:
  explicit RateLimit(uint32_t per_second) : per_second_(per_second) {}
  // True: write it. `suppressed` is how many were not written since the last that was.
  bool Allow(uint64_t& suppressed);

 private:
  const uint32_t per_second_;
  std::atomic<int64_t> second_{0};
  std::atomic<uint32_t> count_{0};
  std::atomic<uint64_t> suppressed_{0};
};

// One line without its end, as Write makes it. `time` is preformatted.
std::string FormatLine(Format format, std::string_view time, Level level, std::string_view event,
                       std::initializer_list<Field> fields);

}  // namespace qsplit::log

#endif  // QSPLIT_DAEMON_LOG_LOG_H_
