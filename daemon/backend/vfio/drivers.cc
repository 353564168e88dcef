// Which driver has which functions: by PCI's numbers, here and nowhere else.
#include <cstdint>
#include <memory>

#include "daemon/backend/vfio/e1000e/e1000e.h"
#include "daemon/backend/vfio/igb/igb.h"
#include "daemon/backend/vfio/nic_driver.h"
#include "daemon/backend/vfio/virtio_net/virtio_net.h"

namespace qsplit::vfio {
namespace {

// PCI-SIG's list of vendors.
constexpr uint16_t kIntel = 0x8086;
constexpr uint16_t kRedHat = 0x1af4;

// Stands in where only the question is whether there is a driver.
class NoFunction : public FunctionAccess {
 public:
  RegisterWindow* Bar(uint32_t) override { return nullptr; }
  uint32_t ReadConfig(uint32_t, uint32_t) const override { return 0xffffffff; }
  void WriteConfig(uint32_t, uint32_t, uint32_t) override {}
  absl::Status Reset() override { return absl::FailedPreconditionError("no function"); }
  void SetBusMaster(bool) override {}
  absl::StatusOr<DmaMemory> AllocateDma(uint64_t) override {
    return absl::FailedPreconditionError("no function");
  }
  absl::Time Now() const override { return absl::InfiniteFuture(); }
  void Sleep(absl::Duration) override {}
};

}  // namespace

std::unique_ptr<NicDriver> MakeDriver(uint16_t vendor_id, uint16_t device_id, bool is_vf,
                                      FunctionAccess& function) {
  std::unique_ptr<NicDriver> driver;
  if (vendor_id == kIntel) {
    driver = MakeIgb(device_id, is_vf, function);
    if (driver == nullptr && !is_vf) driver = MakeE1000e(device_id, function);
  } else if (vendor_id == kRedHat && !is_vf) {
    driver = MakeVirtioNet(device_id, function);
  }
  return driver;
}

bool KnowsFunction(uint16_t vendor_id, uint16_t device_id, bool is_vf) {
  NoFunction none;
  return MakeDriver(vendor_id, device_id, is_vf, none) != nullptr;
}

}  // namespace qsplit::vfio
