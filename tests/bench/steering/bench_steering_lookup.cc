// The software NIC's look-up of steering rules beside DPDK's librte_hash and librte_acl: the same
// 1,024 rules, the same random keys, in one run. The NIC looks up one at a time, which is put
// beside DPDK's one at a time and 32 at a time.
//
//   bench_steering_lookup [--quick] [--rows]
//
// exact: rules of whole 5-tuples. mixed: prefixes of addresses, whole ports, masks of ports and any
// port, of TCP and of UDP, overlapping, by priority. Half of the keys were made to match some rule,
// half are random. Both sides' verdicts for each key are compared with each other, and with a
// search through all rules, before anything is measured. ns for each key, medians of 9 runs that
// take turns (--quick: 3); +-: half of the spread between the quartiles, in percent. --rows: lines
// for scripts/bench.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "daemon/backend/softnic/flow_table.h"
#include "tests/bench/command_line.h"
#include "tests/bench/processor.h"
#include "tests/bench/runs.h"
#include "tests/bench/steering/dpdk_tables.h"

namespace {

using namespace qsplit;  // NOLINT
using bench::FiveTuple;
using bench::kNoRule;
using bench::Runs;
using bench::TupleRule;
using Clock = std::chrono::steady_clock;

constexpr uint32_t kRules = 1024;
constexpr size_t kKeys = 4096;
constexpr size_t kBurst = 32;
constexpr uint8_t kTcp = 6;
constexpr uint8_t kUdp = 17;

using Random = std::mt19937_64;

FiveTuple RandomTuple(Random& random) {
  return {random() % 2 == 0 ? kTcp : kUdp, static_cast<uint32_t>(random()),
          static_cast<uint32_t>(random()), static_cast<uint16_t>(random()),
          static_cast<uint16_t>(random())};
}

FiveTuple And(const FiveTuple& a, const FiveTuple& b) {
  return {static_cast<uint8_t>(a.protocol & b.protocol), a.src_ip & b.src_ip, a.dst_ip & b.dst_ip,
          static_cast<uint16_t>(a.src_port & b.src_port),
          static_cast<uint16_t>(a.dst_port & b.dst_port)};
}

bool Equal(const FiveTuple& a, const FiveTuple& b) {
  return a.protocol == b.protocol && a.src_ip == b.src_ip && a.dst_ip == b.dst_ip &&
         a.src_port == b.src_port && a.dst_port == b.dst_port;
}

constexpr FiveTuple kAll{0xff, 0xffffffff, 0xffffffff, 0xffff, 0xffff};

uint32_t Prefix(uint32_t bits) { return bits == 0 ? 0 : ~uint32_t{0} << (32 - bits); }

FiveTuple MixedMask(Random& random) {
  constexpr uint32_t kPrefixes[] = {0, 8, 16, 20, 24, 24, 28, 32, 32};
  constexpr uint16_t kPorts[] = {0, 0, 0xffff, 0xffff, 0xfff0, 0xff00};
  FiveTuple mask;
  mask.protocol = 0xff;
  do {
    mask.src_ip = Prefix(kPrefixes[random() % std::size(kPrefixes)]);
    mask.dst_ip = Prefix(kPrefixes[random() % std::size(kPrefixes)]);
  } while (std::max(mask.src_ip, mask.dst_ip) < Prefix(16));
  mask.src_port = kPorts[random() % 3];
  mask.dst_port = kPorts[random() % std::size(kPorts)];
  return mask;
}

std::vector<TupleRule> Rules(bool exact, Random& random) {
  std::vector<TupleRule> rules;
  for (uint32_t i = 0; i < kRules; ++i) {
    TupleRule rule{i, RandomTuple(random), exact ? kAll : MixedMask(random)};
    // Some lie inside of one before or behind it.
    if (!exact && i > 0 && random() % 4 == 0) rule.value = rules[random() % i].value;
    rule.value = And(rule.value, rule.mask);
    rules.push_back(rule);
  }
  return rules;
}

std::vector<FiveTuple> Keys(const std::vector<TupleRule>& rules, Random& random) {
  std::vector<FiveTuple> keys;
  for (size_t i = 0; i < kKeys; ++i) {
    FiveTuple key = RandomTuple(random);
    if (i % 2 == 0) {
      const TupleRule& rule = rules[random() % rules.size()];
      const FiveTuple rest{static_cast<uint8_t>(~rule.mask.protocol), ~rule.mask.src_ip,
                           ~rule.mask.dst_ip, static_cast<uint16_t>(~rule.mask.src_port),
                           static_cast<uint16_t>(~rule.mask.dst_port)};
      const FiveTuple other = And(key, rest);
      key = {static_cast<uint8_t>(rule.value.protocol | other.protocol),
             rule.value.src_ip | other.src_ip, rule.value.dst_ip | other.dst_ip,
             static_cast<uint16_t>(rule.value.src_port | other.src_port),
             static_cast<uint16_t>(rule.value.dst_port | other.dst_port)};
    }
    keys.push_back(key);
  }
  std::shuffle(keys.begin(), keys.end(), random);
  return keys;
}

device::FlowKey ToFlow(const FiveTuple& tuple) {
  device::FlowKey key;
  const auto put = [](uint32_t address, uint8_t* to) {
    for (int i = 0; i < 4; ++i) to[i] = static_cast<uint8_t>(address >> (24 - 8 * i));
  };
  key.l4_protocol = tuple.protocol;
  put(tuple.src_ip, key.src_ip.data());
  put(tuple.dst_ip, key.dst_ip.data());
  key.src_port = tuple.src_port;
  key.dst_port = tuple.dst_port;
  return key;
}

// As packets are parsed: what rules of IPv4 flow types ask for is there.
device::FlowKey PacketKey(const FiveTuple& tuple) {
  device::FlowKey key = ToFlow(tuple);
  key.ether_type = 0x0800;
  key.ip_version = 4;
  key.has_ports = 1;
  key.l4_bytes = uint32_t{tuple.src_port} << 16 | tuple.dst_port;
  return key;
}

std::vector<device::FlowRule> ToFlow(const std::vector<TupleRule>& rules) {
  std::vector<device::FlowRule> flow;
  for (const TupleRule& rule : rules) {
    device::FlowRule to;
    to.location = rule.location;
    to.match.value = ToFlow(rule.value);
    to.match.mask = ToFlow(rule.mask);
    to.match.value.ip_version = 4;
    to.match.mask.ip_version = 0xff;
    if (rule.mask.src_port != 0 || rule.mask.dst_port != 0) {
      to.match.value.has_ports = 1;
      to.match.mask.has_ports = 0xff;
    }
    to.action.queue = rule.location;
    flow.push_back(to);
  }
  return flow;
}

uint32_t Search(const std::vector<TupleRule>& rules, const FiveTuple& key) {
  for (const TupleRule& rule : rules) {
    if (Equal(And(key, rule.mask), rule.value)) return rule.location;
  }
  return kNoRule;
}

// One side.
struct Side {
  using Answer = const softnic::FlowTable::Entry*;
  softnic::FlowTable table;
  std::vector<device::FlowKey> keys;

