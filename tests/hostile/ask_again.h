// What a client does that a busy device turns away: asks again. A device is busy for longer than
// the daemon waits where others load the machine, or where somebody keeps its thread.
//
// Any thread.
#ifndef QSPLIT_TESTS_HOSTILE_ASK_AGAIN_H_
#define QSPLIT_TESTS_HOSTILE_ASK_AGAIN_H_

#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace qsplit::testing {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& value) {
  return value.status();
}

// Calls until the answer is another than UNAVAILABLE, for 10 s. Counts those in `busy`.
template <typename Call>
auto AskAgain(Call&& call, uint64_t& busy) {
  const absl::Time until = absl::Now() + absl::Seconds(10);
  while (true) {
    auto answer = call();
    if (!absl::IsUnavailable(StatusOf(answer)) || absl::Now() > until) return answer;
    ++busy;
    absl::SleepFor(absl::Milliseconds(5));
  }
}

// Of a release: busy is as good as done, for the daemon goes on by itself.
inline absl::Status OkIfBusy(absl::Status status, uint64_t& busy) {
  if (!absl::IsUnavailable(status)) return status;
  ++busy;
  return absl::OkStatus();
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_HOSTILE_ASK_AGAIN_H_
