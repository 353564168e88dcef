#include "client-lib/src/tx_timestamps.h"

#include <array>

namespace qsplit::internal {

uint32_t TxTimestamps::Keep(const TxTimestamp& answer) {
  const uint32_t lost = end_ - begin_ == answers_.size() ? 1 : 0;
  begin_ += lost;
  answers_[end_++ % answers_.size()] = answer;
  return lost;
}

uint32_t TxTimestamps::Collect(dataplane::TxDriver& driver) {
  std::array<dataplane::TxTime, 32> times;
  uint32_t lost = 0;
  while (const uint32_t n = driver.TakeTimes(times)) {
    for (const dataplane::TxTime& time : std::span(times).first(n)) {
      lost += Keep({numbers_[time.cookie], time.time_ns});
    }
    waiting_ -= n;
  }
  return lost;
}

size_t TxTimestamps::Take(std::span<TxTimestamp> out) {
  size_t count = 0;
  while (count < out.size() && begin_ != end_) out[count++] = answers_[begin_++ % answers_.size()];
  return count;
}

}  // namespace qsplit::internal
