// Barriers, named for their purpose, right on x86-64 and aarch64; and the loads and stores of
// memory that a peer shares, each a single access of its width.
//
// "Device" means hardware behind a bus or a thread that plays it; both orders are kept.
#ifndef QSPLIT_DATAPLANE_BARRIERS_H_
#define QSPLIT_DATAPLANE_BARRIERS_H_

#include <atomic>
#include <cstddef>
#include <cstdint>

namespace qsplit::dataplane {

// Descriptors are visible to a device before the store to its register that follows. x86: stores to
// write-back memory are not passed by a later uncached store, only the compiler is held.
inline void DescriptorsBeforeRegister() {
#if defined(__aarch64__)
  asm volatile("dsb st" ::: "memory");
#elif defined(__x86_64__)
  asm volatile("" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_seq_cst);
#endif
}

// Descriptors are visible to a device before the store to a doorbell cell in memory that follows.
inline void DescriptorsBeforeMemoryDoorbell() {
#if defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#elif defined(__x86_64__)
  asm volatile("" ::: "memory");
#else
  std::atomic_thread_fence(std::memory_order_release);
#endif
}

// The store of the word that hands a slot over: whoever sees it, device or thread, sees all that
// was stored before, and all that was loaded before is not touched by what he does then. Release
// orders that for other processors; for devices, which are observers farther out, Linux has
// dma_wmb, on arm64 the barrier here (arch/arm64/include/asm/barrier.h, __dma_wmb), on x86 the
// compiler's.
template <typename T>
inline void HandOver(std::byte* at, T value) {
#if defined(__aarch64__)
  asm volatile("dmb oshst" ::: "memory");
#endif
  __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELEASE);
}

// Stores before it are visible before any load after it: between ringing a doorbell and reading
// whether the peer sleeps, and between saying that one sleeps and the last look at the doorbell.
inline void StoresBeforeLoads() { std::atomic_thread_fence(std::memory_order_seq_cst); }

// Single accesses to shared memory, aligned to the type's size. T: uint8_t … uint64_t.
template <typename T>
inline T LoadRelaxed(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_RELAXED);
}
// The load of the word that says whose a slot is: what is loaded after it was there when the word
// was. LDAR is enough for what a device wrote, though Linux's dma_rmb is a barrier of the outer
// domain (dmb oshld): what has to keep its order are two loads of this processor, and LDAR orders
// those that match the shareability of its own address (Arm DEN0024A, 13.2.1), as all words of a
// ring do. How the device's stores reach that memory in order is the device's part. HandOver is the
// other way round: there an observer farther out must see two stores in order.
template <typename T>
inline T LoadAcquire(const std::byte* at) {
  return __atomic_load_n(reinterpret_cast<const T*>(at), __ATOMIC_ACQUIRE);
}
template <typename T>
inline void StoreRelaxed(std::byte* at, T value) {
  __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELAXED);
}
template <typename T>
inline void StoreRelease(std::byte* at, T value) {
  __atomic_store_n(reinterpret_cast<T*>(at), value, __ATOMIC_RELEASE);
}

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_BARRIERS_H_
