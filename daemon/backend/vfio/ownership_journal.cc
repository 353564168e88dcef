#include "daemon/backend/vfio/ownership_journal.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace qsplit::vfio {
namespace {

// Takes a record apart; the first thing that is missing or does not read is kept as the error.
class FieldReader {
 public:
  FieldReader(const journal::Record& record, std::string_view kind) : record_(record) {
    if (record.kind != kind) Fail("its kind");
  }

  std::string Text(const std::string& name) {
    const auto at = record_.fields.find(name);
    if (at != record_.fields.end()) return at->second;
    Fail(name);
    return {};
  }
  template <typename T>
  T Number(const std::string& name) {
    const std::string text = Text(name);
    T value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data(), end, value);
    if (error != std::errc() || stop != end) Fail(name);
    return value;
  }
  linux_sys::PciAddress Function() {
    const auto address = linux_sys::PciAddress::Parse(Text("function"));
    if (!address.ok()) Fail("function");
    return address.ok() ? *address : linux_sys::PciAddress{};
  }
  std::optional<linux_sys::VfToken> Token(const std::string& name) {
    const std::string text = Text(name);
    if (text.empty()) return std::nullopt;
    const auto token = linux_sys::ParseVfToken(text);
    if (!token.ok()) Fail(name);
    return token.ok() ? std::optional(*token) : std::nullopt;
  }
  const absl::Status& status() const { return status_; }

 private:
  void Fail(const std::string& what) {
    if (!status_.ok()) return;
    status_ = absl::DataLossError(absl::StrCat("journal record ", record_.id, " (", record_.kind,
                                               "): ", what, " is missing or does not read"));
  }

  const journal::Record& record_;
  absl::Status status_;
};

}  // namespace

journal::Fields FormerState::ToFields() const {
  return {{"function", function.ToString()},
          {"driver", driver.driver},
          {"override", driver.driver_override},
          {"vfs", absl::StrCat(vfs)},
          {"vfs_probed", vfs_probed ? "1" : "0"},
          {"netdevs", absl::StrJoin(netdevs, "/")},
          {"vf_token", vf_token ? linux_sys::VfTokenText(*vf_token) : ""}};
}

journal::Fields ClientHold::ToFields() const {
  return {{"function", function.ToString()},
          {"lease", absl::StrCat(lease)},
          {"pid", absl::StrCat(pid)},
          {"start", absl::StrCat(start_ticks)}};
}

absl::StatusOr<FormerState> FormerStateOf(const journal::Record& record) {
  FieldReader reader(record, FormerState::kKind);
  FormerState state;
  state.function = reader.Function();
  state.driver = {reader.Text("driver"), reader.Text("override")};
  state.vfs = reader.Number<uint32_t>("vfs");
  state.vfs_probed = reader.Number<uint32_t>("vfs_probed") != 0;
  // No netdev has a slash in its name.
  state.netdevs = absl::StrSplit(reader.Text("netdevs"), '/', absl::SkipEmpty());
  state.vf_token = reader.Token("vf_token");
  if (!reader.status().ok()) return reader.status();
  return state;
}

absl::StatusOr<ClientHold> ClientHoldOf(const journal::Record& record) {
  FieldReader reader(record, ClientHold::kKind);
  ClientHold hold;
  hold.function = reader.Function();
  hold.lease = reader.Number<uint64_t>("lease");
  hold.pid = reader.Number<uint32_t>("pid");
  hold.start_ticks = reader.Number<uint64_t>("start");
  if (!reader.status().ok()) return reader.status();
  return hold;
}

}  // namespace qsplit::vfio
