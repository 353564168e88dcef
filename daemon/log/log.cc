#include "daemon/log/log.h"

#include <spdlog/async.h>
#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <mutex>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace qsplit::log {
namespace {

constexpr size_t kQueueLines = 8192;
constexpr size_t kMaxValueBytes = 256;

constexpr std::string_view kLevelNames[] = {"trace", "debug", "info", "warning", "error"};

struct Output {
  std::shared_ptr<spdlog::logger> logger;
  Format format = Format::kText;
  Level level = Level::kInfo;
};

// The one thing that is global here, as stderr is. Replaced whole, and never while in use.
std::atomic<Output*> output{nullptr};

void AppendHex(std::string& out, std::string_view prefix, unsigned char byte) {
  constexpr char kDigits[] = "0123456789abcdef";
  out.append(prefix);
  out.push_back(kDigits[byte >> 4]);
  out.push_back(kDigits[byte & 15]);
}

// Quoted, with every byte that is not printable ASCII escaped: no client can forge a line or move
// a terminal's cursor.
void AppendQuoted(std::string& out, std::string_view text, bool json) {
  out.push_back('"');
  for (const char c : text.substr(0, kMaxValueBytes)) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out.push_back('\\');
      out.push_back(c);
    } else if (c == '\n') {
      out.append("\\n");
    } else if (byte < 0x20 || byte >= 0x7f) {
      AppendHex(out, json ? "\\u00" : "\\x", byte);
    } else {
      out.push_back(c);
    }
  }
  if (text.size() > kMaxValueBytes) out.append("...");
  out.push_back('"');
}

bool NeedsQuotes(std::string_view text) {
  if (text.empty() || text.size() > kMaxValueBytes) return true;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte <= 0x20 || byte >= 0x7f || c == '"' || c == '\\' || c == '=') return true;
  }
  return false;
}

spdlog::level::level_enum ToSpdlog(Level level) {
  switch (level) {
    case Level::kTrace:
      return spdlog::level::trace;
    case Level::kDebug:
      return spdlog::level::debug;
    case Level::kInfo:
      return spdlog::level::info;
    case Level::kWarning:
      return spdlog::level::warn;
    case Level::kError:
      break;
  }
  return spdlog::level::err;
}

}  // namespace

std::string FormatLine(Format format, std::string_view time, Level level, std::string_view event,
                       std::initializer_list<Field> fields) {
  const std::string_view name = kLevelNames[static_cast<size_t>(level)];
  std::string line;
  if (format == Format::kJson) {
    line.append("{\"time\":\"").append(time).append("\",\"level\":\"").append(name);
    line.append("\",\"event\":\"").append(event).append("\"");
    for (const Field& field : fields) {
      line.append(",\"").append(field.key()).append("\":");
      if (field.is_text()) {
        AppendQuoted(line, field.value(), true);
      } else {
        line.append(field.value());
      }
    }
    line.push_back('}');
    return line;
  }
  line.append(time).append(" ").append(name).append(" ").append(event);
  for (const Field& field : fields) {
    line.append(" ").append(field.key()).append("=");
    if (field.is_text() && NeedsQuotes(field.value())) {
      AppendQuoted(line, field.value(), false);
    } else {
      line.append(field.value());
    }
  }
  return line;
}

void Start(std::string_view level, Format format) {
  Stop();
  auto made = std::make_unique<Output>();
  made->format = format;
  for (size_t i = 0; i < std::size(kLevelNames); ++i) {
    if (kLevelNames[i] == level) made->level = static_cast<Level>(i);
  }
  spdlog::init_thread_pool(kQueueLines, 1);
  made->logger = std::make_shared<spdlog::async_logger>(
      "qsplitd", std::make_shared<spdlog::sinks::stderr_sink_mt>(), spdlog::thread_pool(),
      spdlog::async_overflow_policy::overrun_oldest);
  made->logger->set_pattern("%v");
  made->logger->set_level(ToSpdlog(made->level));
  made->logger->flush_on(spdlog::level::trace);
  output.store(made.release(), std::memory_order_release);
}

void Stop() {
  // The threads that write events have ended by then: main stops the log last.
  const std::unique_ptr<Output> old(output.exchange(nullptr, std::memory_order_acq_rel));
  if (old == nullptr) return;
  // Writes what is queued and joins the thread that writes it; only then may its logger go.
  spdlog::shutdown();
  old->logger.reset();
}

void Write(Level level, std::string_view event, std::initializer_list<Field> fields) {
  // Pairs with the release in Start.
  const Output* to = output.load(std::memory_order_acquire);
  if (to == nullptr || level < to->level) return;
  const std::string time =
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone());
  const std::string line = FormatLine(to->format, time, level, event, fields);
  to->logger->log(ToSpdlog(level), spdlog::string_view_t(line.data(), line.size()));
}

bool RateLimit::Allow(uint64_t& suppressed) {
  const int64_t now = absl::ToUnixSeconds(absl::Now());
  if (second_.exchange(now, std::memory_order_relaxed) != now) {
    count_.store(0, std::memory_order_relaxed);
  }
  if (count_.fetch_add(1, std::memory_order_relaxed) >= per_second_) {
    suppressed_.fetch_add(1, std::memory_order_relaxed);
    return false;
  }
  suppressed = suppressed_.exchange(0, std::memory_order_relaxed);
  return true;
}

}  // namespace qsplit::log
