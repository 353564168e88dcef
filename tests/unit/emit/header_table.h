// What the emitted headers of all layouts offer, as tables of functions.
#ifndef QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_
#define QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace qsplit::testing {

// One number: of the C++ header, then of the C header.
struct HeaderRow {
  const char* form;
  const char* field;
  uint64_t (*cpp_raw)(const uint8_t*);
  uint64_t (*cpp_get)(const uint8_t*);
  void (*cpp_set_raw)(uint8_t*, uint64_t);
  void (*cpp_set)(uint8_t*, uint64_t);
  bool (*cpp_has)(const uint8_t*);  // null: always
  unsigned long long (*c_raw)(const unsigned char*);
  unsigned long long (*c_get)(const unsigned char*);
  void (*c_set_raw)(unsigned char*, unsigned long long);
  void (*c_set)(unsigned char*, unsigned long long);
  int (*c_has)(const unsigned char*);
};

// The sum of all numbers of a form, by the C++ header's accessors.
struct HeaderSum {
  const char* form;
  uint64_t (*sum)(const uint8_t*);
  uint32_t numbers;
};

// Where one side of a ring stands, whatever the ring keeps of it.
struct Stand {
  uint32_t slot = 0;
  uint64_t count = 0;
  uint32_t phase = 0;
  uint64_t sequence = 0;
};
using Slots = std::vector<std::pair<uint32_t, std::vector<uint8_t>>>;

// The loops of a ring of the C++ header.
struct RingLoopsRow {
  const char* name;  // QUEUE_RING
  Stand start;
  // Null: there is none. Appends what it takes, slot and bytes.
  uint32_t (*poll)(void* ring, uint32_t slots, uint32_t most, Stand* at, Slots* taken);
  void (*prepare)(void* ring, uint32_t slots);
  // Posts the form's constants with `change` put over them by exclusive or.
  struct Post {
    const char* form;
    void (*post)(void* ring, uint32_t slots, Stand* at, const uint8_t* change);
  };
  std::vector<Post> posts;
  // What a doorbell takes, of where a side stands and how far it went since the last time.
  struct Doorbell {
    const char* side;  // "producer", "consumer"
    int number = 0;
    uint64_t (*value)(const Stand& at, uint32_t added, uint32_t queue_number);
  };
  std::vector<Doorbell> doorbells;
};

template <typename Position>
Stand StandOf(const Position& at) {
  Stand stand{.slot = at.slot, .count = at.count};
  if constexpr (requires { at.phase; }) stand.phase = at.phase;
  if constexpr (requires { at.sequence; }) stand.sequence = at.sequence;
  return stand;
}
template <typename Position>
Position PositionOf(const Stand& stand) {
  Position at;
  at.slot = stand.slot;
  at.count = stand.count;
  if constexpr (requires { at.phase; }) at.phase = stand.phase;
  if constexpr (requires { at.sequence; }) at.sequence = stand.sequence;
  return at;
}
template <typename Ring>
uint32_t PollOf(void* ring, uint32_t slots, uint32_t most, Stand* at, Slots* taken) {
  auto position = PositionOf<typename Ring::Position>(*at);
  const uint32_t n =
      Ring::poll(ring, slots, most, position, [&](const auto& here, const uint8_t* d) {
        taken->emplace_back(here.slot, std::vector<uint8_t>(d, d + Ring::kSlotBytes));
      });
  *at = StandOf(position);
  return n;
}
template <typename Ring, typename Post>
void PostTo(void* ring, uint32_t slots, Stand* at, const uint8_t* change, Post&& post) {
  auto position = PositionOf<typename Ring::Position>(*at);
  post(ring, slots, position, [&](uint8_t* d) {
    for (uint32_t i = 0; i < Ring::kSlotBytes; ++i) d[i] = static_cast<uint8_t>(d[i] ^ change[i]);
  });
  *at = StandOf(position);
}

struct Header {
  std::string cpp_digest;
  std::string c_digest;
  std::span<const HeaderRow> rows;
  std::span<const HeaderSum> sums;
  std::span<const RingLoopsRow> loops;
};

inline std::map<std::string, Header>& Headers() {
  static auto* const headers = new std::map<std::string, Header>;
  return *headers;
}

inline bool AddHeader(const char* layout, Header header) {
  Headers()[layout] = std::move(header);
  return true;
}

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_
