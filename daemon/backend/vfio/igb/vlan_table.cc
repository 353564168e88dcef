#include "daemon/backend/vfio/igb/vlan_table.h"

#include "absl/strings/str_cat.h"

namespace qsplit::vfio::igb {

void VlanTable::Start(RegisterWindow& registers) {
  entries_ = {};
  vfta_ = {};
  for (uint32_t i = 0; i < kVlvfEntries; ++i) registers.Write32(Vlvf(i), 0);
  for (uint32_t i = 0; i < kVftaWords; ++i) registers.Write32(Vfta(i), 0);
}

absl::Status VlanTable::Add(RegisterWindow& registers, uint16_t vid, uint32_t pool) {
  uint32_t at = kVlvfEntries;
  for (uint32_t i = kVlvfEntries; i-- > 0;) {
    if (entries_[i].pools == 0) at = i;
  }
  for (uint32_t i = 0; i < kVlvfEntries; ++i) {
    if (entries_[i].pools != 0 && entries_[i].vid == vid) at = i;
  }
  if (at == kVlvfEntries) {
    return absl::ResourceExhaustedError(
        absl::StrCat("all ", kVlvfEntries, " filters for VLANs are in use; remove a rule"));
  }
  entries_[at].vid = vid;
  entries_[at].pools |= static_cast<uint8_t>(1u << pool);
  vfta_[vid >> 5] |= 1u << (vid & 0x1f);
  Write(registers, at, vid);
  return absl::OkStatus();
}

void VlanTable::Remove(RegisterWindow& registers, uint16_t vid, uint32_t pool) {
  for (uint32_t i = 0; i < kVlvfEntries; ++i) {
    Entry& entry = entries_[i];
    if (entry.vid != vid || (entry.pools >> pool & 1) == 0) continue;
    entry.pools &= static_cast<uint8_t>(~(1u << pool));
    if (entry.pools == 0) vfta_[vid >> 5] &= ~(1u << (vid & 0x1f));
    Write(registers, i, vid);
  }
}

void VlanTable::RemovePool(RegisterWindow& registers, uint32_t pool) {
  for (const Entry& entry : entries_) {
    if ((entry.pools >> pool & 1) != 0) Remove(registers, entry.vid, pool);
  }
}

uint32_t VlanTable::CountOf(uint32_t pool) const {
  uint32_t count = 0;
  for (const Entry& entry : entries_) count += entry.pools >> pool & 1;
  return count;
}

bool VlanTable::Has(uint16_t vid, uint32_t pool) const {
  for (const Entry& entry : entries_) {
    if (entry.vid == vid && (entry.pools >> pool & 1) != 0) return true;
  }
  return false;
}

void VlanTable::Write(RegisterWindow& registers, uint32_t index, uint16_t vid) const {
  const Entry& entry = entries_[index];
  registers.Write32(
      Vlvf(index),
      entry.pools == 0 ? 0 : entry.vid | uint32_t{entry.pools} << kVlvfPoolShift | kVlvfValid);
  // I350 erratum (Linux igb_write_vfta_i350): a write of VFTA may be lost; it is made ten times.
  for (int i = 0; i < 10; ++i) registers.Write32(Vfta(vid >> 5), vfta_[vid >> 5]);
}

}  // namespace qsplit::vfio::igb
