// Sizes of rings, of the macros that are named behind each spec.
#include <gtest/gtest.h>
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// ENA_MIN_RING_DESC; the depth is a power of two of 16 bits (ena_com.h).
constexpr RingSize kAmazonEna[] = {
    {"receive", "buffers", 128, 32768, 0, 1},
    {"receive", "completions", 128, 32768, 0, 1},
    {"receive", "completions_extended", 128, 32768, 0, 1},
    {"transmit", "descriptors", 128, 32768, 0, 1},
    {"transmit", "completions", 128, 32768, 0, 1},
    {"transmit", "completions_extended", 128, 32768, 0, 1},
};
TEST(RingSizes, AmazonEna) { CheckRings("amazon.ena", kAmazonEna); }

// BNXT_MAX_RX_RING_DESC, BNXT_MAX_TX_RING_DESC; pages of rings.
constexpr RingSize kBroadcomBnxt[] = {
    {"receive", "buffers", 16, 8192, 0, 4096},
    {"receive", "more_buffers", 16, 32768, 0, 4096},
    {"receive", "completions", 32, 65536, 0, 4096},
    {"transmit", "descriptors", 16, 4096, 0, 4096},
    {"transmit", "completions", 16, 65536, 0, 4096},
};
TEST(RingSizes, BroadcomBnxt) { CheckRings("broadcom.bnxt", kBroadcomBnxt); }

// CXGBE_MIN_RING_DESC_SIZE, CXGBE_MAX_RING_DESC_SIZE; 8 buffers in a descriptor of the free list.
constexpr RingSize kChelsioCxgb4[] = {
    {"receive", "free_list", 128 / 8, 4096 / 8, 1, 64},
    {"receive", "responses", 128, 4096, 16, 64},
    {"transmit", "descriptors", 128, 4096, 1, 64},
};
TEST(RingSizes, ChelsioCxgb4) { CheckRings("chelsio.cxgb4", kChelsioCxgb4); }

// ENIC_MIN_RQ_DESCS, ENIC_LEGACY_MAX_RQ_DESCS, ENIC_MIN_WQ_DESCS; vnic_dev_desc_ring_size.
constexpr RingSize kCiscoEnic[] = {
    {"receive", "buffers", 64, 4096, 32, 512},
    {"receive", "more_buffers", 64, 4096, 32, 512},
    {"receive", "completions", 64, 2 * 4096, 32, 512},
    {"receive", "completions_large", 64, 2 * 4096, 32, 512},
    {"transmit", "descriptors", 64, 4096, 32, 512},
    {"transmit", "completions", 64, 4096, 32, 512},
};
TEST(RingSizes, CiscoEnic) { CheckRings("cisco.enic", kCiscoEnic); }

// GVE_DEFAULT_MIN_RX_RING_SIZE, GVE_DEFAULT_MIN_TX_RING_SIZE, GVE_MAX_QUEUE_SIZE_DQO.
constexpr RingSize kGoogleGveDqo[] = {
    {"receive", "buffers", 512, 4096, 0, 4096},
    {"receive", "completions", 512, 4096, 0, 4096},
    {"transmit", "descriptors", 256, 4096, 0, 4096},
    {"transmit", "completions", 256, 4096, 0, 4096},
};
TEST(RingSizes, GoogleGveDqo) { CheckRings("google.gve.dqo", kGoogleGveDqo); }

// the same, GVE_MAX_RING_SIZE_GQ_QPL.
constexpr RingSize kGoogleGveGqi[] = {
    {"receive", "data", 512, 2048, 0, 4096},
    {"receive", "descriptors", 512, 2048, 0, 4096},
    {"transmit", "descriptors", 256, 2048, 0, 4096},
};
TEST(RingSizes, GoogleGveGqi) { CheckRings("google.gve.gqi", kGoogleGveGqi); }

