// A lease's memory as the data plane's device sides reach it beside packets: for prefixes, tables
// and packets that lie in slots. Each access goes through the lease's IOMMU.
//
// The memory belongs to a hostile client, who may rewrite it meanwhile. Called by the worker's
// thread only; never allocates, never blocks.
#ifndef QSPLIT_DAEMON_BACKEND_SOFTNIC_IOMMU_MEMORY_H_
#define QSPLIT_DAEMON_BACKEND_SOFTNIC_IOMMU_MEMORY_H_

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "daemon/backend/softnic/iommu.h"
#include "dataplane/device_memory.h"

namespace qsplit::softnic {

class IommuMemory {
 public:
  explicit IommuMemory(const Iommu* iommu) : iommu_(iommu) {}
  IommuMemory(const IommuMemory&) = delete;
  IommuMemory& operator=(const IommuMemory&) = delete;

  // Works as long as this object, which must not move, and the IOMMU live.
  dataplane::DeviceMemory View() { return {this, &Read, &Write}; }

 private:
  static bool Read(void* self, dataplane::Iova from, std::byte* to, uint32_t bytes) {
    const std::byte* at = static_cast<IommuMemory*>(self)->At(from, bytes, Iommu::Access::kRead);
    if (at == nullptr) return false;
    std::memcpy(to, at, bytes);
    return true;
  }
  static bool Write(void* self, dataplane::Iova to, const std::byte* from, uint32_t bytes) {
    std::byte* at = static_cast<IommuMemory*>(self)->At(to, bytes, Iommu::Access::kWrite);
    if (at == nullptr) return false;
    std::memcpy(at, from, bytes);
    return true;
  }
  std::byte* At(dataplane::Iova address, uint32_t bytes, Iommu::Access access) {
    if (bytes == 0) return nullptr;
    const Iommu::Translation to = iommu_->Translate(address.value, bytes, access, &cursor_);
    return to.verdict == Iommu::Verdict::kOk ? to.at : nullptr;
  }

  const Iommu* iommu_;
  Iommu::Cursor cursor_;
};

}  // namespace qsplit::softnic

#endif  // QSPLIT_DAEMON_BACKEND_SOFTNIC_IOMMU_MEMORY_H_
