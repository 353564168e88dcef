#include "qsplit/queue_access.h"

#include "client-lib/src/public_access.h"

namespace qsplit {

static_assert(static_cast<int>(AccessMode::kOneByOne) ==
              static_cast<int>(dataplane::AccessMode::kEngine));
static_assert(static_cast<int>(AccessMode::kInterpreted) ==
              static_cast<int>(dataplane::AccessMode::kInterpreted));
static_assert(static_cast<int>(AccessMode::kCompiled) ==
              static_cast<int>(dataplane::AccessMode::kCompiled));

std::string QueueAccess::text() const {
  return dataplane::AccessReport{static_cast<dataplane::AccessMode>(mode), why_not_compiled}.Text();
}

namespace internal {

QueueAccess PublicAccess(const dataplane::AccessReport& report) {
  return {static_cast<AccessMode>(report.mode), report.why_not_compiled};
}

}  // namespace internal
}  // namespace qsplit