// HNS3_MIN_RING_DESC, HNS3_MAX_RING_DESC, HNS3_ALIGN_RING_DESC, HNS3_RING_BASE_ALIGN.
constexpr RingSize kHisiliconHns3[] = {
    {"receive", "descriptors", 64, 32768, 32, 128},
    {"transmit", "descriptors", 64, 32768, 32, 128},
};
TEST(RingSizes, HisiliconHns3) { CheckRings("hisilicon.hns3", kHisiliconHns3); }

// Linux e1000e: E1000_MIN_RXD, E1000_MAX_RXD; lengths in 128 bytes.
constexpr RingSize kIntelE1000Extended[] = {
    {"receive", "descriptors", 64, 4096, 128 / 16, 128},
    {"receive", "split_descriptors", 64, 4096, 128 / 32, 128},
    {"transmit", "descriptors", 64, 4096, 128 / 16, 128},
};
TEST(RingSizes, IntelE1000Extended) { CheckRings("intel.e1000.extended", kIntelE1000Extended); }

// Linux e1000: E1000_MIN_RXD, E1000_MAX_82544_RXD; lengths in 128 bytes.
constexpr RingSize kIntelE1000Legacy[] = {
    {"receive", "descriptors", 48, 4096, 128 / 16, 16},
    {"transmit", "descriptors", 48, 4096, 128 / 16, 16},
};
TEST(RingSizes, IntelE1000Legacy) { CheckRings("intel.e1000.legacy", kIntelE1000Legacy); }

// I40E_MIN_RING_DESC, I40E_MAX_RING_DESC, I40E_ALIGN_RING_DESC, I40E_RING_BASE_ALIGN.
constexpr RingSize kIntelI40e[] = {
    {"receive", "descriptors", 64, 8160, 32, 128},
    {"receive", "large_descriptors", 64, 8160, 32, 128},
    {"transmit", "descriptors", 64, 8160, 32, 128},
    {"transmit", "head_descriptors", 64, 8160, 32, 128},
};
TEST(RingSizes, IntelI40e) { CheckRings("intel.i40e", kIntelI40e); }

// ICE_MIN_RING_DESC, ICE_MAX_RING_DESC_E830, ICE_ALIGN_RING_DESC, ICE_RING_BASE_ALIGN.
constexpr RingSize kIntelIceFlex[] = {
    {"receive", "descriptors", 64, 8096, 32, 128},
    {"transmit", "descriptors", 64, 8096, 32, 128},
};
TEST(RingSizes, IntelIceFlex) { CheckRings("intel.ice.flex", kIntelIceFlex); }

// IDPF_MIN_RING_DESC, IDPF_MAX_RING_DESC, IDPF_ALIGN_RING_DESC, IDPF_RING_BASE_ALIGN.
constexpr RingSize kIntelIdpfSplit[] = {
    {"receive", "small_buffers", 32, 4096, 32, 128},
    {"receive", "large_buffers", 32, 4096, 32, 128},
    {"receive", "completions", 32, 4096, 32, 128},
    {"transmit", "descriptors", 32, 4096, 32, 128},
    {"transmit", "completions", 32, 4096, 32, 128},
};
TEST(RingSizes, IntelIdpfSplit) { CheckRings("intel.idpf.split", kIntelIdpfSplit); }

// Linux igb: IGB_MIN_RXD, IGB_MAX_RXD, IGB_MIN_TXD, IGB_MAX_TXD; E1000_ALIGN.
constexpr RingSize kIntelIgbAdvanced[] = {
    {"receive", "descriptors", 64, 4096, 128 / 16, 128},
    {"transmit", "descriptors", 64, 4096, 128 / 16, 128},
    {"transmit", "head_descriptors", 64, 4096, 128 / 16, 128},
};
TEST(RingSizes, IntelIgbAdvanced) { CheckRings("intel.igb.advanced", kIntelIgbAdvanced); }

