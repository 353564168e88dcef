// Which queues of the specs have no plan of bursts, on either side. All others must have one: a
// plan that is lost makes a queue several times slower and changes nothing else, so that a test has
// to say it; one that is gained is to be taken out of these lists.
//
// Rings of commands (nvme, xhci) have no bursts at all: dataplane/command_ring.h.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_WITHOUT_PLAN_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_WITHOUT_PLAN_H_

#include <algorithm>
#include <cstdint>
#include <span>
#include <string_view>

namespace qsplit::dataplane::testing {

enum class PlanOf : uint8_t { kRxDriver, kRxDevice, kTxDriver, kTxDevice };

// Beginnings of names of cases (RxCase, TxCase).
//
// Completions of several slots, told by a sequence number or compressed; buffers in a table,
// several in each descriptor, or none but a block.
inline constexpr std::string_view kWithoutRxDriverPlan[] = {
    "broadcom_bnxt",
    "chelsio_cxgb4",
    "google_gve_gqi",
    "linux_tpacket3",
    "mellanox_mlx4",
    "mellanox_mlx5_Compression_checksum",
    "mellanox_mlx5_Compression_hash",
    "virtio_split",
};
// What is above, but for the sequence number; several rings of buffers; buffers of two parts, or
// with a number that the device must note.
inline constexpr std::string_view kWithoutRxDevicePlan[] = {
    "amazon_ena",       "broadcom_bnxt",  "chelsio_cxgb4",
    "cisco_enic",       "google_gve_dqo", "intel_e1000_extended_Buffers_split",
    "intel_idpf_split", "linux_tpacket3", "mellanox_mlx4",
    "mellanox_mlx5",    "netmap",         "virtio_split",
    "vmware_vmxnet3",
};
// Each slot says for itself that it is done; packets named by tags and all before them with them;
// packets in a table; buffers that have numbers.
inline constexpr std::string_view kWithoutTxDriverPlan[] = {
    "broadcom_bnxt", "linux_tpacket3", "netmap", "realtek_rtl8169", "virtio_split",
};
// Something of each packet stands elsewhere, in front of it or in descriptors beside its own; or
// descriptors say how many there are; or times come unasked.
inline constexpr std::string_view kWithoutTxDevicePlan[] = {
    "amazon_ena_Completion_extended",
    "broadcom_bnxt",
    "chelsio_cxgb4",
    "cisco_enic",
    "google_gve_gqi",
    "linux_af_xdp_Chunks_aligned_Metadata_on",
    "linux_af_xdp_Chunks_unaligned_Metadata_on",
    "linux_tpacket3",
    "mellanox_mlx4",
    "mellanox_mlx5",
    "netmap",
    "virtio_packed",
    "virtio_split",
    "vmware_vmxnet3",
};

inline bool HasPlan(PlanOf side, std::string_view name) {
  constexpr std::span<const std::string_view> kWithout[] = {
      kWithoutRxDriverPlan, kWithoutRxDevicePlan, kWithoutTxDriverPlan, kWithoutTxDevicePlan};
  return std::ranges::none_of(kWithout[static_cast<uint32_t>(side)],
                              [&](std::string_view one) { return name.starts_with(one); });
}

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_WITHOUT_PLAN_H_
