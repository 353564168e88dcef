// DPDK's rte_hash and rte_acl with the same rules, behind an interface without its headers.
//
// Start once for the process; needs neither hugepages nor privilege. One thread.
#ifndef QSPLIT_TESTS_BENCH_STEERING_DPDK_TABLES_H_
#define QSPLIT_TESTS_BENCH_STEERING_DPDK_TABLES_H_

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tests/bench/steering/five_tuple.h"

namespace qsplit::bench {

// False: DPDK does not start here; it said why on stderr.
bool StartDpdk();
std::string DpdkVersion();

// A key as DPDK's examples (l3fwd) hold it: in network byte order.
struct alignas(16) DpdkKey {
  uint8_t bytes[16] = {};  // protocol, 3 of padding, addresses, ports
};
DpdkKey KeyOf(const FiveTuple& tuple);

class DpdkTable {
 public:
  virtual ~DpdkTable() = default;
  // DPDK's answer for each of the keys in turn: one call for each key, or one for every 32.
  virtual void LookupEach(std::span<const DpdkKey> keys, uint32_t* answers) = 0;
  virtual void LookupBursts(std::span<const DpdkKey> keys, uint32_t* answers) = 0;
  // What it means: a location or kNoRule.
  virtual uint32_t LocationOf(uint32_t answer) const = 0;
  // How it looks up bursts, in DPDK's words; empty: it has one way.
  virtual std::string Method() const { return {}; }
};

// rte_hash: rules that compare everything. Its default hash function. Null: it refused.
std::unique_ptr<DpdkTable> MakeDpdkHash(std::span<const TupleRule> rules);
// rte_acl, with the widest of its methods that the processor has: the fastest for bursts of 32; by
// itself it looks up fewer than some together by its scalar one. Null: it refused.
std::unique_ptr<DpdkTable> MakeDpdkAcl(std::span<const TupleRule> rules);

}  // namespace qsplit::bench

#endif  // QSPLIT_TESTS_BENCH_STEERING_DPDK_TABLES_H_
