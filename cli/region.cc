// qsplit region: memory that clients registered.
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "cli/context.h"
#include "cli/table.h"
#include "cli/words.h"
#include "qsplit/v1/region.grpc.pb.h"

namespace qsplit::cli {

void AddRegionVerbs(CLI::App& app, Context& context) {
  CLI::App* object = AddObject(app, "region", "memory that clients registered for DMA");
  AddVerb(*object, context, "list", "all regions that you may see, a line each",
          "  qsplit region list\n  qsplit -p region list", [&context] {
            v1::ListRegionsRequest request;
            request.set_all(true);
            v1::ListRegionsResponse response;
            auto status = context.AskInSession(&response, [&](auto* rpc, auto* out) {
              return context.Stub<v1::RegionService>()->ListRegions(rpc, request, out);
            });
            if (!status.ok()) return status;
            if (context.wants_json()) {
              context.PrintJson(response);
              return status;
            }
            using enum Table::Align;
            Table table({{"REGION", kRight},
                         {"NAME"},
                         {"SIZE", kRight},
                         {"PAGES"},
                         {"ACCESS"},
                         {"SESSION", kRight},
                         {"UID", kRight},
                         {"LEASES"}});
            for (const v1::Region& r : response.regions()) {
              table.Row({absl::StrCat(r.region_id()), r.name().empty() ? "-" : r.name(),
                         Bytes(r.length_bytes()), Bytes(r.page_bytes()),
                         r.device_writable() ? "read-write" : "read", absl::StrCat(r.session_id()),
                         absl::StrCat(r.uid()),
                         r.lease_ids().empty() ? "-" : absl::StrJoin(r.lease_ids(), ",")});
            }
            table.Print();
            return status;
          });
}

}  // namespace qsplit::cli
