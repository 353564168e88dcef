// What TxRingBurst does without machine code: step by step of the plan, each a short loop over the
// packets (completions) of a burst.
#include <algorithm>
#include <array>
#include <bit>

#include "dataplane/barriers.h"
#include "dataplane/burst/slot_words.h"
#include "dataplane/burst/tx_ring.h"

namespace qsplit::dataplane::burst {
namespace {

constexpr uint32_t kWord = 8;

// Calls with(number_of): number_of(i) is what a part of the i-th packet from `first` on is made of.
template <typename With>
void WithNumbers(const TxRingPlan& plan, const TxRingCall& call, const TxWord::Part& part,
                 const TxPacket* packets, uint32_t first, With&& with) {
  packets += first;
  switch (part.source) {
    case TxSource::kAddress:
      return with([=](uint32_t i) { return packets[i].address.value; });
    case TxSource::kBytes:
      return with([=](uint32_t i) { return uint64_t{packets[i].bytes}; });
    case TxSource::kPrefix:
      return with([ids = call.ids - 1 - first, begin = call.prefix_iova,
                   stride = plan.prefix_stride](uint32_t i) {
        return begin + uint64_t{*(ids - i)} * stride;
      });
    case TxSource::kId:
      return with([ids = call.ids - 1 - first](uint32_t i) { return uint64_t{*(ids - i)}; });
    case TxSource::kCount:
      return with([begin = call.count + part.slot + uint64_t{first} * plan.packet_slots,
                   step = uint64_t{plan.packet_slots},
                   mask = plan.count_mask](uint32_t i) { return (begin + i * step) & mask; });
  }
}

// Word `which` of packet number i.
uint64_t WordOf(const TxRingPlan& plan, uint32_t which, const TxRingCall& call,
                const TxPacket* packets, uint32_t i, const TxRingImage& image) {
  uint64_t word = image.words[which];
  for (const TxWord::Part& part : plan.words[which].parts) {
    WithNumbers(plan, call, part, packets, i,
                [&](auto number_of) { word |= part.piece.Put(number_of(0)); });
  }
  return word;
}

// How many of the packets can be sent, up to the first that cannot.
uint32_t CountSendable(const TxRingPlan& plan, const TxRingCall& call, const TxPacket* packets,
                       uint32_t most) {
  // All of them as a rule: bits that must not be there, and the signs of differences that must not
  // be negative.
  uint64_t addresses = 0;
  int64_t differences = 0;
  const int64_t max_bytes = plan.max_bytes;
  ForColumn(most, [&](uint32_t i) {
    const int64_t bytes = packets[i].bytes;
    addresses |= packets[i].address.value;
    differences |= (bytes - 1) | (max_bytes - bytes);
  });
  if ((addresses & plan.address_not) != 0 || differences < 0) {
    uint32_t i = 0;
    while (i < most && (packets[i].address.value & plan.address_not) == 0 &&
           packets[i].bytes - 1 < plan.max_bytes) {
      ++i;
    }
    most = i;
  }
  if (!plan.has_prefix) return most;
  const uint32_t* const ids = call.ids;  // null if there are no packets
  const uint32_t* const prefixes = call.prefixes;
  const uint64_t prefix = call.prefix;
  return CountColumn(most, [=](uint32_t i) { return prefixes[*(ids - 1 - i)] == prefix; });
}

void Remember(const TxRingPlan& plan, const TxRingCall& call, const TxPacket* packets,
              uint32_t count) {
  if (plan.memory == TxMemory::kOrder) {
    uint32_t* const cookies = call.cookies;
    ForColumn(count, [=](uint32_t i) { cookies[i] = packets[i].cookie; });
  } else if (plan.memory == TxMemory::kId) {
    TxRemembered* const remembered = call.remembered;
    const uint32_t* const ids = call.ids - 1;
    const uint64_t number = call.number;
    ForColumn(count, [=](uint32_t i) { remembered[*(ids - i)] = {number, packets[i].cookie, 0}; });
  }
}

// Words in a row from this one on that are the same in all packets.
size_t SameWords(const TxRingPlan& plan, size_t which) {
  const TxWord* const words = plan.words.data();
  size_t end = which;
  while (end < plan.words.size() && words[end].parts.empty() &&
         words[end].offset == words[which].offset + kWord * (end - which)) {
    ++end;
  }
  return end - which;
}

// Returns with(get), where get(word) is what the piece is of a word.
template <typename With>
uint32_t WithGet(const Piece& piece, With&& with) {
  const uint64_t mask = piece.mask;
  const uint32_t shift = piece.shift;
  const uint32_t place = piece.place;
  if (!piece.byte_swap) return with([=](uint64_t word) { return (word >> shift & mask) << place; });
  return with([=](uint64_t word) { return (__builtin_bswap64(word) >> shift & mask) << place; });
}

// Keys of completions that have them in the word that is tested; how many pass.
template <typename Get>
uint32_t ReadKeys(const std::byte* at, size_t stride, uint64_t mask, uint64_t value, uint32_t most,
                  Get get, uint64_t* keys) {
  for (uint32_t i = 0; i < most; ++i, at += stride) {
    // Acquire: pairs with the release of the device's store.
    const auto word = LoadAcquire<uint64_t>(at);
    if ((word & mask) != value) return i;
    keys[i] = get(word);
  }
  return most;
}

}  // namespace

uint64_t TxRingBurst::Word(const TxRingPlan& plan, uint32_t which, const TxPacket& packet,
                           const TxRingCall& call, const TxRingImage& image) {
  return WordOf(plan, which, call, &packet, 0, image);
}

uint32_t TxRingBurst::PushByPlan(const TxRingPlan& plan, std::byte* slots, const TxRingCall& call,
                                 uint32_t slot, uint32_t most, const TxPacket* packets,
                                 const TxRingImage& image) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, (plan.slot_count - slot) / plan.packet_slots);
  const uint32_t done = CountSendable(plan, call, packets, most);
  if (done == 0) return 0;
  Remember(plan, call, packets, done);
  const size_t stride = size_t{plan.packet_slots} * plan.slot_bytes;
  std::byte* const at = slots + size_t{slot} * plan.slot_bytes;
  // What the first packet's held word may not be written over with.
  const bool holds = call.held != nullptr && plan.held_word != TxRingPlan::kNone;
  if (holds) *call.held = WordOf(plan, plan.held_word, call, packets, 0, image);
  for (size_t w = 0; w < plan.words.size();) {
    const TxWord& word = plan.words[w];
    const bool held = holds && w == plan.held_word;
    if (word.parts.empty()) {
      size_t same = SameWords(plan, w);
      if (held) {
        same = 1;
      } else if (holds && plan.held_word > w) {
        same = std::min<size_t>(same, plan.held_word - w);
      }
      const SlotWords to{at + word.offset, stride, done};
      StoreSame(held ? to.From(1) : to, &image.words[w], same);
      w += same;
      continue;
    }
    for (uint32_t begin = held ? 1 : 0; begin < done; begin += kColumn) {
      const SlotWords to{at + word.offset + begin * stride, stride,
                         std::min(done - begin, kColumn)};
      WordsOfPieces words(to, image.words[w], word.parts.size());
      for (const TxWord::Part& part : word.parts) {
        WithNumbers(plan, call, part, packets, begin,
                    [&](auto number_of) { words.Add(part.piece, number_of); });
      }
    }
    ++w;
  }
  if (call.report == 0 || done < most) return done;
  // The last one once more, with the report: it is not the device's yet.
  for (uint32_t left = plan.report_words; left != 0; left &= left - 1) {
    const auto w = static_cast<uint32_t>(std::countr_zero(left));
    StoreRelaxed<uint64_t>(at + (done - 1) * stride + plan.words[w].offset,
                           WordOf(plan, w, call, packets, done - 1, image) | image.report[w]);
  }
  return done;
}

