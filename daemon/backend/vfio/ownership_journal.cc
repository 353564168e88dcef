#include "daemon/backend/vfio/ownership_journal.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "daemon/journal/field_reader.h"

namespace qsplit::vfio {
namespace {

// What both kinds of records have, besides texts and numbers.
class FieldReader : public journal::FieldReader {
 public:
  using journal::FieldReader::FieldReader;

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
