#include "cli/lease_text.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/words.h"

namespace qsplit::cli {
namespace {

// "sends 1000 packets/s in bursts of 32; sends 100 MiB/s in bursts of 1 MiB".
std::string Limit(const v1::RateLimit& limit) {
  std::vector<std::string> parts;
  if (limit.tx_packets_per_second() > 0) {
    parts.push_back(absl::StrCat("sends ", limit.tx_packets_per_second(),
                                 " packets/s in bursts of ", limit.burst_packets()));
  }
  if (limit.tx_bytes_per_second() > 0) {
    parts.push_back(absl::StrCat("sends ", Bytes(limit.tx_bytes_per_second()), "/s in bursts of ",
                                 Bytes(limit.burst_bytes())));
  }
  return absl::StrJoin(parts, "; ");
}

}  // namespace

Table LeaseTable(const v1::ListLeasesResponse& response) {
  using enum Table::Align;
  Table table({{"LEASE", kRight},
               {"DEVICE"},
               {"RX"},
               {"TX"},
               {"STATE"},
               {"RULES", kRight},
               {"FAULTS", kRight},
               {"UID", kRight},
               {"PID", kRight},
               {"PROGRAM"},
               {"AGE", kRight}});
  for (const v1::Lease& l : response.leases()) {
    table.Row({absl::StrCat(l.lease_id()), l.device(), Ranges(l.rx_queues()), Ranges(l.tx_queues()),
               Word(l.state()), absl::StrCat(l.rules_size()), absl::StrCat(l.faults()),
               absl::StrCat(l.uid()), absl::StrCat(l.pid()), l.program(), Age(l.age_ns())});
  }
  return table;
}

Sheet LeaseSheet(const v1::Lease& l) {
  Sheet sheet;
  sheet.Line("lease", absl::StrCat(l.lease_id()));
  sheet.Line("state", Word(l.state()));
  sheet.Line("device", l.device());
  sheet.Line("receive queues", Ranges(l.rx_queues()));
  sheet.Line("transmit queues", Ranges(l.tx_queues()));
  sheet.Line("in RSS", l.in_rss() ? "yes" : "no");
  sheet.Line("layout", Layout(l.layout()));
  sheet.Line("features", l.features().empty() ? "none" : absl::StrJoin(l.features(), ", "));
  sheet.Line("protection", Word(l.protection()));
  if (l.has_limit()) sheet.Line("limit", Limit(l.limit()));
  if (l.source_check() == v1::SOURCE_CHECK_ENFORCED) sheet.Line("source addresses", "checked");
  if (l.source_check() == v1::SOURCE_CHECK_NOT_ENFORCED) {
    sheet.Line("source addresses", absl::StrCat("not checked: ", l.source_check_reason()));
  }
  sheet.Line("held by", absl::StrCat(l.program(), ", pid ", l.pid(), ", uid ", l.uid(),
                                     ", session ", l.session_id()));
  sheet.Line("age", Age(l.age_ns()));
  sheet.Line("faults", absl::StrCat(l.faults()));
  sheet.Line("rules", Ranges(l.rules()));
  sheet.Line("regions", absl::StrJoin(l.region_ids(), ","));
  return sheet;
}

}  // namespace qsplit::cli
