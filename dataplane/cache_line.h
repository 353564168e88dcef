// Memory that shares no cache line with anything else: of what one thread writes for each packet
// while its neighbours in memory are another thread's.
//
// CacheLineVector is a std::vector whose elements begin a cache line and have the last one to
// themselves. As thread-safe as that.
#ifndef QSPLIT_DATAPLANE_CACHE_LINE_H_
#define QSPLIT_DATAPLANE_CACHE_LINE_H_

#include <cstddef>
#include <new>
#include <vector>

namespace qsplit::dataplane {

inline constexpr size_t kCacheLineBytes = 64;

template <typename T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <typename U>
  // NOLINTNEXTLINE(google-explicit-constructor): as allocators are converted
  CacheLineAllocator(const CacheLineAllocator<U>&) {}

  T* allocate(size_t count) {
    // NOLINTNEXTLINE(bugprone-sizeof-expression): T may be a pointer
    const size_t lines = (count * sizeof(T) + kCacheLineBytes - 1) / kCacheLineBytes;
    return static_cast<T*>(
        ::operator new (lines* kCacheLineBytes, std::align_val_t{kCacheLineBytes}));
  }
  void deallocate(T* memory, size_t) {
    ::operator delete (memory, std::align_val_t{kCacheLineBytes});
  }
  friend bool operator==(const CacheLineAllocator&, const CacheLineAllocator&) { return true; }
};

template <typename T>
using CacheLineVector = std::vector<T, CacheLineAllocator<T>>;

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_CACHE_LINE_H_
