// A fuzzer's input as a row of choices. An input that ends goes on with zeros, so that every prefix
// of an input is one.
#ifndef QSPLIT_TESTS_FUZZ_SUPPORT_INPUT_H_
#define QSPLIT_TESTS_FUZZ_SUPPORT_INPUT_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>
#include <string_view>

// What must hold whatever the input is; memory is the sanitizers' business.
#define MUST(condition)                                                    \
  do {                                                                     \
    if (!(condition)) {                                                    \
      std::fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                        \
    }                                                                      \
  } while (false)

namespace qsplit::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : rest_(data, size) {}

  bool Empty() const { return rest_.empty(); }
  uint8_t Byte() { return static_cast<uint8_t>(Number(1)); }
  // Of so many bytes, little endian.
  uint64_t Number(size_t bytes) {
    const std::span<const uint8_t> taken = Take(bytes);
    uint64_t value = 0;
    for (size_t i = taken.size(); i > 0; --i) value = value << 8 | taken[i - 1];
    return value;
  }
  // Less than `end`, which is at least 1; takes as many bytes as it needs.
  uint64_t Below(uint64_t end) {
    size_t bytes = 1;
    while (bytes < 8 && ((end - 1) >> (8 * bytes)) != 0) ++bytes;
    return end <= 1 ? 0 : Number(bytes) % end;
  }
  // A number of any size in as few bytes as it can be said: small ones, ones near a power of two,
  // any others.
  uint64_t Value() {
    const uint8_t first = Byte();
    if (first < 0xc0) return first;
    const uint64_t power = uint64_t{1} << (first & 0x3f);
    switch (Byte() % 4) {
      case 0:
        return power;
      case 1:
        return power - 1;
      case 2:
        return ~power;
      default:
        return Number(8);
    }
  }
  // The next bytes, fewer at the end.
  std::span<const uint8_t> Take(size_t bytes) {
    const std::span<const uint8_t> taken = rest_.first(std::min(bytes, rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return taken;
  }
  std::string_view Text() {
    const std::span<const uint8_t> all = Take(rest_.size());
    return {reinterpret_cast<const char*>(all.data()), all.size()};
  }

 private:
  std::span<const uint8_t> rest_;
};

// Reads all of them, for the sanitizer to see.
inline void Touch(std::span<const std::byte> bytes) {
  for (const std::byte& byte : bytes)
    static_cast<void>(*const_cast<const volatile std::byte*>(&byte));
}

}  // namespace qsplit::fuzz

#endif  // QSPLIT_TESTS_FUZZ_SUPPORT_INPUT_H_
