// How a queue's descriptors are read and written: for people who ask why a queue is as fast as it
// is.
//
// A plain value; any thread.
#ifndef QSPLIT_DATAPLANE_ACCESS_REPORT_H_
#define QSPLIT_DATAPLANE_ACCESS_REPORT_H_

#include <cstdint>
#include <string>

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
  // Where bursts can do it, but only by code, and there is none.
  static AccessReport EngineFor(const absl::Status& code) { return {AccessMode::kEngine, code}; }
  static AccessReport Burst(const absl::Status& code) {
    return {code.ok() ? AccessMode::kCompiled : AccessMode::kInterpreted, code};
  }
  // What plans come to in this process: kCompiled, or kInterpreted and what forbids machine code.
  // Generates a few bytes of it to find out: when a program starts, or a queue is opened.
  static AccessReport OfProcess();

  // For people: "in bursts, by machine code"; else "in bursts, interpreted: " or "one by one: ",
  // and why.
  std::string Text() const;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_ACCESS_REPORT_H_
