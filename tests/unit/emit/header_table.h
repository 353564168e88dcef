// What the emitted headers of all layouts offer, as tables of functions.
#ifndef QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_
#define QSPLIT_TESTS_UNIT_EMIT_HEADER_TABLE_H_

#include <cstdint>
#include <functional>
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

// What a burst says of a packet, whatever the header calls it.
struct Said {
  uint64_t buffer = 0;
  uint32_t length = 0;
  uint32_t offset = 0;
  uint32_t present = 0;
  uint32_t hash = 0;
  uint16_t vlan_tci = 0;
  uint8_t l3_checksum = 0;
  uint8_t l4_checksum = 0;

  friend bool operator==(const Said&, const Said&) = default;
};
// A buffer or a packet, for any header's bursts.
struct PostedBuffer {
  uint64_t address = 0;
  uint32_t bytes = 0;
  uint32_t tag = 0;
  uint32_t key = 0;
};
// The memory of a buffer, by what names it and how many were taken before; null: none.
using Front = std::function<const void*(uint64_t buffer, size_t before)>;

// The loops of a ring of the C++ header.
struct RingLoopsRow {
  const char* name;  // QUEUE_RING
  Stand start;
  // Null: there is none. Appends what it takes, slot and bytes.
  uint32_t (*poll)(void* ring, uint32_t slots, uint32_t most, Stand* at, Slots* taken);
  void (*prepare)(void* ring, uint32_t slots);
  // Null: there is none. Appends what it takes.
  uint32_t (*receive)(void* ring, uint32_t slots, uint32_t most, Stand* at, uint32_t room,
                      const Front& front, std::vector<Said>* said);
  // Posts the form's constants with `change` put over them by exclusive or.
  struct Post {
    const char* form;
    void (*post)(void* ring, uint32_t slots, Stand* at, const uint8_t* change);
  };
  std::vector<Post> posts;
  // Null: there is none. Posts these buffers, all of them; lay_out stands before the first one.
  void (*lay_out)(void* ring, uint32_t slots, uint32_t key);
  uint32_t (*refill)(void* ring, uint32_t slots, Stand* at, std::span<const PostedBuffer> buffers);
  const char* refill_form;
  // Null: there is none. Posts these packets, with what `ask` sets of a descriptor.
  uint32_t (*transmit)(void* ring, uint32_t slots, Stand* at,
                       const std::function<void(uint8_t*)>& ask,
                       std::span<const PostedBuffer> packets);
  const char* transmit_form;
  // What a doorbell takes, of where a side stands and how far it went since the last time.
  struct Doorbell {
    const char* side;  // "producer", "consumer"
    int number = 0;
    uint64_t (*value)(const Stand& at, uint32_t added, uint32_t queue_number);
    // Stores that. False: held back by the cell.
    bool (*ring)(void* doorbell, const Stand& at, uint32_t added, uint32_t queue_number,
                 const void* cell);
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
template <typename Ring>
uint32_t ReceiveOf(void* ring, uint32_t slots, uint32_t most, Stand* at, uint32_t room,
                   [[maybe_unused]] const Front& front, std::vector<Said>* said) {
  auto position = PositionOf<typename Ring::Position>(*at);
  const auto take = [&](const auto& r) {
    said->push_back({r.buffer, r.length, r.offset, r.present(), r.hash(), r.vlan_tci(),
                     static_cast<uint8_t>(r.l3()), static_cast<uint8_t>(r.l4())});
  };
  uint32_t n = 0;
  if constexpr (requires { Ring::receive(ring, slots, most, position, room, take); }) {
    n = Ring::receive(ring, slots, most, position, room, take);
  } else {
    const auto front_of = [&](const auto& r) { return front(r.buffer, said->size()); };
    n = Ring::receive(ring, slots, most, position, room, front_of, take);
  }
  *at = StandOf(position);
  return n;
}
template <typename Ring>
uint32_t RefillOf(void* ring, uint32_t slots, Stand* at, std::span<const PostedBuffer> buffers) {
  auto position = PositionOf<typename Ring::Position>(*at);
  const uint32_t n = Ring::refill(
      ring, slots, static_cast<uint32_t>(buffers.size()), position, [&](size_t i, size_t, auto& b) {
        b = {buffers[i].address, buffers[i].bytes, buffers[i].tag, buffers[i].key};
        return true;
      });
  *at = StandOf(position);
  return n;
}
template <typename Ring>
uint32_t TransmitOf(void* ring, uint32_t slots, Stand* at, const std::function<void(uint8_t*)>& ask,
                    std::span<const PostedBuffer> packets) {
  auto position = PositionOf<typename Ring::Position>(*at);
  const uint32_t n = Ring::transmit(ring, slots, static_cast<uint32_t>(packets.size()), position,
                                    ask, [&](size_t i, size_t, auto& p) {
                                      p = {packets[i].address, packets[i].bytes};
                                      return true;
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
