/* Rules that have not changed for a while, as constants in the program's code: a copy of the
 * program is made for them, and in it a plain packet (steering_plain.h) meets a few compares and
 * jumps, as in one that a person writes for these rules. What a rule does not ask for is no code at
 * all: the kernel's verifier takes out what the constants make unreachable.
 *
 * They hold for one generation of steering_memory.h's rules. While `generation` there is another
 * one, packets go the general way, by a call, so that a change of the rules needs no new program at
 * once.
 *
 * C and C++ alike. In the kernel, STEERING_CONSTANT is an instruction that loads a mark and the
 * member's place; the daemon writes the value into it before the program is loaded
 * (xdp_loaded.cc). On this machine it is the member.
 */
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_CONSTANTS_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_CONSTANTS_H_

#include "daemon/backend/af_xdp/bpf/steering_plain.h"

enum { kSteeringConstantRules = 8 };

/* A rule over the words of a plain packet. No words: it takes each. */
struct SteeringConstantRule {
  __u64 mask[kPlainWords];
  __u64 value[kPlainWords]; /* no bits outside of the mask */
  __u64 counter; /* byte of struct SteeringCounts where the rule is counted; 0: no rule */
  __u64 action;
};

/* Words of 64 bits only. */
struct SteeringConstants {
  __u64 generation; /* of the rules; not 0 */
  __u64 catch_all;  /* not 0: rules[0] takes each packet, plain or not */
  __u64 rules_used;
  __u64 any_protocol; /* not 0: a rule takes packets without a look at their protocol */
  struct SteeringConstantRule rules[kSteeringConstantRules]; /* by ascending location */
};

/* In the upper half of what a mark loads; the lower half is the index of a word. */
#define STEERING_CONSTANT_MARK 0x71735f63ull

#ifdef __bpf__
/* `volatile`: loaded where it is wanted, not kept in a register for all who want it. */
#define STEERING_CONSTANT(constants, member)                                       \
  (__extension__({                                                                 \
    __u64 loaded;                                                                  \
    (void)(constants);                                                             \
    asm volatile("%0 = %1 ll"                                                      \
                 : "=r"(loaded)                                                    \
                 : "i"(STEERING_CONSTANT_MARK << 32 |                              \
                       __builtin_offsetof(struct SteeringConstants, member) / 8)); \
    loaded;                                                                        \
  }))

/* Whether it is 0. The branch for 0 begins with an instruction that is no other way's, so that the
 * verifier, which knows the constant, sees that one of two ways is nobody's and takes out the jump.
 */
#define STEERING_IS_ZERO(constants, member)                                                \
  (__extension__({                                                                         \
    int is_zero = 0;                                                                       \
    if (STEERING_CONSTANT(constants, member) == 0) asm volatile("%0 = 1" : "=r"(is_zero)); \
    is_zero;                                                                               \
  }))
#else
#define STEERING_CONSTANT(constants, member) ((constants)->member)
#define STEERING_IS_ZERO(constants, member) ((constants)->member == 0)
#endif

/* Whether a word of a plain packet is what a rule wants. */
#define STEERING_WORD_FITS(constants, plain, rule, word)                            \
  (STEERING_IS_ZERO(constants, rules[rule].mask[word]) ||                           \
   ((plain)->words[word] & STEERING_CONSTANT(constants, rules[rule].mask[word])) == \
       STEERING_CONSTANT(constants, rules[rule].value[word]))

#define STEERING_IS_NO_RULE(constants, rule) STEERING_IS_ZERO(constants, rules[rule].counter)

/* Whether rule number `rule`, a literal, takes a plain packet. */
#define STEERING_TAKES(constants, plain, rule)      \
  (STEERING_WORD_FITS(constants, plain, rule, 3) && \
   STEERING_WORD_FITS(constants, plain, rule, 2) && \
   STEERING_WORD_FITS(constants, plain, rule, 1) && STEERING_WORD_FITS(constants, plain, rule, 0))

/* Does `visit(rule)` for each rule that there may be. */
#define STEERING_EACH_CONSTANT_RULE(visit) \
  visit(0) visit(1) visit(2) visit(3) visit(4) visit(5) visit(6) visit(7)

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_CONSTANTS_H_ */
