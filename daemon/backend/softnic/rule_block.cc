#include "daemon/backend/softnic/rule_block.h"

#include <algorithm>
#include <bit>
#include <map>
#include <random>
#include <utility>

namespace qsplit::softnic {
namespace {

using Bits = RuleBlock::Bits;
using Bytes = std::array<uint8_t, sizeof(FlowWords)>;

// Sums of steps of bytes that share lines: more would fall out of the nearest cache.
constexpr size_t kMostShared = 64;
// Keys by which it is found out which bytes tell rules apart, and how many of them may be wrong: to
// look at all bytes after all takes as long as to look at some more for 16 keys.
constexpr size_t kSamples = 128;
constexpr size_t kMostWrong = kSamples / 16;

uint8_t ByteOf(const FlowWords& words, size_t at) { return std::bit_cast<Bytes>(words)[at]; }

Bits And(const Bits& a, const Bits& b) {
  Bits both;
  for (size_t i = 0; i < both.size(); ++i) both[i] = a[i] & b[i];
  return both;
}

size_t CountOf(const Bits& bits) {
  size_t count = 0;
  for (const uint64_t word : bits) count += static_cast<size_t>(std::popcount(word));
  return count;
}

size_t LowestOf(const Bits& bits) {
  size_t at = 0;
  while (at < bits.size() && bits[at] == 0) ++at;
  return at == bits.size() ? 64 * at : 64 * at + static_cast<size_t>(std::countr_zero(bits[at]));
}

// How one byte tells rules apart: the classes of its values, and what each leaves of the rules.
struct Classes {
  uint32_t offset = 0;
  std::array<uint8_t, 256> of_value{};
  std::vector<Bits> left;

  Classes(std::span<const RuleBlock::Rule> rules, uint32_t at) : offset(at) {
    Bits any{};
    std::vector<Bits> by_value(256);
    for (size_t rule = 0; rule < rules.size(); ++rule) {
      const uint8_t mask = ByteOf(rules[rule].mask, at);
      const uint8_t value = ByteOf(rules[rule].value, at) & mask;
      const uint64_t bit = uint64_t{1} << rule % 64;
      if (mask == 0) {
        any[rule / 64] |= bit;
        continue;
      }
      // Each value that differs from the rule's in bits only that are not compared.
      const uint32_t free = static_cast<uint8_t>(~mask);
      for (uint32_t other = free;; other = (other - 1) & free) {
        by_value[value | other][rule / 64] |= bit;
        if (other == 0) break;
      }
    }
    std::map<Bits, uint8_t> seen;
    for (size_t value = 0; value < by_value.size(); ++value) {
      for (size_t i = 0; i < any.size(); ++i) by_value[value][i] |= any[i];
      const auto [place, fresh] =
          seen.try_emplace(by_value[value], static_cast<uint8_t>(left.size()));
      if (fresh) left.push_back(by_value[value]);
      of_value[value] = place->second;
    }
  }
};

// Bytes that share lines, and the lines' bits. The sum of their steps says which of them.
struct Shared {
  std::vector<RuleBlock::Byte> bytes;
  std::vector<Bits> left;

