#include "daemon/backend/softnic/run_choice.h"

#include <algorithm>
#include <bit>
#include <iterator>
#include <numeric>

namespace qsplit::softnic {
namespace {

constexpr size_t kSlotsForRunRule = 4;
// Parts of a key's bytes that bits in common are found by, and how many of them at most.
constexpr uint8_t kPieces[] = {0xff, 0xf0};
constexpr size_t kMostPieces = 4;
constexpr uint64_t kTriedSeeds = 4;
// First tables that are tried, of up to so many rules.
constexpr size_t kTriedOfFewRules = 6;
constexpr size_t kFewRules = 2048;

// What a search takes, about, in tenths of ns.
struct SearchCosts {
  size_t tables;      // any at all
  size_t table_word;  // each of them, for each word of a key
  size_t few_bits;    // a bitmap of up to 512 rules
  size_t many_bits;   // up to 1,024

  size_t OfTables(size_t count, size_t words) const { return tables + count * words * table_word; }
  size_t OfBitmap(size_t rules) const {
    constexpr size_t kMany = 1024;
    const size_t last = rules % kMany;
    const size_t of_last = last > kMany / 2 ? many_bits : few_bits;
    return rules / kMany * many_bits + (last == 0 ? 0 : of_last);
  }
};

SearchCosts CostsWith(SearchRegisters registers) {
  switch (registers) {
    case SearchRegisters::kWidest:
      return {23, 10, 110, 165};
    case SearchRegisters::kUpTo256:
      return {20, 16, 110, 165};
    default:
      return {200, 45, 230, 430};
  }
}

// Rules that have no table yet, and how many of them one would hold.
template <size_t kWords>
class RunSearch {
 public:
  RunSearch(uint64_t seed, std::span<const PackedRule> rules, size_t wanted_run)
      : seed_(seed), rules_(rules), wanted_run_(wanted_run), left_(rules.size()) {
    std::iota(left_.begin(), left_.end(), 0u);
  }

  // So many sets of bits that place most rules, the best first: found piece by piece, each added to
  // those that are best so far.
  std::vector<FlowWords> Best(size_t count) {
    Begin();
    std::vector<Tried> best;
    FlowWords path{};
    size_t most = 0;
    for (size_t pieces = 0; pieces < kMostPieces; ++pieces) {
      const std::vector<uint32_t> candidates = With(path);
      FlowWords next = path;
      for (size_t byte = 0; byte < kWords * sizeof(uint64_t); ++byte) {
        for (const uint8_t piece : kPieces) {
          FlowWords bits = path;
          bits[byte / 8] |= uint64_t{piece} << byte % 8 * 8;
          const size_t no_more = best.size() < count ? 0 : best.back().placed;
          const size_t placed = bits == path ? 0 : Placed(candidates, bits, wanted_run_, no_more);
          if (placed == 0) continue;
          Keep({BitsOfAllWith(bits), placed}, count, &best);
          if (placed <= most) continue;
          most = placed;
          next = bits;
        }
      }
      if (next == path) break;
      path = next;
    }
    std::vector<FlowWords> sets;
    sets.reserve(best.size());
    for (const Tried& tried : best) sets.push_back(tried.bits);
    // Nothing but rules that compare no whole piece.
    if (sets.empty()) sets.push_back(BitsOfAllWith({}));
    return sets;
  }
  // Takes the rules that these bits place. With seeds by which few rules of different bits meet:
  // who is left behind costs a table.
  RunChoice::Table Take(const FlowWords& bits) {
    Begin();
    const std::vector<uint32_t> with = With(bits);
    FlowWords best = seeds_;
    size_t most = 0;
    for (uint64_t i = 0; i < kTriedSeeds && most < with.size(); ++i) {
      seeds_ = SeedsOf(seed_ + i);
      const size_t placed = Placed(with, bits, RunTable::kRun, most);
      if (placed <= most) continue;
      most = placed;
      best = seeds_;
    }
    seeds_ = best;
    RunChoice::Table table{bits, seeds_, counts_.size(), {}};
    std::fill(counts_.begin(), counts_.end(), 0);
    std::erase_if(left_, [&](uint32_t number) {
      const PackedRule& rule = rules_[number];
      if (!Has(rule, bits) || CountOf(rule, bits) == RunTable::kRun) return false;
      ++CountOf(rule, bits);
      table.rules.push_back(number);
      return true;
    });
    return table;
  }
  const std::vector<uint32_t>& left() const { return left_; }

 private:
  struct Tried {
    FlowWords bits;
    size_t placed;
  };

