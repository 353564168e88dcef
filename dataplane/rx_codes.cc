#include "dataplane/rx_codes.h"

namespace qsplit::dataplane {

using layout::Role;

const Vocabulary<HashType, kHashTypes>& HashTypes() {
  static const Vocabulary<HashType, kHashTypes> table(Role::kHashType,
                                                      {{"none", HashType::kNone},
                                                       {"ip4", HashType::kIp4},
                                                       {"tcp4", HashType::kTcp4},
                                                       {"udp4", HashType::kUdp4},
                                                       {"sctp4", HashType::kSctp4},
                                                       {"ip6", HashType::kIp6},
                                                       {"tcp6", HashType::kTcp6},
                                                       {"udp6", HashType::kUdp6},
                                                       {"sctp6", HashType::kSctp6},
                                                       {"ip6ex", HashType::kIp6},
                                                       {"tcp6ex", HashType::kTcp6},
                                                       {"udp6ex", HashType::kUdp6},
                                                       {"other", HashType::kOther}});
  return table;
}
const Vocabulary<L3Kind, kL3Kinds>& L3Codes() {
  static const Vocabulary<L3Kind, kL3Kinds> table(
      Role::kPacketL3, {{"none", L3Kind::kOther}, {"ip4", L3Kind::kIp4}, {"ip6", L3Kind::kIp6}});
  return table;
}
const Vocabulary<L4Kind, kL4Kinds>& L4Codes() {
  static const Vocabulary<L4Kind, kL4Kinds> table(Role::kPacketL4, {{"none", L4Kind::kOther},
                                                                    {"tcp", L4Kind::kTcp},
                                                                    {"udp", L4Kind::kUdp},
                                                                    {"sctp", L4Kind::kSctp}});
  return table;
}

const Vocabulary<SegmentKind, kSegmentKinds>& SegmentCodes() {
  static const Vocabulary<SegmentKind, kSegmentKinds> table(Role::kSegmentType,
                                                            {{"none", SegmentKind::kNone},
                                                             {"tcp4", SegmentKind::kTcp4},
                                                             {"tcp6", SegmentKind::kTcp6},
                                                             {"udp4", SegmentKind::kUdp4},
                                                             {"udp6", SegmentKind::kUdp6}});
  return table;
}

PacketKinds::PacketKinds() {
  struct Row {
    std::string_view name;
    L3Kind l3;
    L4Kind l4;
  };
  static constexpr Row kRows[] = {
      {"none", L3Kind::kUnknown, L4Kind::kUnknown},
      {"arp", L3Kind::kArp, L4Kind::kOther},
      {"ip4", L3Kind::kIp4, L4Kind::kOther},
      {"ip4_fragment", L3Kind::kIp4, L4Kind::kFragment},
      {"ip4_tcp", L3Kind::kIp4, L4Kind::kTcp},
      {"ip4_udp", L3Kind::kIp4, L4Kind::kUdp},
      {"ip4_sctp", L3Kind::kIp4, L4Kind::kSctp},
      {"ip4_icmp", L3Kind::kIp4, L4Kind::kIcmp},
      {"ip6", L3Kind::kIp6, L4Kind::kOther},
      {"ip6_fragment", L3Kind::kIp6, L4Kind::kFragment},
      {"ip6_tcp", L3Kind::kIp6, L4Kind::kTcp},
      {"ip6_udp", L3Kind::kIp6, L4Kind::kUdp},
      {"ip6_sctp", L3Kind::kIp6, L4Kind::kSctp},
      {"ip6_icmp", L3Kind::kIp6, L4Kind::kIcmp},
      {"other", L3Kind::kOther, L4Kind::kOther},
  };
  for (auto& row : by_kinds_) row.fill(CodeMap::kUnknown);
  for (const Row& row : kRows) {
    const auto code = layout::FindCode(Role::kPacketKind, row.name);
    if (!code.has_value() || *code >= by_code_.size()) continue;
    by_code_[*code] = {true, row.l3, row.l4};
    by_kinds_[static_cast<size_t>(row.l3)][static_cast<size_t>(row.l4)] =
        static_cast<uint8_t>(*code);
    if (row.l3 == L3Kind::kOther) other_ = static_cast<uint8_t>(*code);
  }
}

const PacketKinds& KindCodes() {
  static const PacketKinds table;
  return table;
}

}  // namespace qsplit::dataplane
