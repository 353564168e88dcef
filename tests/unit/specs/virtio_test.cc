// Linux's virtio_ring.h and virtio_net.h, as the compiler lays them out.
#define class class_  // a member of virtio_net_ctrl_hdr
#include <linux/virtio_net.h>
#undef class
#define VIRTIO_RING_NO_LEGACY
#include <gtest/gtest.h>
#include <linux/virtio_ring.h>

#include <vector>

#include "tests/unit/specs/header_facts.h"

namespace qsplit::testing {
namespace {

static_assert(sizeof(virtio_net_hdr_v1) == 12 && sizeof(vring_desc) == 16);
static_assert(sizeof(vring_used_elem) == 8 && sizeof(vring_packed_desc) == 16);
static_assert(offsetof(vring_avail, ring) == 4 && offsetof(vring_used, ring) == 4);
static_assert(offsetof(vring_avail, idx) == 2 && offsetof(vring_used, idx) == 2);

constexpr uint32_t kHeader = sizeof(virtio_net_hdr_v1);
static_assert(sizeof(virtio_net_hdr_v1_hash) == kHeader + 8);

// Without the bit of explicit congestion notification.
constexpr uint64_t kGsoType = 0xff & ~uint64_t{VIRTIO_NET_HDR_GSO_ECN};

constexpr Fact kHeaders[] = {
    BITS("RxHeader", "needs_checksum", virtio_net_hdr_v1, flags, VIRTIO_NET_HDR_F_NEEDS_CSUM),
    BITS("RxHeader", "data_valid", virtio_net_hdr_v1, flags, VIRTIO_NET_HDR_F_DATA_VALID),
    BITS("RxHeader", "rsc_info", virtio_net_hdr_v1, flags, VIRTIO_NET_HDR_F_RSC_INFO),
    BITS("RxHeader", "gso_type", virtio_net_hdr_v1, gso_type, kGsoType),
    BITS("RxHeader", "ecn", virtio_net_hdr_v1, gso_type, VIRTIO_NET_HDR_GSO_ECN),
    MEMBER("RxHeader", "header_length", virtio_net_hdr_v1, hdr_len),
    MEMBER("RxHeader", "segment_size", virtio_net_hdr_v1, gso_size),
    MEMBER("RxHeader", "checksum_start", virtio_net_hdr_v1, csum_start),
    MEMBER("RxHeader", "checksum_offset", virtio_net_hdr_v1, csum_offset),
    MEMBER("RxHeader", "rsc_segments", virtio_net_hdr_v1, rsc.segments),
    MEMBER("RxHeader", "rsc_acks", virtio_net_hdr_v1, rsc.dup_acks),
    MEMBER("RxHeader", "num_buffers", virtio_net_hdr_v1, num_buffers),
    {"HashReport", "hash", offsetof(virtio_net_hdr_v1_hash, hash_value) - kHeader, 0xffffffff},
    {"HashReport", "hash_type", offsetof(virtio_net_hdr_v1_hash, hash_report) - kHeader, 0xffff},
    BITS("TxHeader", "needs_checksum", virtio_net_hdr_v1, flags, VIRTIO_NET_HDR_F_NEEDS_CSUM),
    BITS("TxHeader", "gso_type", virtio_net_hdr_v1, gso_type, kGsoType),
    BITS("TxHeader", "ecn", virtio_net_hdr_v1, gso_type, VIRTIO_NET_HDR_GSO_ECN),
    MEMBER("TxHeader", "header_length", virtio_net_hdr_v1, hdr_len),
    MEMBER("TxHeader", "segment_size", virtio_net_hdr_v1, gso_size),
    MEMBER("TxHeader", "checksum_start", virtio_net_hdr_v1, csum_start),
    MEMBER("TxHeader", "checksum_offset", virtio_net_hdr_v1, csum_offset),
    MEMBER("TxHeader", "num_buffers", virtio_net_hdr_v1, num_buffers),
};

constexpr Fact kSplit[] = {
    MEMBER("RxDescriptor", "address", vring_desc, addr),
    MEMBER("RxDescriptor", "length", vring_desc, len),
    BITS("RxDescriptor", "next_present", vring_desc, flags, VRING_DESC_F_NEXT),
    BITS("RxDescriptor", "device_writes", vring_desc, flags, VRING_DESC_F_WRITE),
    BITS("RxDescriptor", "indirect", vring_desc, flags, VRING_DESC_F_INDIRECT),
    MEMBER("RxDescriptor", "next", vring_desc, next),
    MEMBER("TxDescriptor", "address", vring_desc, addr),
    MEMBER("TxDescriptor", "length", vring_desc, len),
    BITS("TxDescriptor", "next_present", vring_desc, flags, VRING_DESC_F_NEXT),
    BITS("TxDescriptor", "device_writes", vring_desc, flags, VRING_DESC_F_WRITE),
    BITS("TxDescriptor", "indirect", vring_desc, flags, VRING_DESC_F_INDIRECT),
    MEMBER("TxDescriptor", "next", vring_desc, next),
    {"Available", "head", 0, 0xffff},
    MEMBER("RxUsed", "id", vring_used_elem, id),
    MEMBER("RxUsed", "length", vring_used_elem, len),
    MEMBER("TxUsed", "id", vring_used_elem, id),
    MEMBER("TxUsed", "length", vring_used_elem, len),
};

constexpr uint64_t kAvail = 1 << VRING_PACKED_DESC_F_AVAIL;
constexpr uint64_t kUsed = 1 << VRING_PACKED_DESC_F_USED;

constexpr Fact kPacked[] = {
    MEMBER("RxAvailable", "address", vring_packed_desc, addr),
    MEMBER("RxAvailable", "length", vring_packed_desc, len),
    MEMBER("RxAvailable", "id", vring_packed_desc, id),
    BITS("RxAvailable", "next_present", vring_packed_desc, flags, VRING_DESC_F_NEXT),
    BITS("RxAvailable", "device_writes", vring_packed_desc, flags, VRING_DESC_F_WRITE),
    BITS("RxAvailable", "indirect", vring_packed_desc, flags, VRING_DESC_F_INDIRECT),
    BITS("RxAvailable", "available", vring_packed_desc, flags, kAvail),
    BITS("RxAvailable", "used", vring_packed_desc, flags, kUsed),
    MEMBER("RxUsed", "length", vring_packed_desc, len),
    MEMBER("RxUsed", "id", vring_packed_desc, id),
    BITS("RxUsed", "written", vring_packed_desc, flags, VRING_DESC_F_WRITE),
    BITS("RxUsed", "available", vring_packed_desc, flags, kAvail),
    BITS("RxUsed", "used", vring_packed_desc, flags, kUsed),
    MEMBER("TxAvailable", "address", vring_packed_desc, addr),
    MEMBER("TxAvailable", "length", vring_packed_desc, len),
    MEMBER("TxAvailable", "id", vring_packed_desc, id),
    BITS("TxAvailable", "next_present", vring_packed_desc, flags, VRING_DESC_F_NEXT),
    BITS("TxAvailable", "device_writes", vring_packed_desc, flags, VRING_DESC_F_WRITE),
    BITS("TxAvailable", "indirect", vring_packed_desc, flags, VRING_DESC_F_INDIRECT),
    BITS("TxAvailable", "available", vring_packed_desc, flags, kAvail),
    BITS("TxAvailable", "used", vring_packed_desc, flags, kUsed),
    MEMBER("TxUsed", "id", vring_packed_desc, id),
    BITS("TxUsed", "available", vring_packed_desc, flags, kAvail),
    BITS("TxUsed", "used", vring_packed_desc, flags, kUsed),
    BITS("EventSuppression", "wrap", vring_packed_desc_event, off_wrap,
         1 << VRING_PACKED_EVENT_F_WRAP_CTR),
    BITS("EventSuppression", "offset", vring_packed_desc_event, off_wrap,
         (1 << VRING_PACKED_EVENT_F_WRAP_CTR) - 1),
    BITS("EventSuppression", "flags", vring_packed_desc_event, flags,
         VRING_PACKED_EVENT_FLAG_DISABLE | VRING_PACKED_EVENT_FLAG_DESC),
};

std::vector<Fact> WithHeaders(std::span<const Fact> ring) {
  std::vector<Fact> out(std::begin(kHeaders), std::end(kHeaders));
  out.insert(out.end(), ring.begin(), ring.end());
  return out;
}

TEST(SpecFacts, VirtioSplit) { CheckFacts("virtio.split", WithHeaders(kSplit)); }
TEST(SpecFacts, VirtioPacked) { CheckFacts("virtio.packed", WithHeaders(kPacked)); }

}  // namespace
}  // namespace qsplit::testing
