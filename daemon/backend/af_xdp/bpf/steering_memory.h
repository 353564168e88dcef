/* What the daemon and the steering program share: rules in the form in which packets meet them, and
 * who holds which queue.
 *
 *   daemon (the one writer)  --- mapping --->  struct SteeringMemory  <---  XDP program, every CPU
 *
 * Only the daemon and the kernel reach these bytes; no client does. C and C++ alike.
 *
 * There are two tables. The one of generation g is tables[g % 2]. A change is written whole into
 * the other one, whose own generation is 0 meanwhile, and then published by `generation`. Whoever
 * has matched a packet looks at the table's generation once more: another one means that the table
 * was being rewritten, and the match is made again. So a packet meets all of a change or nothing of
 * it.
 *
 * A table is a tuple space: a group for each mask in use, by ascending lowest location. A group's
 * rules hang in a chain, or in a power of two of chains that a hash of the masked key chooses from.
 * Where few rules have not changed for a while, most packets meet them as constants of the program
 * instead: steering_constants.h.
 */
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_MEMORY_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_MEMORY_H_

#include <linux/types.h>

enum {
  kSteeringRules = 1024,   /* also the locations, 0 and up, and the masks at most */
  kSteeringChains = 4096,  /* a power of two; four for each rule at most */
  kSteeringChainRules = 8, /* in one chain at most */
  kSteeringShortGroup = 3, /* a group of so many rules is one chain */
  kSteeringQueues = 1000,  /* of a netdev at most */
  kSteeringKeyWords = 8,
};

/* Actions besides a queue's number, as device::FlowAction has them. */
#define STEERING_DROP 0xffffffffu
#define STEERING_PASS 0xfffffffeu
#define STEERING_REFLECT 0xfffffffdu
/* No rule, no chain. */
#define STEERING_NONE 0xffffffffu

struct SteeringRule {
  __u64 value[kSteeringKeyWords]; /* no bits outside of its group's mask */
  __u32 location;
  __u32 action; /* a receive queue, or one of those above */
  __u32 next;   /* in its chain: an index into rules, or STEERING_NONE */
  __u32 reserved;
};

struct SteeringGroup {
  __u64 mask[kSteeringKeyWords];
  __u32 lowest_location;
  __u32 first;  /* chains == 0: a rule's index. Else the first of its chains */
  __u32 chains; /* 0, or a power of two */
  __u32 reserved;
};

struct SteeringTable {
  __u64 generation; /* 0: being written */
  __u64 seed;       /* of the hash */
  __u32 groups_used;
  __u32 rules_used;
  __u32 chains_used;
  __u32 reserved;
  struct SteeringGroup groups[kSteeringRules];
  struct SteeringRule rules[kSteeringRules];
  __u32 chains[kSteeringChains]; /* a rule's index, or STEERING_NONE */
};

struct SteeringMemory {
  __u64 generation;
  struct SteeringTable tables[2];
  __u64 owners[kSteeringQueues]; /* the lease that holds a queue; 0: none */
};

/* What became of a packet that went to no socket; what did is counted by queue. */
enum SteeringReason {
  kSteeringPassedNoRule,
  kSteeringPassedByRule,
  kSteeringPassedWrongQueue, /* it came on a queue that is not the lease's */
  kSteeringPassedNoSocket,
  kSteeringPassedInChange, /* the rules changed under each of several attempts */
  kSteeringDroppedByRule,
  kSteeringDroppedMalformed, /* shorter than an Ethernet header */
  kSteeringSentBack,
  kSteeringReasons,
};

struct SteeringCount {
  __u64 packets;
  __u64 bytes; /* without frame check sequences */
};

/* Of one CPU. What each has fits into what the kernel allots to a CPU at once, 32 KiB. */
struct SteeringCounts {
  struct SteeringCount reasons[kSteeringReasons];
  struct SteeringCount rules[kSteeringRules];   /* by location */
  struct SteeringCount queues[kSteeringQueues]; /* what went to a queue's socket */
};

/* What the probe finds in the map of sockets. */
enum SteeringProbe {
  kSteeringNoSocket = 1,
  kSteeringSocketOfQueue,
  kSteeringSocketOfAnotherQueue,
};

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_MEMORY_H_ */