  void Add(const Classes& next) {
    RuleBlock::Byte& byte = bytes.emplace_back();
    byte.offset = next.offset;
    for (size_t value = 0; value < byte.step.size(); ++value) {
      byte.step[value] = static_cast<uint32_t>(next.of_value[value] * left.size());
    }
    std::vector<Bits> joined;
    for (const Bits& of_class : next.left) {
      for (const Bits& before : left) joined.push_back(And(of_class, before));
    }
    left = std::move(joined);
  }
  const Bits& Of(const Bytes& key) const {
    size_t sum = 0;
    for (const RuleBlock::Byte& byte : bytes) sum += byte.step[key[byte.offset]];
    return left[sum];
  }
};

std::vector<Shared> Share(std::span<const RuleBlock::Rule> rules) {
  std::vector<Classes> all;
  for (uint32_t at = 0; at < sizeof(FlowWords); ++at) {
    const bool compared = std::any_of(rules.begin(), rules.end(), [&](const RuleBlock::Rule& rule) {
      return ByteOf(rule.mask, at) != 0;
    });
    if (compared) all.emplace_back(rules, at);
  }
  std::stable_sort(all.begin(), all.end(), [](const Classes& a, const Classes& b) {
    return a.left.size() < b.left.size();
  });
  Bits everything{};
  for (size_t i = 0; i < rules.size(); ++i) everything[i / 64] |= uint64_t{1} << i % 64;
  std::vector<Shared> parts;
  for (const Classes& next : all) {
    if (parts.empty() || parts.back().left.size() * next.left.size() > kMostShared) {
      parts.push_back({{}, {everything}});
    }
    parts.back().Add(next);
  }
  // Rules that compare nothing.
  if (parts.empty()) parts.push_back({{RuleBlock::Byte{}}, {everything}});
  return parts;
}

// Keys of which half are made for a rule, and half have each byte of some other rule's.
std::vector<Bytes> Samples(std::span<const RuleBlock::Rule> rules) {
  std::minstd_rand random(1);
  const auto any = [&] { return static_cast<size_t>(random()) % rules.size(); };
  std::vector<Bytes> keys;
  for (size_t i = 0; i < kSamples; ++i) {
    const size_t mine = any();
    Bytes& key = keys.emplace_back();
    for (size_t at = 0; at < key.size(); ++at) {
      const RuleBlock::Rule& rule = rules[i % 2 == 0 ? mine : any()];
      const uint8_t mask = ByteOf(rule.mask, at);
      key[at] = static_cast<uint8_t>((ByteOf(rule.value, at) & mask) | (random() >> 8 & ~mask));
    }
  }
  return keys;
}

// Sorts parts by how many rules each leaves behind those before it. How many of them tell which is
// the lowest, for all keys but a few.
size_t SortByTelling(std::span<const RuleBlock::Rule> rules, std::vector<Shared>* parts) {
  const std::vector<Bytes> keys = Samples(rules);
  std::vector<size_t> lowest;
  for (const Bytes& key : keys) {
    Bits all = parts->front().Of(key);
    for (const Shared& part : *parts) all = And(all, part.Of(key));
    lowest.push_back(LowestOf(all));
  }
  std::vector<Bits> left(keys.size());
  for (Bits& bits : left) bits.fill(UINT64_MAX);
  for (auto at = parts->begin(); at != parts->end(); ++at) {
    size_t fewest = SIZE_MAX;
    auto best = at;
    for (auto part = at; part != parts->end(); ++part) {
      size_t count = 0;
      for (size_t i = 0; i < keys.size(); ++i) count += CountOf(And(left[i], part->Of(keys[i])));
      if (count >= fewest) continue;
      fewest = count;
      best = part;
    }
    std::iter_swap(at, best);
    size_t wrong = 0;
    for (size_t i = 0; i < keys.size(); ++i) {
      left[i] = And(left[i], at->Of(keys[i]));
      wrong += LowestOf(left[i]) != lowest[i];
    }
    if (wrong <= kMostWrong) return static_cast<size_t>(at - parts->begin()) + 1;
  }
  return parts->size();
}

}  // namespace

RuleBlock::RuleBlock(std::span<const Rule> from)
    : line_count(from.size() > kMostRules / 2 ? 2 : 1), rules(1) {
  rules.insert(rules.end(), from.begin(), from.end());
  std::vector<Shared> shared = Share(from);
  const size_t telling_parts = SortByTelling(from, &shared);
  for (size_t at = 0; at < shared.size(); ++at) {
    const Shared& part = shared[at];
    const size_t first = lines.size() * sizeof(Line);
    for (const Byte& byte : part.bytes) {
      Byte& to = bytes.emplace_back(byte);
      to.goes_on = &byte != &part.bytes.back();
      for (uint32_t& step : to.step) {
        step *= static_cast<uint32_t>(line_count * sizeof(Line));
        if (&byte == &part.bytes.front()) step += static_cast<uint32_t>(first);
      }
    }
    if (at < telling_parts) telling_bytes = bytes.size();
    for (const Bits& left : part.left) {
      for (size_t i = 0; i < line_count; ++i) {
        std::copy_n(left.begin() + static_cast<std::ptrdiff_t>(i * kLineWords), kLineWords,
                    lines.emplace_back().words.begin());
      }
    }
  }
}

}  // namespace qsplit::softnic
