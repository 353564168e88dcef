// qsplit lease: who holds which queues.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/usage.h"
#include "cli/words.h"
#include "qsplit/v1/admin.grpc.pb.h"
#include "qsplit/v1/lease.grpc.pb.h"

namespace qsplit::cli {
namespace {

absl::Status List(Context& context, v1::ListLeasesResponse* response) {
  v1::ListLeasesRequest request;
  request.set_all(true);
  return context.AskInSession(response, [&](auto* rpc, auto* out) {
    return context.Stub<v1::LeaseService>()->ListLeases(rpc, request, out);
  });
}

void PrintLeases(const v1::ListLeasesResponse& response) {
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
  table.Print();
}

void PrintLease(const v1::Lease& l) {
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
  sheet.Line("held by", absl::StrCat(l.program(), ", pid ", l.pid(), ", uid ", l.uid(),
                                     ", session ", l.session_id()));
  sheet.Line("age", Age(l.age_ns()));
  sheet.Line("faults", absl::StrCat(l.faults()));
  sheet.Line("rules", Ranges(l.rules()));
  sheet.Line("regions", absl::StrJoin(l.region_ids(), ","));
  sheet.Print();
}

}  // namespace

void AddLeaseVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "lease", "who holds which queues");

  AddVerb(*object, context, "list", "all leases that you may see, a line each",
          "  qsplit lease list\n  qsplit -j lease list | jq '.leases[] | {lease_id, pid}'",
          [&context] {
            v1::ListLeasesResponse response;
            auto status = List(context, &response);
            if (!status.ok()) return status;
            context.wants_json() ? context.PrintJson(response) : PrintLeases(response);
            return status;
          });

  auto shown = std::make_shared<uint64_t>(0);
  AddVerb(*object, context, "show", "one lease in full", "  qsplit lease show 3",
          [&context, shown] {
            v1::ListLeasesResponse response;
            auto status = List(context, &response);
            if (!status.ok()) return status;
            for (const v1::Lease& lease : response.leases()) {
              if (lease.lease_id() != *shown) continue;
              context.wants_json() ? context.PrintJson(lease) : PrintLease(lease);
              return absl::OkStatus();
            }
            return absl::NotFoundError(absl::StrCat(
                "there is no lease ", *shown, " that you may see; `qsplit lease list` shows them"));
          })
      ->add_option("LEASE", *shown, "the lease's number")
      ->required()
      ->check(WholeNumber());

  auto revoked = std::make_shared<uint64_t>(0);
  AddVerb(*object, context, "revoke", "take a lease back at once (needs policy's admin)",
          "  qsplit lease revoke 3",
          [&context, revoked] {
            v1::RevokeLeaseRequest request;
            request.set_lease_id(*revoked);
            v1::RevokeLeaseResponse response;
            auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::AdminService>()->RevokeLease(rpc, request, out);
            });
            if (status.ok() && context.wants_json()) context.PrintJson(response);
            return status;
          })
      ->add_option("LEASE", *revoked, "the lease's number")
      ->required()
      ->check(WholeNumber());
}

}  // namespace qsplit::cli
