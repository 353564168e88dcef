// The PF's side of its VFs: what each may receive and send, and their requests.
//
// A VF has its pool (7.10), the address and the VLAN that the settings give it, and asks for the
// rest through its mailbox (7.10). Mailbox memory and the VF's flags are HOSTILE: a message is
// read once into a private copy and parsed there, a VF that never lets go of its mailbox is left
// waiting, one message of each VF is answered in a call, and no request reaches beyond the VF's own
// pool, its share of the VLAN table and its own part of the multicast table, of which all pools see
// the union. One thread at a time.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_HOST_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_HOST_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "daemon/backend/vfio/function_access.h"
#include "daemon/backend/vfio/igb/address_table.h"
#include "daemon/backend/vfio/igb/model.h"
#include "daemon/backend/vfio/igb/multicast_table.h"
#include "daemon/backend/vfio/igb/vf_message.h"
#include "daemon/backend/vfio/igb/vlan_table.h"
#include "daemon/backend/vfio/nic_driver.h"

namespace qsplit::vfio::igb {

// A pool must be left for the PF.
inline constexpr uint32_t kMaxVfs = 7;

class VfHost {
 public:
  VfHost(Chip chip, AddressTable& addresses, VlanTable& vlans, MulticastTable& multicast)
      : chip_(chip), addresses_(addresses), vlans_(vlans), multicast_(multicast) {}

  // 4.5 (virtualization): sets up each VF's pool and tells the VFs that the reset is over. At most
  // kMaxVfs; the tables have been started.
  absl::Status Start(RegisterWindow& registers, const std::vector<VfSetting>& vfs);
  // Resets and requests of VFs.
  void Service(RegisterWindow& registers);
  // The VFs neither send nor receive any more.
  void Stop(RegisterWindow& registers);

 private:
  struct Vf {
    VfSetting setting;
    bool clear_to_send = false;  // it has asked for a reset since it was reset
    uint32_t max_frame_bytes = 0;
    bool all_multicast = false;
  };
  void BackToSettings(RegisterWindow& registers, uint32_t vf);
  void WritePool(RegisterWindow& registers, uint32_t vf) const;
  bool TakeMailbox(RegisterWindow& registers, uint32_t vf) const;
  void ServeMailbox(RegisterWindow& registers, uint32_t vf);
  // Whether the request is granted.
  bool Grant(RegisterWindow& registers, uint32_t vf, const VfRequest& request);
  bool GrantVlan(RegisterWindow& registers, uint32_t vf, const VfRequest& request);
  uint32_t VlansOfEach() const;

  Chip chip_;
  AddressTable& addresses_;
  VlanTable& vlans_;
  MulticastTable& multicast_;
  std::vector<Vf> vfs_;
};

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_VF_HOST_H_
