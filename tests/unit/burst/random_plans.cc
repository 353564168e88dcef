#include "tests/unit/burst/random_plans.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace qsplit::dataplane::burst::testing {
namespace {

uint64_t LowBits(uint32_t bits) { return bits >= 64 ? ~uint64_t{0} : (uint64_t{1} << bits) - 1; }

// A mask of few bits, of many, of one run.
uint64_t RandomMask(Random& random) {
  switch (random() % 4) {
    case 0:
      return random.Wide() & random.Wide() & random.Wide();
    case 1:
      return random.Wide();
    case 2:
      return LowBits(1 + random() % 64);
    default:
      return LowBits(1 + random() % 16) << random() % 48;
  }
}

Table RandomTable(uint32_t words, size_t lanes, Random& random) {
  Table table;
  for (uint32_t n = random() % 4; n > 0; --n) {
    Table::Gather gather{static_cast<uint8_t>(random() % words), RandomMask(random)};
    if (random() % 3 == 0) {
      gather.is_test = true;
      gather.value = random.Wide() & gather.mask;
    }
    while (!gather.is_test && std::popcount(gather.mask) > 4) gather.mask &= gather.mask - 1;
    if (gather.mask == 0) gather.mask = 1;
    if (table.bits() + gather.bits() <= 11) table.gathers.push_back(gather);
  }
  for (size_t lane = 0; lane < lanes; ++lane) {
    if (random() % 2 == 0) table.columns.push_back({true, static_cast<uint8_t>(lane)});
  }
  for (uint8_t w = 0; w < kMetaWords; ++w) {
    if (random() % 2 == 0) table.columns.push_back({false, w});
  }
  if (table.columns.empty()) table.columns.push_back({false, 0});
  const size_t stride = table.columns.size();
  const size_t rows = 1 + random() % std::min<size_t>(1u << table.bits(), 800 / stride);
  for (size_t i = 0; i < rows * stride; ++i) {
    table.entries.push_back(random() % 4 == 0 ? 0 : random.Wide());
  }
  for (size_t i = 0; i < size_t{1} << table.bits(); ++i) {
    table.entry_of_index.push_back(static_cast<uint16_t>(random() % rows * stride));
  }
  return table;
}

}  // namespace

std::vector<Piece> RandomPieces(uint32_t bits, uint32_t words, Random& random) {
  std::vector<Piece> pieces;
  for (uint32_t place = 0; place < bits;) {
    uint32_t here = random() % 2 == 0 ? bits - place : 1 + random() % (bits - place);
    const auto shift = static_cast<uint8_t>(random() % (65 - here));
    pieces.push_back({static_cast<uint8_t>(random() % words), shift, static_cast<uint8_t>(place),
                      random() % 3 == 0, LowBits(here)});
    place += here;
  }
  return pieces;
}

RecordPlan RandomRecord(uint32_t words, Random& random) {
  RecordPlan record;
  for (uint32_t w = 0; w < words; ++w) {
    if (random() % 2 != 0) continue;
    record.tests[w].mask = RandomMask(random);
    record.tests[w].value = random.Wide() & record.tests[w].mask;
  }
  if (random() % 8 != 0) record.length = RandomPieces(1 + random() % 32, words, random);
  if (random() % 3 == 0) record.length_less = random() % 4 == 0 ? random() : 4;
  for (uint64_t& constant : record.constant) {
    if (random() % 3 == 0) constant = random.Wide();
  }
  for (size_t n = random() % kMaxLanes; n > 0; --n) {
    record.lanes.push_back({static_cast<uint8_t>(random() % kMetaWords),
                            RandomPieces(1 + random() % 64, words, random)});
  }
  for (uint32_t n = random() % 4; n > 0; --n) {
    record.tables.push_back(RandomTable(words, record.lanes.size(), random));
  }
  record.Finish();
  return record;
}

std::vector<Piece> RandomAddress(uint32_t words, Random& random, uint64_t* most) {
  const uint32_t bits = random() % 3 == 0 ? 64 : 20 + random() % 45;
  *most = LowBits(bits);
  return RandomPieces(bits, words, random);
}

uint64_t RandomAddressUpTo(uint64_t most, uint64_t alignment_mask, Random& random) {
  return random() % 32 == 0 ? random.Wide() : random.Wide() & most & ~alignment_mask;
}

