#include "dataplane/tx_codes.h"

#include <cstring>
#include <string_view>

namespace qsplit::dataplane {
namespace {

using layout::Role;

uint8_t CodeOf(Role role, std::string_view name) {
  return static_cast<uint8_t>(layout::FindCode(role, name).value_or(CodeMap::kUnknown));
}

std::string_view Name(L3Kind kind) {
  return kind == L3Kind::kIp4 ? "ip4" : kind == L3Kind::kIp6 ? "ip6" : "none";
}
std::string_view Name(L4Kind kind) {
  return kind == L4Kind::kTcp    ? "tcp"
         : kind == L4Kind::kUdp  ? "udp"
         : kind == L4Kind::kSctp ? "sctp"
                                 : "none";
}

}  // namespace

TxCodes::TxCodes() {
  for (uint8_t i = 0; i < kL3Kinds; ++i) {
    l3[i] = CodeOf(Role::kPacketL3, Name(L3Kind{i}));
    offload_l3[i] = CodeOf(Role::kOffloadL3, Name(L3Kind{i}));
  }
  for (uint8_t i = 0; i < kL4Kinds; ++i) {
    l4[i] = CodeOf(Role::kPacketL4, Name(L4Kind{i}));
    offload_l4[i] = CodeOf(Role::kOffloadL4, Name(L4Kind{i}));
  }
  offload_l3_checksum = CodeOf(Role::kOffloadL3, "ip4_checksum");
  mode_none = CodeOf(Role::kOffloadMode, "none");
  mode_checksum = CodeOf(Role::kOffloadMode, "checksum");
  mode_segment = CodeOf(Role::kOffloadMode, "segment");
  segment_none = CodeOf(Role::kSegmentType, "none");
  std::memset(segment, CodeMap::kUnknown, sizeof segment);
  const auto set = [this](L3Kind l3_kind, L4Kind l4_kind, std::string_view name) {
    segment[static_cast<size_t>(l3_kind)][static_cast<size_t>(l4_kind)] =
        CodeOf(Role::kSegmentType, name);
  };
  set(L3Kind::kIp4, L4Kind::kTcp, "tcp4");
  set(L3Kind::kIp6, L4Kind::kTcp, "tcp6");
  set(L3Kind::kIp4, L4Kind::kUdp, "udp4");
  set(L3Kind::kIp6, L4Kind::kUdp, "udp6");
}

const TxCodes& TxCodes::Get() {
  static const TxCodes codes;
  return codes;
}

}  // namespace qsplit::dataplane
