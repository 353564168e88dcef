// The policy that a configuration's tenants make. Pure; any thread.
#ifndef QSPLIT_DAEMON_POLICY_OF_CONFIG_H_
#define QSPLIT_DAEMON_POLICY_OF_CONFIG_H_

#include <memory>

#include "absl/status/statusor.h"
#include "daemon/config/config.h"
#include "daemon/policy/policy.h"

namespace qsplit::daemon {

// Whoever no tenant lists may read and lease nothing.
absl::StatusOr<std::shared_ptr<const policy::Policy>> PolicyOf(const config::Config& config);

}  // namespace qsplit::daemon

#endif  // QSPLIT_DAEMON_POLICY_OF_CONFIG_H_