uint32_t TxRingBurst::TakeByPlan(const TxDonePlan& plan, const std::byte* slots, uint32_t slot,
                                 uint32_t most, uint32_t phase, uint64_t* keys) {
  if (slot >= plan.slot_count) return 0;
  most = std::min(most, (plan.slot_count - slot) / plan.step_slots);
  const std::byte* const at = slots + size_t{slot} * plan.slot_bytes;
  const size_t stride = size_t{plan.step_slots} * plan.slot_bytes;
  // The usual key: one piece of a word that is tested too, or of which nothing is.
  const bool simple = plan.key.size() == 1 && plan.tests.size() <= 1 &&
                      (plan.tests.empty() || plan.tests[0].word == plan.key[0].word);
  if (simple) {
    const Piece key = plan.key[0];
    const std::byte* const from = at + size_t{kWord} * key.word;
    if (plan.tests.empty()) {
      return WithGet(key, [&](auto get) {
        for (uint32_t i = 0; i < most; ++i) keys[i] = get(LoadAcquire<uint64_t>(from + i * stride));
        return most;
      });
    }
    const uint64_t mask = plan.tests[0].mask;
    const uint64_t value = plan.tests[0].value[phase & 1];
    return WithGet(key,
                   [&](auto get) { return ReadKeys(from, stride, mask, value, most, get, keys); });
  }
  for (uint32_t i = 0; i < most; ++i) {
    std::array<uint64_t, kMaxWords> words;
    uint32_t loaded = 0;
    const auto load = [&](uint32_t word) {
      // Acquire: pairs with the release of the device's store; the same for those behind it.
      if ((loaded >> word & 1) == 0) {
        words[word] = LoadAcquire<uint64_t>(at + i * stride + size_t{kWord} * word);
      }
      loaded |= 1u << word;
      return words[word];
    };
    for (const TxDonePlan::Test& test : plan.tests) {
      if ((load(test.word) & test.mask) != test.value[phase & 1]) return i;
    }
    uint64_t key = 0;
    for (const Piece& piece : plan.key) key |= piece.Get(load(piece.word));
    keys[i] = key;
  }
  return most;
}

