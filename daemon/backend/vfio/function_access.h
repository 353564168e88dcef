// What a NIC's driver reaches of its function: registers of its BARs, its configuration space, DMA
// memory of its own, and time. Everything a driver does goes through here, so that tests can stand
// a fake function behind it and see each access.
//
// Control path only: no packet passes here. Registers of a function that is leased whole are
// hostile: whoever holds it can write them all, so a driver never lets a value that it read decide
// an index, a loop or a length without a bound. One thread at a time, which VfioDevice sees to.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_FUNCTION_ACCESS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_FUNCTION_ACCESS_H_

#include <cstddef>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace qsplit::vfio {

// The registers of one BAR, little endian as PCI's are. Offsets are bytes from the BAR's start, of
// the access's alignment. An access outside of the BAR reads ones and writes nothing.
class RegisterWindow {
 public:
  virtual ~RegisterWindow() = default;

  virtual uint64_t size_bytes() const = 0;
  virtual uint8_t Read8(uint64_t offset) const = 0;
  virtual uint16_t Read16(uint64_t offset) const = 0;
  virtual uint32_t Read32(uint64_t offset) const = 0;
  virtual void Write8(uint64_t offset, uint8_t value) = 0;
  virtual void Write16(uint64_t offset, uint16_t value) = 0;
  virtual void Write32(uint64_t offset, uint32_t value) = 0;
};

// Memory that the driver shares with its function, zeroed, of whole pages. It lives until the
// function is closed. While the function is leased whole, what stands in it is hostile.
struct DmaMemory {
  std::byte* memory = nullptr;
  uint64_t iova = 0;
  uint64_t bytes = 0;
};

class FunctionAccess {
 public:
  virtual ~FunctionAccess() = default;

  // A BAR's registers; nullptr: the function has no such BAR of memory.
  virtual RegisterWindow* Bar(uint32_t index) = 0;

  // Configuration space, `bytes` 1, 2 or 4; outside of it reads ones. Where a capability stands is
  // the driver's to find.
  virtual uint32_t ReadConfig(uint32_t offset, uint32_t bytes) const = 0;
  virtual void WriteConfig(uint32_t offset, uint32_t bytes, uint32_t value) = 0;

  // Function-level reset; returns when the function answers again. Bus mastering is off after it.
  virtual absl::Status Reset() = 0;
  // Whether the function may reach memory at all (PCI command register, bit 2).
  virtual void SetBusMaster(bool on) = 0;

  // RESOURCE_EXHAUSTED: no memory, or none that the function can reach.
  virtual absl::StatusOr<DmaMemory> AllocateDma(uint64_t bytes) = 0;

  virtual absl::Time Now() const = 0;
  virtual void Sleep(absl::Duration duration) = 0;
};

// Reads a register until (value & mask) == wanted. False: not within `limit`.
inline bool WaitFor(FunctionAccess& function, const RegisterWindow& registers, uint64_t offset,
                    uint32_t mask, uint32_t wanted, absl::Duration limit) {
  const absl::Time deadline = function.Now() + limit;
  while ((registers.Read32(offset) & mask) != wanted) {
    if (function.Now() >= deadline) return false;
    function.Sleep(absl::Microseconds(100));
  }
  return true;
}

}  // namespace qsplit::vfio

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_FUNCTION_ACCESS_H_
