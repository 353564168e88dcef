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

}  // namespace qsplit::dataplane
