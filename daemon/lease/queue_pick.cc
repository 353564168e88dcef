#include "daemon/lease/queue_pick.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "daemon/policy/error.h"

namespace qsplit::lease {
namespace {

using policy::Error;

std::string_view Word(const QueueWish& wish) { return wish.transmit ? "transmit" : "receive"; }
std::string Field(const QueueWish& wish, bool first) {
  const std::string_view way = wish.transmit ? "tx" : "rx";
  return first ? fmt::format("first_{}_queue", way) : fmt::format("{}_queue_count", way);
}

absl::Status NotSoMany(const QueueWish& wish, uint32_t count, size_t free) {
  return Error(v1::ERROR_REASON_NO_FREE_QUEUE, Field(wish, false), fmt::format("{}", count),
               fmt::format("{}", free),
               fmt::format("{} {} queues are wanted and {} are free; ask for fewer or try later",
                           count, Word(wish), free));
}

// Free ones, of which there are enough.
std::vector<uint32_t> PickFree(uint32_t count, std::vector<bool> taken,
                               const std::vector<bool>& last, QueueThreads threads) {
  threads.of_queue.resize(taken.size());
  const uint32_t most = *std::max_element(threads.of_queue.begin(), threads.of_queue.end());
  threads.leased.resize(std::max<size_t>(threads.leased.size(), most + size_t{1}));
  std::vector<uint32_t> queues;
  while (queues.size() < count) {
    const auto rank = [&](uint32_t queue) {
      return std::tuple(queue < last.size() && last[queue], threads.leased[threads.of_queue[queue]],
                        queue);
    };
    std::optional<decltype(rank(0))> best;
    for (uint32_t queue = 0; queue < taken.size(); ++queue) {
      if (!taken[queue] && (!best || rank(queue) < *best)) best = rank(queue);
    }
    const uint32_t queue = std::get<2>(*best);
    taken[queue] = true;
    ++threads.leased[threads.of_queue[queue]];
    queues.push_back(queue);
  }
  std::sort(queues.begin(), queues.end());
  return queues;
}

}  // namespace

absl::StatusOr<std::vector<uint32_t>> PickQueues(const QueueWish& wish,
                                                 const std::vector<bool>& taken,
                                                 const std::vector<bool>& last,
                                                 const QueueThreads& threads) {
  std::vector<uint32_t> queues;
  if (wish.count == 0) return queues;
  const auto total = static_cast<uint32_t>(taken.size());
  const auto free = static_cast<size_t>(std::count(taken.begin(), taken.end(), false));
  const uint32_t count = wish.count == kAllQueues ? total : wish.count;
  if (count > total || count == 0) {
    return Error(v1::ERROR_REASON_OUT_OF_RANGE, Field(wish, false), fmt::format("{}", count),
                 fmt::format("{}", total),
                 fmt::format("{} {} queues are wanted and the device has {}; ask for fewer", count,
                             Word(wish), total));
  }
  if (wish.first) {
    if (*wish.first >= total || count > total - *wish.first) {
      return Error(v1::ERROR_REASON_OUT_OF_RANGE, Field(wish, true), fmt::format("{}", *wish.first),
                   fmt::format("{}", total - count),
                   fmt::format("{} {} queues from {} on reach past the device's last, {}; begin at "
                               "{} or lower",
                               count, Word(wish), *wish.first, total - 1, total - count));
    }
    for (uint32_t queue = *wish.first; queue < *wish.first + count; ++queue) {
      if (taken[queue]) {
        return Error(v1::ERROR_REASON_QUEUE_TAKEN, Field(wish, true), fmt::format("{}", queue), "",
                     fmt::format("{} queue {} is taken; leave {} out for any free one", Word(wish),
                                 queue, Field(wish, true)));
      }
      queues.push_back(queue);
    }
    return queues;
  }
  if (count > free) return NotSoMany(wish, count, free);
  return PickFree(count, taken, last, threads);
}

}  // namespace qsplit::lease