RxBurstPlan RandomRxPlan(Random& random) {
  RxBurstPlan plan;
  const uint32_t words = 1 + random() % kMaxWords;
  plan.slot_count = 1 + random() % 40;
  plan.slot_bytes = 8 * words;
  plan.record = RandomRecord(words, random);
  plan.first_word = random() % words;
  if (random() % 3 == 0) plan.prefix_bytes = random() % 128;
  if (random() % 2 == 0) plan.buffer_bytes = 1 + random() % 65536;

  plan.posts = random() % 8 != 0;
  for (uint32_t w = 0; w < words; ++w) {
    if (random() % 2 == 0) plan.image[w] = random() % 2 == 0 ? random.Wide() : random();
  }
  plan.address = RandomAddress(words, random, &plan.max_address);
  plan.max_length = UINT32_MAX;
  // Buffers that are all of one size do not say it.
  if (plan.buffer_bytes == 0 && random() % 4 != 0) {
    const uint32_t bits = 1 + random() % 32;
    plan.length = RandomPieces(bits, words, random);
    plan.max_length = static_cast<uint32_t>(LowBits(bits));
  }
  if (random() % 2 == 0) plan.alignment_mask = LowBits(1 + random() % 12);
  if (random() % 2 == 0) {
    plan.completed.mask = RandomMask(random);
    plan.completed.value = random.Wide() & plan.completed.mask;
  }
  return plan;
}

uint64_t NumberAt(const std::vector<Piece>& pieces, const std::byte* slot) {
  uint64_t number = 0;
  for (const Piece& piece : pieces) {
    uint64_t word = 0;
    std::memcpy(&word, slot + size_t{8} * piece.word, sizeof word);
    number |= piece.Get(word);
  }
  return number;
}

namespace {

void PutAt(const std::vector<Piece>& pieces, uint64_t number, std::byte* slot) {
  for (const Piece& piece : pieces) {
    uint64_t word = 0;
    std::memcpy(&word, slot + size_t{8} * piece.word, sizeof word);
    word = (word & ~piece.Put(~uint64_t{0})) | piece.Put(number);
    std::memcpy(slot + size_t{8} * piece.word, &word, sizeof word);
  }
}

// From one less than a prefix in front of it to one more than none.
uint32_t AboutThePrefix(const RxBurstPlan& plan, Random& random) {
  return random() % (plan.prefix_bytes + 3) - 1;
}

}  // namespace

std::vector<std::byte> RandomRing(const RxBurstPlan& plan, Random& random) {
  std::vector<std::byte> ring(size_t{plan.slot_count} * plan.slot_bytes);
  for (size_t at = 0; at < ring.size(); at += 8) {
    uint64_t word = random() % 4 == 0 ? 0 : random.Wide();
    const WordTest& test = plan.record.tests[at % plan.slot_bytes / 8];
    if (random() % 64 != 0) word = (word & ~test.mask) | test.value;
    std::memcpy(&ring[at], &word, sizeof word);
  }
  if (plan.buffer_bytes == 0) return ring;
  for (size_t at = 0; at < ring.size(); at += plan.slot_bytes) {
    if (random() % 2 == 0) continue;
    PutAt(plan.record.length,
          uint64_t{plan.buffer_bytes} + plan.record.length_less - AboutThePrefix(plan, random),
          &ring[at]);
  }
  return ring;
}

std::vector<PostedSlot> RandomPosted(const RxBurstPlan& plan, std::span<const std::byte> ring,
                                     Random& random) {
  std::vector<PostedSlot> posted(plan.slot_count);
  for (PostedSlot& slot : posted) slot = {random(), random() % 2 == 0 ? UINT32_MAX : random()};
  for (uint32_t s = 0; s < plan.slot_count; ++s) {
    if (random() % 2 == 0) continue;
    const uint64_t length = NumberAt(plan.record.length, &ring[size_t{s} * plan.slot_bytes]);
    posted[s].bytes =
        static_cast<uint32_t>(length - plan.record.length_less) + AboutThePrefix(plan, random);
  }
  return posted;
}

std::vector<RxBuffer> RandomBuffers(const RxBurstPlan& plan, Random& random) {
  std::vector<RxBuffer> buffers(random() % (plan.slot_count + 4));
  for (RxBuffer& buffer : buffers) {
    buffer.address = Iova(RandomAddressUpTo(plan.max_address, plan.alignment_mask, random));
    buffer.bytes = random() % 32 == 0 ? random() : std::max(plan.buffer_bytes, 1u);
    buffer.cookie = random();
  }
  return buffers;
}

uint32_t RandomSlot(uint32_t slot_count, Random& random) {
  return random() % 8 == 0 ? random() : random() % (slot_count + 2);
}

}  // namespace qsplit::dataplane::burst::testing