  void Begin() {
    counts_.assign(std::bit_ceil(kSlotsForRunRule * left_.size()), 0);
    seeds_ = SeedsOf(seed_);
  }
  static void Keep(const Tried& tried, size_t count, std::vector<Tried>* best) {
    const auto same = std::find_if(best->begin(), best->end(),
                                   [&](const Tried& other) { return other.bits == tried.bits; });
    if (same != best->end()) {
      if (same->placed >= tried.placed) return;
      best->erase(same);
    }
    const auto behind = std::find_if(best->begin(), best->end(), [&](const Tried& other) {
      return other.placed < tried.placed;
    });
    best->insert(behind, tried);
    if (best->size() > count) best->pop_back();
  }
  bool Has(const PackedRule& rule, const FlowWords& bits) const {
    uint64_t missing = 0;
    ForWords<kWords>([&](size_t i) { missing |= bits[i] & ~rule.mask[i]; });
    return missing == 0;
  }
  uint16_t& CountOf(const PackedRule& rule, const FlowWords& bits) {
    return counts_[HashOfWords<kWords>(seeds_, [&](size_t i) { return rule.value[i] & bits[i]; }) &
                   (counts_.size() - 1)];
  }
  std::vector<uint32_t> With(const FlowWords& bits) const {
    std::vector<uint32_t> with;
    std::copy_if(left_.begin(), left_.end(), std::back_inserter(with),
                 [&](uint32_t number) { return Has(rules_[number], bits); });
    return with;
  }
  // How many of the candidates these bits place, in runs of so many; 0: no more than `no_more`.
  size_t Placed(std::span<const uint32_t> candidates, const FlowWords& bits, size_t most_in_run,
                size_t no_more) {
    if (candidates.size() <= no_more) return 0;
    size_t may_miss = candidates.size() - no_more;
    size_t placed = 0;
    std::fill(counts_.begin(), counts_.end(), 0);
    for (const uint32_t number : candidates) {
      const PackedRule& rule = rules_[number];
      if (Has(rule, bits)) {
        uint16_t& count = CountOf(rule, bits);
        if (count < most_in_run) {
          ++count;
          ++placed;
          continue;
        }
      }
      if (--may_miss == 0) return 0;
    }
    return placed;
  }
  // All bits that rules with these ones compare: more of them tell more rules apart.
  FlowWords BitsOfAllWith(const FlowWords& bits) const {
    FlowWords all{};
    ForWords<kWords>([&](size_t i) { all[i] = UINT64_MAX; });
    for (const uint32_t number : With(bits)) {
      ForWords<kWords>([&](size_t i) { all[i] &= rules_[number].mask[i]; });
    }
    return all;
  }
  const uint64_t seed_;
  const std::span<const PackedRule> rules_;
  const size_t wanted_run_;
  std::vector<uint32_t> left_;
  FlowWords seeds_{};
  std::vector<uint16_t> counts_;  // by slot: rules placed
};

template <size_t kWords>
RunChoice ChooseRunsOf(uint64_t seed, std::span<const PackedRule> rules, const SearchCosts& costs) {
  RunChoice best;
  best.rest.resize(rules.size());
  std::iota(best.rest.begin(), best.rest.end(), 0u);
  size_t lowest = costs.OfBitmap(rules.size());
  // What places most may leave behind what nothing places together: some are tried to the end.
  const size_t tried_count = rules.size() <= kFewRules ? kTriedOfFewRules : 1;
  for (const size_t wanted_run : {RunTable::kRun / 2, RunTable::kRun}) {
    const RunSearch<kWords> begin(seed, rules, wanted_run);
    for (const FlowWords& first : RunSearch<kWords>(begin).Best(tried_count)) {
      RunSearch<kWords> search = begin;
      std::vector<RunChoice::Table> tables;
      while (!search.left().empty() && costs.OfTables(tables.size() + 1, kWords) < lowest) {
        tables.push_back(search.Take(tables.empty() ? first : search.Best(1).front()));
        const size_t cost =
            costs.OfTables(tables.size(), kWords) + costs.OfBitmap(search.left().size());
        if (cost >= lowest) continue;
        lowest = cost;
        best = {tables, search.left()};
      }
    }
  }
  return best;
}

}  // namespace

RunChoice ChooseRuns(size_t words, uint64_t seed, std::span<const PackedRule> rules,
                     SearchRegisters registers) {
  const SearchCosts costs = CostsWith(registers);
  switch (words) {
    case 2:
      return ChooseRunsOf<2>(seed, rules, costs);
    case 4:
      return ChooseRunsOf<4>(seed, rules, costs);
    case 6:
      return ChooseRunsOf<6>(seed, rules, costs);
    default:
      return ChooseRunsOf<8>(seed, rules, costs);
  }
}

}  // namespace qsplit::softnic
