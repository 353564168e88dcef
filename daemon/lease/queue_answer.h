// What a walk to a queue (queue_walk.h) comes to in one line, and what of it another look is to be
// compared with.
//
// It judges the present. What was counted so far says little about it: a caller who hands back the
// sample of an earlier look hears of what has come since. Pure functions; any thread.
#ifndef QSPLIT_DAEMON_LEASE_QUEUE_ANSWER_H_
#define QSPLIT_DAEMON_LEASE_QUEUE_ANSWER_H_

#include <span>
#include <string>

#include "daemon/device/device.h"
#include "daemon/lease/queue_walk.h"
#include "qsplit/v1/queue.pb.h"

namespace qsplit::lease {

// What is wrong and what to do, or that nothing is.
std::string AnswerOf(const QueueFacts& facts, std::span<const device::QueueCheck> checks);

// For QueueFacts::since of the next look.
v1::QueueSample SampleOf(const QueueFacts& facts, std::span<const device::QueueCheck> checks);

}  // namespace qsplit::lease

#endif  // QSPLIT_DAEMON_LEASE_QUEUE_ANSWER_H_
