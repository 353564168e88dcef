// Any text as a configuration file: it is accepted and can be described, or it is refused with
// words.
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "daemon/config/config.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace config = qsplit::config;
  const config::NameResolver names{
      .user = [](const std::string&) { return std::optional<uint32_t>(1); },
      .group = [](const std::string&) { return std::optional<uint32_t>(); }};
  const auto parsed =
      config::ParseConfig({reinterpret_cast<const char*>(data), size}, "f", names, 0);
  if (parsed.ok()) {
    if (config::Describe(*parsed).empty()) abort();
  } else if (parsed.status().code() != absl::StatusCode::kInvalidArgument ||
             parsed.status().message().substr(0, 2) != "f:") {
    abort();
  }
  return 0;
}
