// An array for code that no sanitizer sees: generated code, which is tested by what it touches. At
// one end the array stands against a page that nobody may read or write, so that a byte beyond it
// ends the process; at the other end against bytes that are looked at when the array goes, so that
// a byte written there does too. With a fence behind it whoever reads on is caught, with one in
// front whoever begins early.
//
// System calls for each array. Elements of trivial types, as their constructor leaves them. One
// thread.
#ifndef QSPLIT_TESTS_SUPPORT_FENCED_ARRAY_H_
#define QSPLIT_TESTS_SUPPORT_FENCED_ARRAY_H_

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <ranges>
#include <span>
#include <type_traits>
#include <utility>

namespace qsplit::testing {

enum class Fence : bool { kBehind, kBefore };
inline constexpr Fence kFences[] = {Fence::kBehind, Fence::kBefore};

template <typename T>
class FencedArray {
  static_assert(std::is_trivially_copyable_v<T>);

 public:
  explicit FencedArray(size_t count, Fence fence = Fence::kBehind) {
    const auto page = static_cast<size_t>(sysconf(_SC_PAGESIZE));
    const size_t bytes = count * sizeof(T);
    const size_t open = (bytes + page - 1) / page * page;
    mapped_ = open + page;
    memory_ = static_cast<std::byte*>(
        mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (memory_ == MAP_FAILED) Die("mmap failed");
    const bool behind = fence == Fence::kBehind;
    if (mprotect(behind ? memory_ + open : memory_, page, PROT_NONE) != 0) Die("mprotect failed");
    const std::span<std::byte> all(behind ? memory_ : memory_ + page, open);
    spare_ = behind ? all.first(open - bytes) : all.subspan(bytes);
    std::ranges::fill(spare_, kSpare);
    values_ = {reinterpret_cast<T*>(behind ? all.data() + spare_.size() : all.data()), count};
    std::ranges::uninitialized_value_construct(values_);
  }
  // Of these values.
  template <std::ranges::contiguous_range Values>
  requires std::is_same_v<std::ranges::range_value_t<Values>, T>
  explicit FencedArray(const Values& values, Fence fence = Fence::kBehind)
      : FencedArray(std::ranges::size(values), fence) {
    std::ranges::copy(values, values_.begin());
  }
  FencedArray(FencedArray&& other) noexcept
      : memory_(std::exchange(other.memory_, nullptr)),
        mapped_(other.mapped_),
        spare_(other.spare_),
        values_(other.values_) {}
  FencedArray& operator=(FencedArray&&) = delete;
  ~FencedArray() {
    if (memory_ == nullptr) return;
    const bool whole = std::ranges::all_of(spare_, [](std::byte b) { return b == kSpare; });
    if (!whole) Die("bytes beside it were written");
    munmap(memory_, mapped_);
  }

  T* data() const { return values_.data(); }
  size_t size() const { return values_.size(); }
  auto begin() const { return values_.begin(); }
  auto end() const { return values_.end(); }
  T& operator[](size_t at) const { return values_[at]; }
  T& front() const { return values_.front(); }
  std::span<std::byte> bytes() const { return std::as_writable_bytes(values_); }

  // Whether the first `count` are equal byte by byte.
  template <typename Values>
  bool IsSame(const Values& other, size_t count) const {
    return count == 0 || std::memcmp(data(), std::data(other), count * sizeof(T)) == 0;
  }
  template <typename Values>
  bool IsSame(const Values& other) const {
    return std::size(other) == size() && IsSame(other, size());
  }

 private:
  static constexpr std::byte kSpare{0xd7};

  [[noreturn]] static void Die(const char* what) {
    std::fprintf(stderr, "fenced array: %s\n", what);
    std::abort();
  }

  std::byte* memory_ = nullptr;
  size_t mapped_ = 0;
  std::span<std::byte> spare_;
  std::span<T> values_;
};

}  // namespace qsplit::testing

#endif  // QSPLIT_TESTS_SUPPORT_FENCED_ARRAY_H_
