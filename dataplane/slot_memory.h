// The slots of one ring, and the only code that moves descriptors between them and private memory:
// word by word, each word one access, so that no byte is read twice and none is torn within a word.
//
// The memory belongs to both sides of the ring; each word read is the peer's word at one moment,
// different words may be of different moments. Order between words is as the functions say.
// Never allocates. As thread-safe as its caller.
#ifndef QSPLIT_DATAPLANE_SLOT_MEMORY_H_
#define QSPLIT_DATAPLANE_SLOT_MEMORY_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "dataplane/barriers.h"
#include "dataplane/prefetch.h"

namespace qsplit::dataplane {

class SlotMemory {
 public:
  SlotMemory() = default;
  // Words are as wide as the slots' size and place allow, 8 bytes at most; both sides map a ring
  // at the same offset of a page, so that they agree.
  SlotMemory(std::byte* slots, uint32_t slot_bytes)
      : slots_(slots),
        slot_bytes_(slot_bytes),
        word_bytes_(WordFor(reinterpret_cast<uintptr_t>(slots) | slot_bytes)) {}

  std::byte* data() const { return slots_; }
  uint32_t slot_bytes() const { return slot_bytes_; }
  uint32_t word_bytes() const { return word_bytes_; }
  // Which word of a slot a byte stands in.
  uint32_t WordOf(uint32_t byte) const { return byte / word_bytes_; }

  // Begins to bring slots near, of the array without its wrap: for a burst that reads them next, or
  // reads and then writes them.
  void Prefetch(uint32_t first, uint32_t count) const {
    const std::byte* const end = At(first + count);
    for (const std::byte* at = At(first); at < end; at += 64) dataplane::PrefetchToRead(at);
  }
  void PrefetchToWrite(uint32_t first, uint32_t count) const {
    const std::byte* const end = At(first + count);
    for (const std::byte* at = At(first); at < end; at += 64) dataplane::PrefetchToWrite(at);
  }

  // Functions with `bytes` move so many bytes from the slot's first on, rounded up to whole words;
  // the others the whole slot. Private memory must have room for whole words.

  void Read(uint32_t slot, std::byte* to, uint32_t bytes) const {
    const std::byte* from = At(slot);
    Each(bytes, [&]<typename T>(T, uint32_t offset, uint32_t) {
      const T word = LoadRelaxed<T>(from + offset);
      std::memcpy(to + offset, &word, sizeof word);
    });
  }
  // Each word with acquire.
  void ReadAcquire(uint32_t slot, std::byte* to, uint32_t bytes) const {
    const std::byte* from = At(slot);
    Each(bytes, [&]<typename T>(T, uint32_t offset, uint32_t) {
      const T word = LoadAcquire<T>(from + offset);
      std::memcpy(to + offset, &word, sizeof word);
    });
  }
  void ReadAllBut(uint32_t slot, uint32_t skip, std::byte* to, uint32_t bytes) const {
    const std::byte* from = At(slot);
    Each(bytes, [&]<typename T>(T, uint32_t offset, uint32_t index) {
      if (index == skip) return;
      const T word = LoadRelaxed<T>(from + offset);
      std::memcpy(to + offset, &word, sizeof word);
    });
  }
  void Write(uint32_t slot, const std::byte* from, uint32_t bytes) const {
    std::byte* to = At(slot);
    Each(bytes, [&]<typename T>(T, uint32_t offset, uint32_t) {
      T word;
      std::memcpy(&word, from + offset, sizeof word);
      StoreRelaxed<T>(to + offset, word);
    });
  }
  void WriteAllBut(uint32_t slot, uint32_t skip, const std::byte* from, uint32_t bytes) const {
    std::byte* to = At(slot);
    Each(bytes, [&]<typename T>(T, uint32_t offset, uint32_t index) {
      if (index == skip) return;
      T word;
      std::memcpy(&word, from + offset, sizeof word);
      StoreRelaxed<T>(to + offset, word);
    });
  }
  void WriteWithLast(uint32_t slot, uint32_t last, const std::byte* from, uint32_t bytes) const {
    WriteAllBut(slot, last, from, bytes);
    WriteWordRelease(slot, last, from);
  }
  // A slot of two words of 8 bytes: whether slots are such, no order; the same, word `last` after
  // the other one, with release.
  bool IsPairs() const { return slot_bytes_ == 16 && word_bytes_ == 8; }
  std::array<uint64_t, 2> ReadPair(uint32_t slot) const {
    const std::byte* const from = slots_ + size_t{slot} * 16;
    return {LoadRelaxed<uint64_t>(from), LoadRelaxed<uint64_t>(from + 8)};
  }
  void WritePairWithLast(uint32_t slot, uint32_t last, uint64_t first, uint64_t second) const {
    std::byte* const to = slots_ + size_t{slot} * 16;
    if (last == 0) {
      StoreRelaxed<uint64_t>(to + 8, second);
      StoreRelease<uint64_t>(to, first);
    } else {
      StoreRelaxed<uint64_t>(to, first);
      StoreRelease<uint64_t>(to + 8, second);
    }
  }
  // Changes some bits of one word, in memory order. The slot is the caller's; release, as above.
  void Merge(uint32_t slot, uint32_t word, uint64_t mask, uint64_t value) const {
    WithWord([&]<typename T>(T) {
      std::byte* const at = At(slot) + size_t{word} * sizeof(T);
      const auto bits = static_cast<T>((LoadAcquire<T>(at) & ~mask) | value);
      HandOver<T>(at, bits);
    });
  }
  // Writes one word out of its place in `from`, with release: what was written before is visible
  // to whom sees it, devices behind a bus too.
  void WriteWordRelease(uint32_t slot, uint32_t word, const std::byte* from) const {
    const uint32_t offset = word * word_bytes_;
    WithWord([&]<typename T>(T) {
      T value;
      std::memcpy(&value, from + offset, sizeof value);
      HandOver<T>(At(slot) + offset, value);
    });
  }

