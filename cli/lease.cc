// qsplit lease: who holds which queues.
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "cli/context.h"
#include "cli/lease_text.h"
#include "cli/usage.h"
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

}  // namespace

void AddLeaseVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "lease", "who holds which queues");

  AddVerb(*object, context, "list", "all leases that you may see, a line each",
          "  qsplit lease list\n  qsplit -j lease list | jq '.leases[] | {lease_id, pid}'",
          [&context] {
            v1::ListLeasesResponse response;
            auto status = List(context, &response);
            if (!status.ok()) return status;
            context.wants_json() ? context.PrintJson(response) : LeaseTable(response).Print();
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
              context.wants_json() ? context.PrintJson(lease) : LeaseSheet(lease).Print();
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