uint32_t TxRingBurst::TakeRememberedByPlan(const TxDonePlan& plan, const std::byte* slots,
                                           uint32_t slot, uint32_t most, uint32_t phase,
                                           const TxNumbers& numbers, uint32_t* cookies) {
  constexpr uint32_t kKeys = 32;  // that are looked at together
  uint64_t keys[kKeys];
  uint32_t count = 0;
  while (count < most) {
    const uint32_t wanted = std::min(most - count, kKeys);
    const uint32_t taken =
        TakeByPlan(plan, slots, slot + count * plan.step_slots, wanted, phase, keys);
    for (uint32_t i = 0; i < taken; ++i, ++count) {
      const uint64_t id = keys[i];
      if (id >= numbers.count) return count;
      TxRemembered& packet = numbers.remembered[id];
      if (packet.burst >= numbers.published) return count;
      packet.burst = TxRemembered::kNever;
      cookies[count] = packet.cookie;
      numbers.free[count] = static_cast<uint32_t>(id);
    }
    if (taken < wanted) break;
  }
  return count;
}

uint32_t TxRingBurst::TakeExpectedByPlan(const TxDonePlan& plan, const std::byte* slots,
                                         uint32_t slot, uint32_t most, const TxExpected* expected,
                                         uint32_t first, uint32_t* cookies) {
  if (slot >= plan.slot_count || first >= plan.expected_count) return 0;
  most = std::min({most, (plan.slot_count - slot) / plan.step_slots, plan.expected_count - first});
  const std::byte* at = slots + size_t{slot} * plan.slot_bytes;
  const size_t stride = size_t{plan.step_slots} * plan.slot_bytes;
  expected += first;
  const auto take = [&](auto&& key_at) {
    for (uint32_t i = 0; i < most; ++i, at += stride) {
      if (key_at(at) != expected[i].address || !expected[i].IsPacket()) return i;
      cookies[i] = expected[i].cookie;
    }
    return most;
  };
  if (plan.key.size() == 1) {
    const size_t offset = size_t{kWord} * plan.key[0].word;
    return WithGet(plan.key[0], [&](auto get) {
      return take([=](const std::byte* from) { return get(LoadAcquire<uint64_t>(from + offset)); });
    });
  }
  return take([&](const std::byte* from) {
    uint64_t key = 0;
    for (const Piece& piece : plan.key) {
      key |= piece.Get(LoadAcquire<uint64_t>(from + size_t{kWord} * piece.word));
    }
    return key;
  });
}

}  // namespace qsplit::dataplane::burst