  // Reads a whole slot, no order.
  void Read(uint32_t slot, std::byte* to) const {
    const std::byte* from = At(slot);
    Each([&]<typename T>(T, uint32_t offset, uint32_t) {
      const T word = LoadRelaxed<T>(from + offset);
      std::memcpy(to + offset, &word, sizeof word);
    });
  }
  // Reads one word with acquire into its place in `to`: pairs with the release of
  // WriteWithLast on the other side.
  void ReadWordAcquire(uint32_t slot, uint32_t word, std::byte* to) const {
    const uint32_t offset = word * word_bytes_;
    WithWord([&]<typename T>(T) {
      const T value = LoadAcquire<T>(At(slot) + offset);
      std::memcpy(to + offset, &value, sizeof value);
    });
  }
  // Reads all words but one.
  void ReadAllBut(uint32_t slot, uint32_t skip, std::byte* to) const {
    const std::byte* from = At(slot);
    Each([&]<typename T>(T, uint32_t offset, uint32_t index) {
      if (index == skip) return;
      const T word = LoadRelaxed<T>(from + offset);
      std::memcpy(to + offset, &word, sizeof word);
    });
  }
  // Writes a whole slot; visible to the peer by the release of the doorbell that follows.
  void Write(uint32_t slot, const std::byte* from) const {
    std::byte* to = At(slot);
    Each([&]<typename T>(T, uint32_t offset, uint32_t) {
      T word;
      std::memcpy(&word, from + offset, sizeof word);
      StoreRelaxed<T>(to + offset, word);
    });
  }
  // Writes a whole slot, word `last` after all others, with release.
  void WriteWithLast(uint32_t slot, uint32_t last, const std::byte* from) const {
    std::byte* to = At(slot);
    Each([&]<typename T>(T, uint32_t offset, uint32_t index) {
      if (index == last) return;
      T word;
      std::memcpy(&word, from + offset, sizeof word);
      StoreRelaxed<T>(to + offset, word);
    });
    const uint32_t offset = last * word_bytes_;
    WithWord([&]<typename T>(T) {
      T word;
      std::memcpy(&word, from + offset, sizeof word);
      StoreRelease<T>(to + offset, word);
    });
  }

 private:
  std::byte* At(uint32_t slot) const { return slots_ + size_t{slot} * slot_bytes_; }

  template <typename F>
  void WithWord(F&& f) const {
    if (word_bytes_ == 8) [[likely]] {
      f(uint64_t{});
    } else if (word_bytes_ == 4) {
      f(uint32_t{});
    } else if (word_bytes_ == 2) {
      f(uint16_t{});
    } else {
      f(uint8_t{});
    }
  }
  static uint32_t WordFor(uintptr_t bits) {
    return bits % 8 == 0 ? 8 : bits % 4 == 0 ? 4 : bits % 2 == 0 ? 2 : 1;
  }
  template <typename F>
  void Each(F&& f) const {
    Each(slot_bytes_, f);
  }
  template <typename F>
  void Each(uint32_t bytes, F&& f) const {
    if (bytes == 16 && word_bytes_ == 8) [[likely]] {  // most NICs; unrolled
      f(uint64_t{}, 0u, 0u);
      f(uint64_t{}, 8u, 1u);
      return;
    }
    if (bytes == 8 && word_bytes_ == 8) {
      f(uint64_t{}, 0u, 0u);
      return;
    }
    WithWord([&]<typename T>(T zero) {
      const auto words = static_cast<uint32_t>((bytes + sizeof(T) - 1) / sizeof(T));
      for (uint32_t i = 0; i < words; ++i) f(zero, i * static_cast<uint32_t>(sizeof(T)), i);
    });
  }

  std::byte* slots_ = nullptr;
  uint32_t slot_bytes_ = 0;
  uint32_t word_bytes_ = 8;
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_SLOT_MEMORY_H_
