/* The XDP program of a netdev whose queues are leased and whose NIC cannot steer.
 *
 *   packet --> key --> rules --> dropped, passed to the kernel, sent back, or the queue's socket
 *
 * Two programs: qsplit_steering finds the rules in a table, and so follows each change at once. Copies
 * of qsplit_steering_constants are made for rules that stay (steering_constants.h).
 *
 * Packets come from outside and may be anything. Rules and owners come from the daemon alone. A packet
 * that no rule takes passes as it came; of one that is sent back the two MAC addresses change places
 * and nothing else. An AF_XDP socket takes only what arrived on the queue that it is bound to, so that
 * a rule's queue stands for its lease: another queue of the same lease that a packet came in by
 * delivers it too.
 *
 * Built with the headers of the kernel's interface alone. Needs Linux 5.18 (bpf_xdp_load_bytes).
 */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

#include "daemon/backend/af_xdp/bpf/steering_constants.h"
#include "daemon/backend/af_xdp/bpf/steering_frame.h"
#include "daemon/backend/af_xdp/bpf/steering_key.h"
#include "daemon/backend/af_xdp/bpf/steering_memory.h"
#include "daemon/backend/af_xdp/bpf/steering_plain.h"
#include "daemon/backend/af_xdp/bpf/steering_search.h"

enum { kAttempts = 4 };

/* The only variable, so the whole of the map ".bss": code has its address, and looks nothing up. */
struct SteeringMemory qs_memory;

struct {
  __uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
  __uint(max_entries, 1);
  __type(key, __u32);
  __type(value, struct SteeringCounts);
} qs_counts SEC(".maps");

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 1); /* the daemon makes it the netdev's receive queues */
  __type(key, __u32);
  __type(value, __u32);
} qs_sockets SEC(".maps");

/* Keeps loads in their order. */
static __always_inline void LoadsInOrder(void) {
#ifdef QSPLIT_LOADS_STAY_IN_ORDER /* the machine does it */
  asm volatile("" ::: "memory");
#else
  /* Of the instructions of kernels before 6.15 only the atomic ones that fetch are barriers. */
  __u64 cell = 0;
  __sync_val_compare_and_swap(&cell, 0, 1);
  asm volatile("" : : "r"(&cell) : "memory");
#endif
}

static __always_inline void Count(struct SteeringCount *count, __u32 bytes) {
  count->packets += 1;
  count->bytes += bytes;
}

/* Functions that are not static are verified once, each for itself, instead of once for each way that
 * leads to them. */
__noinline int KeyOfPacket(struct xdp_md *context, __u32 bytes, union SteeringKey *key) {
  const struct SteeringFrame frame = {context};
  if (!key) return 0;
  return KeyOfFrame(&frame, bytes, &key->fields);
}

static __always_inline const struct SteeringTable *TableNow(__u64 *generation) {
  *generation = *(const volatile __u64 *)&qs_memory.generation;
  LoadsInOrder();
  return &qs_memory.tables[*generation & 1];
}

/* Whether what was found in the table is of that generation, all of it. */
static __always_inline int Still(const struct SteeringTable *table, __u64 generation) {
  LoadsInOrder();
  return *(const volatile __u64 *)&table->generation == generation;
}

/* 0: the rules changed under each attempt. */
__noinline int Search(struct SteeringSearch *search) {
  if (!search) return 0;
  for (int i = 0; i < kAttempts; ++i) {
    __u64 generation = 0;
    const struct SteeringTable *table = TableNow(&generation);
    SearchTable(table, search);
    if (Still(table, generation)) return 1;
  }
  return 0;
}

static __always_inline int SendBack(struct xdp_md *context) {
  __u16 *at = (void *)(long)context->data;
  if ((void *)(at + 6) > (void *)(long)context->data_end) return 0;
#pragma unroll
  for (int i = 0; i < 3; ++i) {
    const __u16 half = at[i];
    at[i] = at[i + 3];
    at[i + 3] = half;
  }
  return 1;
}

static __always_inline __u64 OwnerOf(__u32 queue) {
  barrier_var(queue); /* or the compiler merges two checks into one that the verifier cannot read */
  if (queue >= kSteeringQueues) return 0;
  return *(const volatile __u64 *)&qs_memory.owners[queue];
}

/* A packet's end but for a socket. */
static __always_inline int End(struct SteeringCounts *counts, enum SteeringReason reason,
                               __u32 bytes, int verdict) {
  Count(&counts->reasons[reason], bytes);
  return verdict;
}

static __always_inline int Deliver(struct xdp_md *context, struct SteeringCounts *counts,
                                   __u32 wanted, __u32 bytes) {
  const __u32 arrived = context->rx_queue_index;
  if (wanted != arrived) {
    const __u64 owner = OwnerOf(wanted);
    if (owner == 0 || owner != OwnerOf(arrived)) {
      return End(counts, kSteeringPassedWrongQueue, bytes, XDP_PASS);
    }
  }
  if (arrived >= kSteeringQueues ||
      bpf_redirect_map(&qs_sockets, arrived, XDP_PASS) != XDP_REDIRECT) {
    return End(counts, kSteeringPassedNoSocket, bytes, XDP_PASS);
  }
  Count(&counts->queues[arrived], bytes);
  return XDP_REDIRECT;
}

static __always_inline int Follow(struct xdp_md *context, struct SteeringCounts *counts,
                                  __u32 action, __u32 bytes) {
  if (action < STEERING_REFLECT) return Deliver(context, counts, action, bytes);
  if (action == STEERING_DROP) return End(counts, kSteeringDroppedByRule, bytes, XDP_DROP);
  if (action == STEERING_REFLECT && SendBack(context)) {
    return End(counts, kSteeringSentBack, bytes, XDP_TX);
  }
  return End(counts, kSteeringPassedByRule, bytes, XDP_PASS);
}