// IXGBE_MIN_RING_DESC, IXGBE_MAX_RING_DESC, IXGBE_ALIGN.
constexpr RingSize kIntelIxgbeAdvanced[] = {
    {"receive", "descriptors", 64, 8192, 128 / 16, 128},
    {"transmit", "descriptors", 64, 8192, 128 / 16, 128},
};
TEST(RingSizes, IntelIxgbeAdvanced) { CheckRings("intel.ixgbe.advanced", kIntelIxgbeAdvanced); }

// MRVL_NETA_RXD_MIN, MRVL_NETA_RXD_MAX, MRVL_NETA_RXD_ALIGN, and TXD.
constexpr RingSize kMarvellMvneta[] = {
    {"receive", "descriptors", 16, 2048, 1, 32},
    {"transmit", "descriptors", 16, 2048, 1, 32},
};
TEST(RingSizes, MarvellMvneta) { CheckRings("marvell.mvneta", kMarvellMvneta); }

// MIN_BD_COUNT, MAX_BD_COUNT, BD_ALIGN (slots).
constexpr RingSize kNxpEnetc[] = {
    {"receive", "descriptors", 32, 64000, 8, 128},
    {"receive", "descriptors_extended", 32, 64000 / 2, 8, 128},
    {"transmit", "descriptors", 32, 64000, 8, 128},
};
TEST(RingSizes, NxpEnetc) { CheckRings("nxp.enetc", kNxpEnetc); }

// RTL_MAX_RX_DESC, RTL_MAX_TX_DESC.
constexpr RingSize kRealtekRtl8169[] = {
    {"receive", "descriptors_fourth", 4, 4096, 1, 256},
    {"receive", "descriptors", 4, 4096, 1, 256},
    {"transmit", "descriptors", 4, 4096, 1, 256},
};
TEST(RingSizes, RealtekRtl8169) { CheckRings("realtek.rtl8169", kRealtekRtl8169); }

// virtio 1.2, 2.8.10.1: Queue Size of at most 2^15, alignment 16.
constexpr RingSize kVirtioPacked[] = {
    {"receive", "descriptors", 1, 1 << 15, 1, 16},
    {"transmit", "descriptors", 1, 1 << 15, 1, 16},
};
TEST(RingSizes, VirtioPacked) { CheckRings("virtio.packed", kVirtioPacked); }

// VRING_DESC_ALIGN_SIZE, VRING_AVAIL_ALIGN_SIZE, VRING_USED_ALIGN_SIZE.
constexpr RingSize kVirtioSplit[] = {
    {"receive", "descriptors", 1, 1 << 15, 0, VRING_DESC_ALIGN_SIZE},
    {"receive", "available", 1, 1 << 15, 0, VRING_AVAIL_ALIGN_SIZE},
    {"receive", "used", 1, 1 << 15, 0, VRING_USED_ALIGN_SIZE},
    {"transmit", "descriptors", 1, 1 << 15, 0, VRING_DESC_ALIGN_SIZE},
    {"transmit", "available", 1, 1 << 15, 0, VRING_AVAIL_ALIGN_SIZE},
    {"transmit", "used", 1, 1 << 15, 0, VRING_USED_ALIGN_SIZE},
};
TEST(RingSizes, VirtioSplit) { CheckRings("virtio.split", kVirtioSplit); }

// VMXNET3_RX_RING_MAX_SIZE and its neighbours, VMXNET3_RING_SIZE_ALIGN, VMXNET3_RING_BA_ALIGN.
constexpr RingSize kVmwareVmxnet3[] = {
    {"receive", "heads", 32, 4096, 32, 512},        {"receive", "bodies", 32, 4096, 32, 512},
    {"receive", "completions", 32, 8192, 32, 512},  {"transmit", "descriptors", 32, 4096, 32, 512},
    {"transmit", "completions", 32, 4096, 32, 512},
};
TEST(RingSizes, VmwareVmxnet3) { CheckRings("vmware.vmxnet3", kVmwareVmxnet3); }

}  // namespace
}  // namespace qsplit::testing
