/* The rule of the lowest location that matches a key: softnic::FlowTable's search, over the table
 * of steering_memory.h.
 *
 * In C and C++, for the kernel and for this machine. It never reads outside of the table, whatever
 * stands in it.
 */
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_SEARCH_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_SEARCH_H_

#include "daemon/backend/af_xdp/bpf/steering_frame.h"
#include "daemon/backend/af_xdp/bpf/steering_memory.h"

struct SteeringSearch {
  __u64 key[kSteeringKeyWords];
  __u32 location; /* the lowest one until now; STEERING_NONE: none */
  __u32 action;   /* that rule's */
};

STEERING_INLINE __u32 SteeringHash(const __u64* masked, __u64 seed) {
  __u64 hash = seed;
  for (int i = 0; i < kSteeringKeyWords; ++i) {
    hash = ((hash << 23 | hash >> 41) ^ masked[i]) * 0x9e3779b97f4a7c15u;
  }
  return (__u32)(hash >> 32);
}

/* The rule of a group that matches a key; 0: none does. */
STEERING_INLINE const struct SteeringRule* RuleOfGroup(const struct SteeringTable* table,
                                                       const struct SteeringGroup* group,
                                                       const __u64* key) {
  __u64 masked[kSteeringKeyWords];
#pragma GCC unroll 8
  for (int i = 0; i < kSteeringKeyWords; ++i) masked[i] = key[i] & group->mask[i];
  __u32 at = group->first;
  if (group->chains != 0) {
    at += SteeringHash(masked, table->seed) & (group->chains - 1);
    at = table->chains[at & (kSteeringChains - 1)];
  }
  for (int i = 0; i < kSteeringChainRules && at < kSteeringRules; ++i) {
    const struct SteeringRule* rule = &table->rules[at];
    STEERING_ONCE(rule);
    __u64 different = 0;
#pragma GCC unroll 8
    for (int word = 0; word < kSteeringKeyWords; ++word) {
      different |= masked[word] ^ rule->value[word];
    }
    if (different == 0) return rule;
    at = rule->next;
  }
  return 0;
}

/* Looks into group `number`. 1: nothing better can follow. */
STEERING_INLINE long SearchGroup(const struct SteeringTable* table, __u32 number,
                                 struct SteeringSearch* search) {
  if (number >= kSteeringRules) return 1;
  const struct SteeringGroup* group = &table->groups[number];
  if (search->location < group->lowest_location) return 1;
  const struct SteeringRule* rule = RuleOfGroup(table, group, search->key);
  if (rule && rule->location < search->location) {
    search->location = rule->location;
    search->action = rule->action;
  }
  return 0;
}

/* The same as SearchTable with no call, where the first group decides: often it is the only one. 0:
 * it does not. */
STEERING_INLINE int SearchFirstGroup(const struct SteeringTable* table, const __u64* key,
                                     __u32* location, __u32* action) {
  const __u32 groups = table->groups_used;
  const struct SteeringRule* rule = 0;
  *location = STEERING_NONE;
  *action = STEERING_PASS;
  if (groups != 0) rule = RuleOfGroup(table, &table->groups[0], key);
  if (rule) {
    *location = rule->location;
    *action = rule->action;
  }
  return groups <= 1 || *location < table->groups[1].lowest_location;
}

struct SteeringVisit {
  const struct SteeringTable* table;
  struct SteeringSearch* search;
};

static inline long VisitGroup(__u32 number, void* context) {
  const struct SteeringVisit* const visit = (const struct SteeringVisit*)context;
  return SearchGroup(visit->table, number, visit->search);
}

/* Finds search->location and ->action for search->key. */
STEERING_INLINE void SearchTable(const struct SteeringTable* table, struct SteeringSearch* search) {
  struct SteeringVisit visit = {table, search};
  __u32 groups = table->groups_used;
  if (groups > kSteeringRules) groups = kSteeringRules;
  search->location = STEERING_NONE;
  Repeat(groups, VisitGroup, &visit);
}

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_SEARCH_H_ */
