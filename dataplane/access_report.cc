#include "dataplane/access_report.h"

#include "absl/strings/str_cat.h"
#include "dataplane/burst/slot_reader.h"

namespace qsplit::dataplane {

AccessReport AccessReport::OfProcess() {
  burst::SlotReadPlan smallest;
  smallest.slot_count = 1;
  smallest.slot_bytes = 8;
  return Burst(burst::SlotReader::Create(smallest, true)->code_status());
}

std::string AccessReport::Text() const {
  switch (mode) {
    case AccessMode::kCompiled:
      return "in bursts, by machine code";
    case AccessMode::kInterpreted:
      return absl::StrCat("in bursts, interpreted: ", why_not_compiled.message());
    case AccessMode::kEngine:
      break;
  }
  return absl::StrCat("one by one: ", why_not_compiled.message());
}

}  // namespace qsplit::dataplane
