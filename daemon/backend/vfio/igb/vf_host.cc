#include "daemon/backend/vfio/igb/vf_host.h"

#include "daemon/backend/vfio/igb/registers.h"

namespace qsplit::vfio::igb {
namespace {

using Kind = VfRequest::Kind;

constexpr uint32_t kDefaultFrameBytes = 1522;  // with a tag and the CRC
constexpr uint32_t kMinFrameBytes = 64;

}  // namespace

absl::Status VfHost::Start(RegisterWindow& registers, const std::vector<VfSetting>& vfs) {
  vfs_.clear();
  for (const VfSetting& setting : vfs) vfs_.push_back({.setting = setting});
  const uint32_t bits = (1u << vfs.size()) - 1;
  for (uint32_t vf = 0; vf < vfs_.size(); ++vf) {
    absl::Status status = addresses_.SetPools(registers, vfs_[vf].setting.mac, 1u << vf);
    if (!status.ok()) return status;
    BackToSettings(registers, vf);
  }
  if (vfs_.empty()) return absl::OkStatus();
  // 7.10.3.6: packets between VFs and PF do not leave the NIC, and a VF sends from its own address
  // and VLAN alone (DTXSWC; the I350's is TXSWC).
  registers.Write32(chip_ == Chip::k82576 ? kDtxswc : kTxswc,
                    kTxswcLoopback | bits | bits << kTxswcVlanSpoofShift);
  registers.Write32(kMbvfimr, bits);
  registers.Write32(kMbvficr, registers.Read32(kMbvficr));
  registers.Write32(kVflre, registers.Read32(kVflre));
  // CTRL_EXT.PFRSTD: VFs that wait for the PF's reset to end may go on.
  registers.Write32(kCtrlExt, registers.Read32(kCtrlExt) | kCtrlExtPfResetDone);
  return absl::OkStatus();
}

void VfHost::Stop(RegisterWindow& registers) {
  vfs_.clear();
  registers.Write32(kVfre, 0);
  registers.Write32(kVfte, 0);
}

void VfHost::BackToSettings(RegisterWindow& registers, uint32_t vf) {
  Vf& it = vfs_[vf];
  it.clear_to_send = false;
  it.max_frame_bytes = kDefaultFrameBytes;
  it.all_multicast = false;
  multicast_.Set(registers, vf, {});
  vlans_.RemovePool(registers, vf);
  const uint16_t vid = it.setting.vlan;
  if (vid != 0) {
    // Its share of the table is never empty, see VlansOfEach.
    vlans_.Add(registers, vid, vf).IgnoreError();
  }
  // VMVIR: a VF in a VLAN of the administrator's sends tagged, whatever it says itself.
  registers.Write32(Vmvir(vf), vid == 0 ? 0 : vid | kVmvirAlways);
  WritePool(registers, vf);
  // VFRE, VFTE: a reset of the VF has cleared its bits.
  registers.Write32(kVfre, registers.Read32(kVfre) | 1u << vf);
  registers.Write32(kVfte, registers.Read32(kVfte) | 1u << vf);
}

void VfHost::WritePool(RegisterWindow& registers, uint32_t vf) const {
  const Vf& it = vfs_[vf];
  uint32_t vmolr = it.max_frame_bytes | kVmolrLongPackets | kVmolrBroadcast | kVmolrMulticastTable;
  if (chip_ == Chip::k82576) vmolr |= kVmolrStripVlan | kVmolrStripCrc;
  if (it.setting.vlan == 0) vmolr |= kVmolrUntagged;
  if (it.all_multicast) vmolr |= kVmolrMulticastPromiscuous;
  registers.Write32(Vmolr(vf), vmolr);
}

void VfHost::Service(RegisterWindow& registers) {
  const uint32_t resets = registers.Read32(kVflre);
  const uint32_t requests = registers.Read32(kMbvficr);
  for (uint32_t vf = 0; vf < vfs_.size(); ++vf) {
    if ((resets >> vf & 1) != 0) {
      registers.Write32(kVflre, 1u << vf);
      BackToSettings(registers, vf);
    }
    if ((requests >> vf & 1) != 0) ServeMailbox(registers, vf);
  }
}

bool VfHost::TakeMailbox(RegisterWindow& registers, uint32_t vf) const {
  registers.Write32(Pfmailbox(vf), kPfmailboxPfOwns);
  return (registers.Read32(Pfmailbox(vf)) & kPfmailboxPfOwns) != 0;
}

void VfHost::ServeMailbox(RegisterWindow& registers, uint32_t vf) {
  // The VF keeps its mailbox: its request stays pending, and the next call tries again.
  if (!TakeMailbox(registers, vf)) return;
  registers.Write32(kMbvficr, 1u << vf);
  MailboxWords words;
  for (uint32_t i = 0; i < words.size(); ++i) words[i] = registers.Read32(Mailbox(vf) + 4 * i);
  const VfRequest request = ParseVfMessage(words);
  if (request.kind == Kind::kNone) {
    registers.Write32(Pfmailbox(vf), kPfmailboxAcknowledge);
    return;
  }
  const bool granted = Grant(registers, vf, request);
  MailboxWords answer = {words[0] & (kMessageKindMask | 0xffu << kMessageInfoShift)};
  answer[0] |= granted ? kMessageAck : kMessageNack;
  uint32_t length = 1;
  if (request.kind == Kind::kReset) {
    PutMac(vfs_[vf].setting.mac, answer);
    length = 3;
  } else if (vfs_[vf].clear_to_send) {
    answer[0] |= kMessageCts;
  }
  for (uint32_t i = 0; i < length; ++i) registers.Write32(Mailbox(vf) + 4 * i, answer[i]);
  // Read, answered, and given back: the VF cannot take the mailbox in between.
  registers.Write32(Pfmailbox(vf), kPfmailboxAcknowledge | kPfmailboxStatus);
}

bool VfHost::Grant(RegisterWindow& registers, uint32_t vf, const VfRequest& request) {
  Vf& it = vfs_[vf];
  if (request.kind == Kind::kReset) {
    BackToSettings(registers, vf);
    it.clear_to_send = true;
    return true;
  }
  if (!it.clear_to_send) return false;
  switch (request.kind) {
    case Kind::kSetMac:
      return request.mac == it.setting.mac;
    case Kind::kClearMacFilters:
      return true;  // it has none beside its own
    case Kind::kSetMulticast:
      multicast_.Set(registers, vf, request.multicast_hashes());
      return true;
    case Kind::kAddVlan:
    case Kind::kRemoveVlan:
      return GrantVlan(registers, vf, request);
    case Kind::kSetMaxFrame:
      if (request.max_frame_bytes < kMinFrameBytes || request.max_frame_bytes > kMaxFrameBytes) {
        return false;
      }
      it.max_frame_bytes = request.max_frame_bytes;
      WritePool(registers, vf);
      return true;
    case Kind::kSetPromiscuity:
      if (request.unicast) return false;
      it.all_multicast = request.multicast;
      WritePool(registers, vf);
      return true;
    default:
      return false;
  }
}

bool VfHost::GrantVlan(RegisterWindow& registers, uint32_t vf, const VfRequest& request) {
  if (vfs_[vf].setting.vlan != 0) return false;
  if (request.kind == Kind::kRemoveVlan) {
    vlans_.Remove(registers, request.vid, vf);
    return true;
  }
  if (vlans_.Has(request.vid, vf)) return true;
  if (vlans_.CountOf(vf) >= VlansOfEach()) return false;
  return vlans_.Add(registers, request.vid, vf).ok();
}

uint32_t VfHost::VlansOfEach() const {
  // Each pool of the PF needs one VLAN at most; the rest is shared out, so that no VF can take
  // another's part.
  const auto vfs = static_cast<uint32_t>(vfs_.size());
  return (kVlvfEntries - (kPools - vfs)) / vfs;
}

}  // namespace qsplit::vfio::igb