/* What a packet met. */
struct Met {
  __u32 bytes;    /* the packet's */
  __u32 location; /* the rule's; STEERING_NONE: no rule takes it */
  __u32 action;
};

/* A plain packet, if the first group decides: it costs no call, whose return is mispredicted where
 * the kernel guards returns. 0: any other one. */
static __always_inline int MeetPlain(const struct SteeringFrame *frame, struct Met *met) {
  struct SteeringPlain plain;
  __u64 key[kSteeringKeyWords];
  __u64 generation = 0;
  if (!ReadPlain(frame, &plain)) return 0;
  const struct SteeringTable *table = TableNow(&generation);
  met->bytes = plain.bytes;
  KeyOfPlain(&plain, key);
  return SearchFirstGroup(table, key, &met->location, &met->action) && Still(table, generation);
}

/* Any packet. Its reason if there is one already, else kSteeringReasons. */
static __always_inline enum SteeringReason MeetAny(const struct SteeringFrame *frame,
                                                   struct Met *met) {
  union SteeringKey key = {};
  struct SteeringSearch search = {};
  met->bytes = FrameBytes(frame);
  if (!KeyOfPacket(frame->context, met->bytes, &key)) return kSteeringDroppedMalformed;
  __builtin_memcpy(search.key, key.words, sizeof search.key);
  if (!Search(&search)) return kSteeringPassedInChange;
  met->location = search.location;
  met->action = search.action;
  return kSteeringReasons;
}

static __always_inline struct SteeringCounts *Counts(void) {
  const __u32 zero = 0;
  return bpf_map_lookup_elem(&qs_counts, &zero);
}

static __always_inline int ByTable(struct xdp_md *context) {
  const struct SteeringFrame frame = {context};
  struct SteeringCounts *counts = Counts();
  struct Met met;
  if (!counts) return XDP_PASS;
  if (!MeetPlain(&frame, &met)) {
    const enum SteeringReason reason = MeetAny(&frame, &met);
    if (reason == kSteeringDroppedMalformed) return End(counts, reason, met.bytes, XDP_DROP);
    if (reason == kSteeringPassedInChange) return End(counts, reason, met.bytes, XDP_PASS);
  }
  if (met.location >= kSteeringRules) {
    return End(counts, kSteeringPassedNoRule, met.bytes, XDP_PASS);
  }
  Count(&counts->rules[met.location], met.bytes);
  return Follow(context, counts, met.action, met.bytes);
}

SEC("xdp.frags")
int qsplit_steering(struct xdp_md *context) { return ByTable(context); }

/* The same behind a call, for who seldom wants it: it takes no register and no stack of theirs. */
__noinline int SteerByTable(struct xdp_md *context) { return ByTable(context); }

/* Follows one of the rules that are constants. */
#define FOLLOW_CONSTANT(rule, bytes)                                                           \
  ({                                                                                           \
    Count((void *)counts + STEERING_CONSTANT(0, rules[rule].counter), bytes);                  \
    Follow(context, counts, (__u32)STEERING_CONSTANT(0, rules[rule].action), bytes);           \
  })

/* Which steers a plain packet, or any whose length is known if one rule takes all, by rules that are
 * constants of it while they are the ones that hold. */
SEC("xdp.frags")
/* The kernel cuts its name: it has the same as the other one for who looks at a netdev. */
int qsplit_steering_constants(struct xdp_md *context) {
  const struct SteeringFrame frame = {context};
  struct SteeringCounts *counts = Counts();
  struct SteeringPlain plain;
  if (!counts) return XDP_PASS;
  if (STEERING_CONSTANT(0, generation) != *(const volatile __u64 *)&qs_memory.generation) {
    return SteerByTable(context);
  }
  if (!STEERING_IS_ZERO(0, catch_all)) {
    const __u32 bytes = KnownBytes(&frame);
    return bytes == 0 ? SteerByTable(context) : FOLLOW_CONSTANT(0, bytes);
  }
  if (!ReadPlainIp4(&frame, &plain)) return SteerByTable(context);
  /* Where each rule asks for a protocol itself, TCP's or UDP's, who is taken has one of them. */
  if (!STEERING_IS_ZERO(0, any_protocol) && !IsTcpOrUdp(&plain)) return SteerByTable(context);
#define TRY(rule)                                                                    \
  if (STEERING_IS_NO_RULE(0, rule)) goto none;                                       \
  if (STEERING_TAKES(0, &plain, rule)) return FOLLOW_CONSTANT(rule, plain.bytes);
  STEERING_EACH_CONSTANT_RULE(TRY)
#undef TRY
none:
  if (STEERING_IS_ZERO(0, any_protocol) && !IsTcpOrUdp(&plain)) return SteerByTable(context);
  return End(counts, kSteeringPassedNoRule, plain.bytes, XDP_PASS);
}

/* What stands in the map of sockets for the queue whose number is the packet's first word: user space
 * cannot read that map. Never attached, only run by the daemon. */
SEC("xdp")
int qsplit_probe(struct xdp_md *context) {
  const __u32 *number = (void *)(long)context->data;
  if ((void *)(number + 1) > (void *)(long)context->data_end) return XDP_ABORTED;
  const __u32 queue = *number;
  const struct bpf_xdp_sock *socket = bpf_map_lookup_elem(&qs_sockets, &queue);
  if (!socket) return kSteeringNoSocket;
  return socket->queue_id == queue ? kSteeringSocketOfQueue : kSteeringSocketOfAnotherQueue;
}
