// How a queue's descriptors are read and written: for people who ask why a queue is as fast as it
// is.
//
// A plain value; any thread.
#ifndef QSPLIT_DATAPLANE_ACCESS_REPORT_H_
#define QSPLIT_DATAPLANE_ACCESS_REPORT_H_

#include <cstdint>

#include "absl/status/status.h"

namespace qsplit::dataplane {

enum class AccessMode : uint8_t {
  // Each descriptor by the engine that knows every case of the layout.
  kEngine = 0,
  // The common case in bursts, as a plan says that is interpreted.
  kInterpreted,
  // The common case in bursts, by machine code made of that plan.
  kCompiled,
};

struct AccessReport {
  AccessMode mode = AccessMode::kEngine;
  // Why it is not kCompiled; OK for kCompiled.
  absl::Status why_not_compiled;

  static AccessReport Engine() {
    return {AccessMode::kEngine,
            absl::UnimplementedError("this layout's common case is not one that bursts can do")};
  }
  static AccessReport Burst(const absl::Status& code) {
    return {code.ok() ? AccessMode::kCompiled : AccessMode::kInterpreted, code};
  }
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_ACCESS_REPORT_H_
