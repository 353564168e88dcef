#include "tests/unit/burst/random_ring_plans.h"

#include <algorithm>
#include <cstring>

namespace qsplit::dataplane::burst::testing {
namespace {

constexpr uint32_t kWord = 8;
constexpr uint32_t kPrefixWords = 2;

// Bits of a word that carry numbers.
uint64_t BitsOf(const std::vector<Piece>& pieces, uint32_t word) {
  uint64_t bits = 0;
  for (const Piece& piece : pieces) {
    if (piece.word == word) bits |= piece.Put(~uint64_t{0});
  }
  return bits;
}

// A number without two pieces in the same bits.
std::vector<Piece> DisjointPieces(uint32_t bits, uint32_t words, Random& random) {
  for (;;) {
    std::vector<Piece> pieces = RandomPieces(bits, words, random);
    std::vector<uint64_t> taken(words);
    const bool disjoint = std::all_of(pieces.begin(), pieces.end(), [&](const Piece& piece) {
      const uint64_t put = piece.Put(~uint64_t{0});
      const bool free = (taken[piece.word] & put) == 0;
      taken[piece.word] |= put;
      return free;
    });
    if (disjoint) return pieces;
  }
}

void AddKey(RxRingPlan* plan, Random& random) {
  plan->key = static_cast<RxRingPlan::Key>(random() % 3);
  if (plan->key == RxRingPlan::Key::kNone) return;
  const uint32_t bits = plan->key == RxRingPlan::Key::kNumber ? 6 + random() % 27 : 64;
  plan->key_pieces = DisjointPieces(bits, plan->prefix_word, random);
  plan->key_inside = random() % 2 == 0;
  for (uint32_t w = 0; w < plan->prefix_word; ++w) {
    WordTest& test = plan->record.tests[w];
    test.mask &= ~BitsOf(plan->key_pieces, w);
    test.value &= test.mask;
    if (BitsOf(plan->key_pieces, w) != 0) plan->record.words |= 1u << w;
  }
}

void AddPosting(RxRingPlan* plan, Random& random) {
  plan->posts = random() % 8 != 0;
  const uint32_t words = 1 + random() % kMaxWords;
  plan->post_slot_bytes = kWord * words;
  plan->post_words = 1 + random() % words;
  for (uint32_t w = 0; w < plan->post_words; ++w) {
    if (random() % 2 == 0) plan->image[w] = random() % 2 == 0 ? random.Wide() : random();
    if (random() % 3 == 0) plan->image_phase[w] = random.Wide() & random.Wide();
  }
  plan->address = RandomAddress(plan->post_words, random, &plan->max_address);
  plan->max_length = UINT32_MAX;
  // Buffers that are all of one size do not say it.
  if (plan->buffer_bytes == 0 && random() % 4 != 0) {
    const uint32_t bits = 12 + random() % 21;
    plan->length = RandomPieces(bits, plan->post_words, random);
    plan->max_length = static_cast<uint32_t>((uint64_t{1} << bits) - 1);
  }
  if (random() % 2 == 0) plan->number = RandomPieces(6 + random() % 11, plan->post_words, random);
  if (random() % 2 == 0) plan->alignment_mask = (uint64_t{1} << random() % 12) - 1;
  plan->words_stay = random() % 2 == 0;
  plan->holds = random() % 2 == 0;
  plan->handover_word = random() % plan->post_words;
}

}  // namespace

RxRingPlan RandomRxRingPlan(Random& random) {
  RxRingPlan plan;
  const bool has_prefix = random() % 3 == 0;
  const uint32_t words = 1 + random() % (kMaxWords - kPrefixWords);
  plan.slot_count = 1 + random() % 40;
  plan.slot_bytes = kWord * words;
  plan.record = RandomRecord(has_prefix ? words + kPrefixWords : words, random);
  // Lengths and offsets are told by the completion itself.
  plan.record.length = RandomPieces(1 + random() % 32, words, random);
  if (random() % 3 == 0) plan.record.offset = RandomPieces(1 + random() % 8, words, random);
  plan.record.Finish();
  plan.prefix_word = has_prefix ? words : kMaxWords;
  if (has_prefix) {
    plan.prefix_bytes = kWord * kPrefixWords - (random() % 2 == 0 ? kWord / 2 : 0);
  } else if (random() % 3 == 0) {
    plan.prefix_bytes = random() % 128;
  }
  plan.first_word = random() % words;
  plan.buffer_count = 1 + random() % 40;
  plan.keeps_address = random() % 2 == 0;
  plan.keeps_memory = has_prefix || random() % 2 == 0;
  plan.needs_memory = has_prefix;
  if (random() % 2 == 0) plan.buffer_bytes = 1 + random() % 4096;
  const uint32_t prefix_word = plan.prefix_word;
  plan.prefix_word = words;  // where keys may stand
  AddKey(&plan, random);
  plan.prefix_word = prefix_word;
  for (uint32_t w = 0; w < words; ++w) {
    if (w == plan.first_word) plan.record.tests[w].mask |= ~BitsOf(plan.key_pieces, w) & 0x8001;
    if (random() % 2 == 0) plan.record_phase[w] = random.Wide() & plan.record.tests[w].mask;
  }
  plan.record.words |= 1u << plan.first_word;
  AddPosting(&plan, random);
  return plan;
}

std::vector<RxBuffer> RandomBuffers(const RxRingPlan& plan, size_t count, Random& random) {
  std::vector<RxBuffer> buffers(count);
  for (RxBuffer& buffer : buffers) {
    buffer.address = Iova(RandomAddressUpTo(plan.max_address, plan.alignment_mask, random));
    buffer.bytes = plan.buffer_bytes != 0 ? plan.buffer_bytes : 1 + random() % 4000;
    if (random() % 32 == 0) buffer.bytes = random();
    buffer.cookie = random();
    buffer.memory = reinterpret_cast<std::byte*>(static_cast<uintptr_t>(random.Wide()));
    if (random() % 32 == 0) buffer.memory = nullptr;
  }
  return buffers;
}

RxRingMemory RandomMemory(const RxRingPlan& plan, uint32_t slot, uint32_t buffer, uint32_t phase,
                          Random& random) {
  RxRingMemory memory;
  memory.prefixes.resize(size_t{kPrefixWords} * plan.buffer_count + 1);  // one may be moved
  const auto word_for = [&](uint32_t w, uint64_t turn) {
    const WordTest& test = plan.record.tests[w];
    const uint64_t word = random() % 4 == 0 ? 0 : random.Wide();
    return random() % 64 == 0 ? word : (word & ~test.mask) | (test.value ^ turn);
  };
  memory.posted = RandomBuffers(plan, plan.buffer_count, random);
  for (uint32_t b = 0; b < plan.buffer_count; ++b) {
    if (random() % 2 == 0) memory.posted[b].bytes = UINT32_MAX;
    uint64_t* const prefix = &memory.prefixes[size_t{kPrefixWords} * b];
    memory.posted[b].memory = reinterpret_cast<std::byte*>(prefix);
    if (random() % 32 == 0) memory.posted[b].memory += 1 + random() % 7;
    for (uint32_t w = 0; w < kPrefixWords && plan.prefix_word != kMaxWords; ++w) {
      prefix[w] = word_for(plan.prefix_word + w, 0);
    }
  }
  const uint32_t words = plan.slot_bytes / kWord;
  memory.ring.resize(size_t{plan.slot_count} * plan.slot_bytes);
  for (uint32_t s = 0; s < plan.slot_count; ++s) {
    // Of the buffer that stands as far behind the oldest one as this slot behind the first.
    const uint64_t number = uint64_t{buffer} + s - slot;
    uint64_t key = number;
    if (plan.key == RxRingPlan::Key::kAddress && number < plan.buffer_count) {
      key = memory.posted[number].address.value;
      if (random() % 2 == 0) key += random() % 8;
    }
    if (random() % 32 == 0) key ^= 1;
    for (uint32_t w = 0; w < words; ++w) {
      uint64_t word = word_for(w, phase != 0 ? plan.record_phase[w] : 0);
      word &= ~BitsOf(plan.key_pieces, w);
      for (const Piece& piece : plan.key_pieces) {
        if (piece.word == w) word |= piece.Put(key);
      }
      std::memcpy(&memory.ring[size_t{s} * plan.slot_bytes + size_t{kWord} * w], &word, kWord);
    }
    // Some have about as much room as the completion says that there is of the packet.
    if (number >= plan.buffer_count || random() % 2 == 0) continue;
    const std::byte* const at = &memory.ring[size_t{s} * plan.slot_bytes];
    const uint64_t said = NumberAt(plan.record.length, at) + NumberAt(plan.record.offset, at);
    memory.posted[number].bytes = static_cast<uint32_t>(said - plan.record.length_less +
                                                        random() % (plan.prefix_bytes + 12) - 2);
  }
  return memory;
}

namespace {

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// Parts that carry a number: all of it in one, or several.
void AddNumber(TxSource source, uint32_t bits, TxRingPlan* plan, Random& random) {
  const std::vector<Piece> pieces =
      RandomPieces(bits, static_cast<uint32_t>(plan->words.size()), random);
  for (Piece piece : pieces) {
    TxWord& word = plan->words[piece.word];
    if (random() % 2 == 0) piece.shift = static_cast<uint8_t>(piece.shift / 8 * 8);
    // No two in the same bits.
    const uint64_t put = piece.Put(~uint64_t{0});
    const bool free = std::all_of(word.parts.begin(), word.parts.end(), [&](const auto& part) {
      return (part.piece.Put(~uint64_t{0}) & put) == 0;
    });
    if (!free) continue;
    piece.word = 0;
    word.parts.push_back({source, static_cast<uint32_t>(random() % plan->packet_slots), piece,
                          pieces.size() == 1 && source != TxSource::kPrefix});
  }
}

}  // namespace

TxRingPlan RandomTxRingPlan(Random& random) {
  TxRingPlan plan;
  plan.slot_count = 2 + random() % 40;
  plan.packet_slots = 1 + random() % 2;
  const uint32_t words = 1 + random() % kMaxWords;
  plan.slot_bytes = kWord * words;
  for (uint32_t w = 0; w < words * plan.packet_slots; ++w) {
    if (random() % 8 != 0 || plan.words.empty()) plan.words.push_back({kWord * w, {}});
  }
  const auto count = static_cast<uint32_t>(plan.words.size());
  plan.memory = static_cast<TxMemory>(random() % 3);
  plan.has_prefix = random() % 3 == 0;
  const uint32_t address_bits = random() % 2 == 0 ? 64 : 20 + random() % 45;
  AddNumber(TxSource::kAddress, address_bits, &plan, random);
  plan.address_not = ~LowBits(address_bits);
  if (random() % 3 == 0) plan.address_not |= LowBits(1 + random() % 8);
  const uint32_t length_bits = 8 + random() % 25;
  AddNumber(TxSource::kBytes, length_bits, &plan, random);
  plan.max_bytes = static_cast<uint32_t>(LowBits(length_bits));
  if (plan.memory == TxMemory::kId || plan.has_prefix || random() % 2 == 0) {
    AddNumber(TxSource::kId, random() % 2 == 0 ? 16 : 6 + random() % 11, &plan, random);
    plan.memory = plan.memory == TxMemory::kNothing ? TxMemory::kId : plan.memory;
    if (plan.has_prefix) plan.memory = TxMemory::kId;
  }
  if (plan.has_prefix) {
    AddNumber(TxSource::kPrefix, 64, &plan, random);
    plan.prefix_stride = random() % 2 == 0 ? 64 : 12;
  }
  if (random() % 2 == 0) {
    const uint32_t bits = 4 + random() % 13;
    AddNumber(TxSource::kCount, bits, &plan, random);
    plan.count_mask = LowBits(bits);
  }
  if (random() % 2 == 0) plan.held_word = random() % count;
  if (random() % 2 == 0) plan.kept_word = random() % count;
  if (random() % 2 == 0) {
    plan.report_words = static_cast<uint32_t>(random.Wide() & LowBits(count));
    if (plan.held_word < count) plan.report_words &= ~(1u << plan.held_word);
  }
  return plan;
}

TxRingCall TxRingMemory::Call() {
  TxRingCall made = call;
  made.cookies = cookies.data();
  made.remembered = remembered.data();
  made.ids = ids.data() + ids.size();
  made.prefixes = prefixes.data();
  if (holds) made.held = held.data();
  return made;
}

TxRingMemory RandomMemory(const TxRingPlan& plan, Random& random) {
  TxRingMemory memory;
  memory.packets.resize(random() % (plan.slot_count / plan.packet_slots + 4));
  for (TxPacket& packet : memory.packets) {
    packet.address = Iova(RandomAddressUpTo(~plan.address_not, 0, random));
    packet.bytes = random() % 32 == 0 ? random() : 1 + random() % plan.max_bytes;
    packet.cookie = random();
  }
  for (uint32_t w = 0; w < plan.words.size(); ++w) {
    if (random() % 4 != 0) memory.image.words[w] = random.Wide();
    // The packet's own numbers are none of the image's.
    for (const TxWord::Part& part : plan.words[w].parts) {
      memory.image.words[w] &= ~part.piece.Put(~uint64_t{0});
    }
    if ((plan.report_words >> w & 1) != 0) memory.image.report[w] = random.Wide();
  }
  memory.cookies.resize(memory.packets.size());
  memory.ids.resize(memory.packets.size());
  for (uint32_t& id : memory.ids) id = random() % TxRingMemory::kIds;
  memory.call.prefix = 3;
  memory.call.prefix_iova = random.Wide();
  for (uint32_t& prefix : memory.prefixes) prefix = random() % 32 == 0 ? 4 : 3;
  memory.call.number = random.Wide();
  memory.call.count = random.Wide();
  memory.call.report = random() % 2;
  memory.holds = plan.held_word != TxRingPlan::kNone && random() % 2 == 0;
  return memory;
}

TxDonePlan RandomTxDonePlan(Random& random) {
  TxDonePlan plan;
  const uint32_t words = 1 + random() % kMaxWords;
  plan.slot_count = 2 + random() % 40;
  plan.slot_bytes = kWord * words;
  plan.step_slots = 1 + random() % 2;
  for (uint32_t n = random() % 4; n > 0; --n) {
    const uint64_t mask = random.Wide() & random.Wide();
    plan.tests.push_back({static_cast<uint32_t>(random() % words),
                          mask,
                          {random.Wide() & mask, random.Wide() & mask}});
  }
  // Few numbers, of which many are remembered.
  plan.remembers = random() % 2 != 0;
  plan.key = RandomPieces(1 + random() % (plan.remembers ? 10 : 64), words, random);
  if (plan.tests.empty()) plan.expected_count = 1 + random() % 60;
  return plan;
}

std::vector<TxExpected> RandomExpected(const TxDonePlan& plan, const std::vector<uint64_t>& keys,
                                       uint32_t first, Random& random) {
  std::vector<TxExpected> expected(plan.expected_count);
  for (uint32_t i = 0; i < expected.size(); ++i) {
    expected[i] = {random.Wide(), random() % TxExpected::kNotPackets, random()};
    if (i >= first && i - first < keys.size()) expected[i].address = keys[i - first];
    if (random() % 64 == 0) expected[i].address ^= 1;
    if (random() % 64 == 0) expected[i].id |= TxExpected::kNotPackets;
  }
  return expected;
}

std::vector<TxRemembered> RandomRemembered(Random& random) {
  std::vector<TxRemembered> remembered(1000);
  for (TxRemembered& packet : remembered) {
    packet = {random() % 32 == 0 ? TxRemembered::kNever : random() % 64, random()};
  }
  return remembered;
}

std::vector<std::byte> RandomRing(const TxDonePlan& plan, uint32_t phase, Random& random) {
  std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes);
  for (size_t at = 0; at < ring.size(); at += kWord) {
    uint64_t word = random.Wide();
    for (const TxDonePlan::Test& test : plan.tests) {
      if (at % plan.slot_bytes / kWord != test.word || random() % 64 == 0) continue;
      word = (word & ~test.mask) | test.value[phase];
    }
    std::memcpy(&ring[at], &word, kWord);
  }
  return ring;
}

}  // namespace qsplit::dataplane::burst::testing