  void LookupEach(Answer* answers) const {
    for (size_t i = 0; i < keys.size(); ++i) answers[i] = &table.Find(keys[i]);
  }
  static uint32_t LocationOf(Answer answer) { return answer->location; }
};

template <typename F>
void Time(Clock::duration least, F&& all_keys, Runs* to) {
  const Clock::time_point begin = Clock::now();
  Clock::time_point end = begin;
  size_t keys = 0;
  while (end < begin + least) {
    all_keys();
    keys += kKeys;
    end = Clock::now();
  }
  to->values.push_back(std::chrono::duration<double, std::nano>(end - begin).count() /
                       static_cast<double>(keys));
}

void Print(bool rows, const std::string& rules, const std::string& how, const std::string& against,
           const Runs& ours, const Runs& theirs) {
  const Runs ratio = ours.Over(theirs);
  if (rows) {
    std::printf(
        "Steering, 1,024 rules, %s, beside %s, %s\t%.2f\tns/key\tthat %.2f ns; spread %.1f%%, "
        "%.1f%%\t%.3f\t\t%.3f to %.3f\n",
        rules.c_str(), against.c_str(), how.c_str(), ours.Median(), theirs.Median(),
        ours.SpreadPercent(), theirs.SpreadPercent(), ratio.Median(), ratio.Least(), ratio.Most());
  } else {
    std::printf("%-6s %-34s %8.2f +-%.1f%%   %-8s %8.2f +-%.1f%%   %.2fx\n", rules.c_str(),
                how.c_str(), ours.Median(), ours.SpreadPercent(), against.c_str(), theirs.Median(),
                theirs.SpreadPercent(), ratio.Median());
  }
  std::fflush(stdout);
}

bool Agree(const std::vector<TupleRule>& rules, const std::vector<FiveTuple>& keys,
           const std::vector<uint32_t>& found, const char* who) {
  size_t hits = 0;
  for (size_t i = 0; i < keys.size(); ++i) {
    const uint32_t expected = Search(rules, keys[i]);
    hits += expected != kNoRule;
    if (found[i] == expected) continue;
    std::fprintf(stderr, "bench_steering_lookup: %s finds rule %u for key %zu, which is %u's\n",
                 who, found[i], i, expected);
    return false;
  }
  return hits != 0 && hits != keys.size();
}

bool Compare(const char* name, const std::vector<TupleRule>& rules, bench::DpdkTable* theirs,
             const char* against, Random& random, const bench::CommandLine& line) {
  if (theirs == nullptr) {
    std::fprintf(stderr, "bench_steering_lookup: %s refuses the rules\n", against);
    return false;
  }
  const std::vector<FiveTuple> keys = Keys(rules, random);
  Side ours{softnic::FlowTable(ToFlow(rules)), {}};
  std::vector<bench::DpdkKey> their_keys;
  for (const FiveTuple& key : keys) {
    ours.keys.push_back(PacketKey(key));
    their_keys.push_back(bench::KeyOf(key));
  }
  // Each side's answers as it gives them; what they mean is not timed.
  std::vector<Side::Answer> answers(kKeys);
  std::vector<uint32_t> their_answers(kKeys);
  const auto each = [&] { ours.LookupEach(answers.data()); };
  const auto their_each = [&] { theirs->LookupEach(their_keys, their_answers.data()); };
  const auto their_bursts = [&] { theirs->LookupBursts(their_keys, their_answers.data()); };
  bool agree = true;
  const auto check = [&](auto& lookup, auto& given, const auto& side, const char* who) {
    lookup();
    std::vector<uint32_t> found;
    found.reserve(given.size());
    for (const auto answer : given) found.push_back(side.LocationOf(answer));
    agree = Agree(rules, keys, found, who) && agree;
  };
  check(each, answers, ours, "the software NIC");
  check(their_each, their_answers, *theirs, against);
  check(their_bursts, their_answers, *theirs, against);
  if (!agree) return false;
  Runs one, their_one, their_many;
  const std::chrono::milliseconds least(line.quick ? 5 : 40);
  for (int run = 0; run < line.Runs(); ++run) {
    Time(least, each, &one);
    Time(least, their_each, &their_one);
    Time(least, their_bursts, &their_many);
  }
  Print(line.rows, name, "one by one", against, one, their_one);
  // What the NIC does, beside what theirs is meant for.
  Print(line.rows, name, "one by one beside its bursts of 32", against, one, their_many);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  const bench::CommandLine line(argc, argv);
  if (!bench::StartDpdk()) return 1;
  bench::RunOn(0);
  Random random(1);
  const std::vector<TupleRule> exact = Rules(true, random);
  const std::vector<TupleRule> mixed = Rules(false, random);
  const auto hash = bench::MakeDpdkHash(exact);
  const auto exact_acl = bench::MakeDpdkAcl(exact);
  const auto mixed_acl = bench::MakeDpdkAcl(mixed);
  if (!line.rows) {
    std::printf("%s; bursts of rte_acl: %s; ns/key\n%-6s %-34s %8s          %-8s\n",
                bench::DpdkVersion().c_str(), mixed_acl ? mixed_acl->Method().c_str() : "none",
                "rules", "keys", "softnic", "DPDK");
  }
  bool good = Compare("exact", exact, hash.get(), "rte_hash", random, line);
  good = Compare("exact", exact, exact_acl.get(), "rte_acl", random, line) && good;
  good = Compare("mixed", mixed, mixed_acl.get(), "rte_acl", random, line) && good;
  return good ? 0 : 1;
}
