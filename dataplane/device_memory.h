// How the device's side reaches the memory that buffers stand in: for what a layout puts there
// beside packet bytes (prefixes of packets, tables of descriptors). Whoever gives the functions
// checks the range against the lease's regions.
//
// The memory belongs to the driver, who may rewrite it at any moment: what is read is read once and
// checked afterwards. Called by the thread that runs the device's side, for packets: no allocation,
// no lock.
#ifndef QSPLIT_DATAPLANE_DEVICE_MEMORY_H_
#define QSPLIT_DATAPLANE_DEVICE_MEMORY_H_

#include <cstddef>
#include <cstdint>

#include "dataplane/types.h"

namespace qsplit::dataplane {

struct DeviceMemory {
  // Comes back as the first argument.
  void* context = nullptr;
  // Copies `bytes` bytes at `from` to `to`. False, and `to` means nothing: not all of them are
  // there.
  bool (*read)(void* context, Iova from, std::byte* to, uint32_t bytes) = nullptr;
  // Copies `bytes` bytes from `from` to `to`. False, and nothing written: not all of them are
  // there.
  bool (*write)(void* context, Iova to, const std::byte* from, uint32_t bytes) = nullptr;

  bool Read(Iova from, std::byte* to, uint32_t bytes) const {
    return read != nullptr && read(context, from, to, bytes);
  }
  bool Write(Iova to, const std::byte* from, uint32_t bytes) const {
    return write != nullptr && write(context, to, from, bytes);
  }
};

}  // namespace qsplit::dataplane

#endif  // QSPLIT_DATAPLANE_DEVICE_MEMORY_H_
