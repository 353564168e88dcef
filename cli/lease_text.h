// Leases as `qsplit lease` prints them. Pure functions.
#ifndef QSPLIT_CLI_LEASE_TEXT_H_
#define QSPLIT_CLI_LEASE_TEXT_H_

#include "cli/table.h"
#include "qsplit/v1/lease.pb.h"

namespace qsplit::cli {

// A line each.
Table LeaseTable(const v1::ListLeasesResponse& response);
// One in full.
Sheet LeaseSheet(const v1::Lease& lease);

}  // namespace qsplit::cli

#endif  // QSPLIT_CLI_LEASE_TEXT_H_
