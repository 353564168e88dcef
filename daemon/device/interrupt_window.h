// The addresses that x86 takes for interrupts: what a device writes there is no DMA, and no IOMMU
// maps it. Whoever gives addresses to devices leaves them out.
//
// SDM volume 3A, "Message Address Register Format": bits 31 to 20 are 0xfee.
#ifndef QSPLIT_DAEMON_DEVICE_INTERRUPT_WINDOW_H_
#define QSPLIT_DAEMON_DEVICE_INTERRUPT_WINDOW_H_

#include <cstdint>

namespace qsplit::device {

inline constexpr uint64_t kInterruptWindow = 0xfee0'0000;
inline constexpr uint64_t kInterruptWindowEnd = 0xfef0'0000;

// Whether some of [iova, iova + bytes) lies there; the sum does not overflow.
constexpr bool MeetsInterruptWindow(uint64_t iova, uint64_t bytes) {
  return iova < kInterruptWindowEnd && iova + bytes > kInterruptWindow;
}

}  // namespace qsplit::device

#endif  // QSPLIT_DAEMON_DEVICE_INTERRUPT_WINDOW_H_
