#include "daemon/config/sections.h"

namespace qsplit::config {

void ReadDaemon(const toml::table& table, Diagnostics& diagnostics, DaemonSection& out) {
  TableReader reader(table, "daemon", diagnostics);
  if (auto dir = reader.String("runtime_dir")) {
    // Room for "/qsplitd.sock" and "/session.sock" in a socket's 107 bytes.
    if (dir->empty() || dir->front() != '/' || dir->size() > 93) {
      reader.Error("runtime_dir", "not an absolute path of at most 93 bytes");
    } else {
      out.runtime_dir = *dir;
    }
  }
  if (auto dir = reader.String("layouts_dir")) out.layouts_dir = *dir;
  if (auto mode = reader.Mode("session_socket_mode")) out.session_socket_mode = *mode;
  if (auto mode = reader.Mode("rpc_socket_mode")) out.rpc_socket_mode = *mode;
  if (auto level = reader.OneOf("log_level", {"trace", "debug", "info", "warning", "error"})) {
    out.log_level = *level;
  }
  if (auto format = reader.OneOf("log_format", {"text", "json"})) {
    out.log_format = *format == "json" ? LogFormat::kJson : LogFormat::kText;
  }
  reader.Finish();
}

void ReadLimits(const toml::table& table, Diagnostics& diagnostics, LimitsSection& out) {
  TableReader reader(table, "limits", diagnostics);
  const auto read = [&reader](std::string_view key, uint64_t most, uint32_t& to) {
    if (auto number = reader.Integer(key, 1, most)) to = static_cast<uint32_t>(*number);
  };
  read("sessions", 1'000'000, out.sessions);
  read("sessions_per_uid", 1'000'000, out.sessions_per_uid);
  read("rpc_connections", 100'000, out.rpc_connections);
  read("rpc_connections_per_uid", 100'000, out.rpc_connections_per_uid);
  read("streams_per_connection", 1024, out.streams_per_connection);
  read("watches", 1'000'000, out.watches);
  read("rpc_idle_seconds", 86'400, out.rpc_idle_seconds);
  if (auto bytes = reader.Bytes("rpc_memory", 16u << 20, uint64_t{1} << 40)) {
    out.rpc_memory_bytes = *bytes;
  }
  reader.Finish();
}

}  // namespace qsplit::config
