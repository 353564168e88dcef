// What the loops of all emitted C++ headers share, as text: see ring_loops.h.
#include "descriptor-lang/emit/ring_loops.h"

namespace qsplit::layout {

std::string_view CppLoopMemory() {
  return R"(#ifndef QSPLIT_LAYOUT_LOOPS
#define QSPLIT_LAYOUT_LOOPS
namespace qsplit_layout {

// Stores the word that hands slots over: whoever sees it, device or thread, sees all that was
// stored before. Release orders that for other processors; for devices, which are observers farther
// out, aarch64 has the barrier in front of it, which Linux calls dma_wmb. Loads of such a word need
// acquire and nothing more: they order this processor's own loads of the ring.
template <typename T>
inline void hand_over(T* at, T word) {
#if defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#endif
  __atomic_store_n(at, word, __ATOMIC_RELEASE);
}

// Two words of a slot in one store, which need not be a single access: the device looks there only
// behind a doorbell. at: a multiple of 16 bytes.
using TwoWords [[gnu::vector_size(16), gnu::may_alias]] = uint64_t;
inline void store_two(uint64_t* at, uint64_t first, uint64_t second) {
  *reinterpret_cast<TwoWords*>(at) = TwoWords{first, second};
}

// Descriptors are visible to a device before the store to its register that follows; to one that
// looks at a doorbell in memory before that. x86 needs the compiler's order alone.
inline void before_register() {
#if defined(__aarch64__)
  asm volatile("dsb st" ::: "memory");
#elif defined(__x86_64__)
  asm volatile("" ::: "memory");
#else
  __atomic_thread_fence(__ATOMIC_SEQ_CST);
#endif
}
inline void before_memory() {
#if defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#elif defined(__x86_64__)
  asm volatile("" ::: "memory");
#else
  __atomic_thread_fence(__ATOMIC_RELEASE);
#endif
}

// A buffer to post, of which a descriptor says what it has a field for: its address as the device
// knows it, its size, the number that comes back with it, the key of its memory.
struct Buffer {
  uint64_t address = 0;
  uint32_t bytes = 0;
  uint32_t tag = 0;
  uint32_t key = 0;
};
// A packet in one piece.
struct Packet {
  uint64_t address = 0;
  uint32_t bytes = 0;
};

enum class Checksum : uint8_t { kUnknown = 0, kGood = 1, kBad = 2 };

// What a completion says of a packet. A member means something where present() has its bit, and is
// zero elsewhere. Two words, put together without asking for each member: they lie as the first ones
// of the client library's RxMetadata do.
struct Received {
  static constexpr uint32_t kHash = 1, kVlanTci = 4, kL3Checksum = 8, kL4Checksum = 16;

  uint64_t present_hash = 0;  // the bits of present; from bit 32 on the hash
  uint64_t states_tag = 0;    // from bit 24 on a checksum's state, from 32 on another's; from 48 the tag
  uint32_t length = 0;        // bytes of the packet, none beyond its buffer
  uint32_t offset = 0;        // where they begin there
  uint64_t buffer = 0;        // which one: see the loop

  constexpr uint32_t present() const { return static_cast<uint32_t>(present_hash); }
  constexpr uint32_t hash() const { return static_cast<uint32_t>(present_hash >> 32); }
  constexpr Checksum l3() const { return static_cast<Checksum>(states_tag >> 24 & 0xff); }
  constexpr Checksum l4() const { return static_cast<Checksum>(states_tag >> 32 & 0xff); }
  constexpr uint16_t vlan_tci() const { return static_cast<uint16_t>(states_tag >> 48); }

  struct Part;
  // What a part says; the words have hash and tag at their upper end, and anything below.
  constexpr void add(const Part& part, uint64_t hash_word, uint64_t tag_word);
  // The same of a part that says of nothing but the hash.
  constexpr void add_hash(const Part& part, uint64_t hash_word);
};

// What some bits of a descriptor say: with ones where a hash or tag stands that is there.
struct Received::Part {
  uint64_t present_hash = 0;
  uint64_t states_tag = 0;

  constexpr void has_hash() { present_hash |= ~uint64_t{0} << 32 | kHash; }
  constexpr void has_tag() {
    present_hash |= kVlanTci;
    states_tag |= uint64_t{0xffff} << 48;
  }
  constexpr void l3(Checksum state) {
    present_hash |= kL3Checksum;
    states_tag |= static_cast<uint64_t>(state) << 24;
  }
  constexpr void l4(Checksum state) {
    present_hash |= kL4Checksum;
    states_tag |= static_cast<uint64_t>(state) << 32;
  }
};

constexpr void Received::add_hash(const Part& part, uint64_t hash_word) {
  present_hash |= part.present_hash & (hash_word | 0xffffffffu);
}
constexpr void Received::add(const Part& part, uint64_t hash_word, uint64_t tag_word) {
  add_hash(part, hash_word);
  states_tag |= part.states_tag & (tag_word | (~uint64_t{0} >> 16));
}

// What `say` says of descriptors with each value of these bits; they count from byte 0, bit 0.
template <uint32_t kBytes, uint32_t... kBits, typename Say>
constexpr std::array<Received::Part, size_t{1} << sizeof...(kBits)> parts(Say say) {
  std::array<Received::Part, size_t{1} << sizeof...(kBits)> all{};
  for (size_t i = 0; i < all.size(); ++i) {
    uint8_t d[kBytes] = {};
    size_t value = i;
    ((d[kBits / 8] = static_cast<uint8_t>(d[kBits / 8] | (value & 1) << kBits % 8), value >>= 1),
     ...);
    all[i] = say(&d[0]);
  }
  return all;
}

}  // namespace qsplit_layout
#endif  // QSPLIT_LAYOUT_LOOPS

)";
}

}  // namespace qsplit::layout
