// Values of enumerations, of the macros that headers on this machine have.
#include <gtest/gtest.h>
#include <infiniband/mlx4dv.h>
#include <infiniband/mlx5dv.h>
#include <linux/if_packet.h>
#define class class_  // a member of virtio_net_ctrl_hdr
#include <linux/virtio_net.h>
#undef class
#define VIRTIO_RING_NO_LEGACY
#include <linux/virtio_ring.h>

#include <vector>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

constexpr Value kVirtio[] = {
    {"GsoType", "none", VIRTIO_NET_HDR_GSO_NONE},
    {"GsoType", "tcp4", VIRTIO_NET_HDR_GSO_TCPV4},
    {"GsoType", "ufo", VIRTIO_NET_HDR_GSO_UDP},
    {"GsoType", "tcp6", VIRTIO_NET_HDR_GSO_TCPV6},
    {"GsoType", "uso", 5},  // VIRTIO_NET_HDR_GSO_UDP_L4, newer than the header here
    {"HashType", "none", VIRTIO_NET_HASH_REPORT_NONE},
    {"HashType", "ip4", VIRTIO_NET_HASH_REPORT_IPv4},
    {"HashType", "tcp4", VIRTIO_NET_HASH_REPORT_TCPv4},
    {"HashType", "udp4", VIRTIO_NET_HASH_REPORT_UDPv4},
    {"HashType", "ip6", VIRTIO_NET_HASH_REPORT_IPv6},
    {"HashType", "tcp6", VIRTIO_NET_HASH_REPORT_TCPv6},
    {"HashType", "udp6", VIRTIO_NET_HASH_REPORT_UDPv6},
    {"HashType", "ip6ex", VIRTIO_NET_HASH_REPORT_IPv6_EX},
    {"HashType", "tcp6ex", VIRTIO_NET_HASH_REPORT_TCPv6_EX},
    {"HashType", "udp6ex", VIRTIO_NET_HASH_REPORT_UDPv6_EX},
};

TEST(Values, VirtioSplit) { CheckValues("virtio.split", kVirtio); }

TEST(Values, VirtioPacked) {
  std::vector<Value> values(std::begin(kVirtio), std::end(kVirtio));
  values.push_back({"EventFlags", "enable", VRING_PACKED_EVENT_FLAG_ENABLE});
  values.push_back({"EventFlags", "disable", VRING_PACKED_EVENT_FLAG_DISABLE});
  values.push_back({"EventFlags", "at_descriptor", VRING_PACKED_EVENT_FLAG_DESC});
  CheckValues("virtio.packed", values);
}

TEST(Values, Tpacket3) {
  const Value values[] = {
      {"PacketKind", "host", PACKET_HOST},           {"PacketKind", "broadcast", PACKET_BROADCAST},
      {"PacketKind", "multicast", PACKET_MULTICAST}, {"PacketKind", "other_host", PACKET_OTHERHOST},
      {"PacketKind", "outgoing", PACKET_OUTGOING},   {"PacketKind", "loopback", PACKET_LOOPBACK},
  };
  CheckValues("linux.tpacket3", values);
}

constexpr Value kMlx5[] = {
    {"CqeOpcode", "request", MLX5_CQE_REQ},
    {"CqeOpcode", "write_imm", MLX5_CQE_RESP_WR_IMM},
    {"CqeOpcode", "receive", MLX5_CQE_RESP_SEND},
    {"CqeOpcode", "receive_imm", MLX5_CQE_RESP_SEND_IMM},
    {"CqeOpcode", "receive_inv", MLX5_CQE_RESP_SEND_INV},
    {"CqeOpcode", "resize", MLX5_CQE_RESIZE_CQ},
    {"CqeOpcode", "no_packet", MLX5_CQE_NO_PACKET},
    {"CqeOpcode", "signature", MLX5_CQE_SIG_ERR},
    {"CqeOpcode", "request_error", MLX5_CQE_REQ_ERR},
    {"CqeOpcode", "receive_error", MLX5_CQE_RESP_ERR},
    {"CqeOpcode", "invalid", MLX5_CQE_INVALID},
    {"L3", "none", MLX5_CQE_L3_HDR_TYPE_NONE},
    {"L3", "ip6", MLX5_CQE_L3_HDR_TYPE_IPV6},
    {"L3", "ip4", MLX5_CQE_L3_HDR_TYPE_IPV4},
    {"Syndrome", "none", 0},
    {"Syndrome", "local_length", MLX5_CQE_SYNDROME_LOCAL_LENGTH_ERR},
    {"Syndrome", "local_operation", MLX5_CQE_SYNDROME_LOCAL_QP_OP_ERR},
    {"Syndrome", "local_protection", MLX5_CQE_SYNDROME_LOCAL_PROT_ERR},
    {"Syndrome", "flushed", MLX5_CQE_SYNDROME_WR_FLUSH_ERR},
    {"Syndrome", "window_bind", MLX5_CQE_SYNDROME_MW_BIND_ERR},
    {"Syndrome", "bad_response", MLX5_CQE_SYNDROME_BAD_RESP_ERR},
    {"Syndrome", "local_access", MLX5_CQE_SYNDROME_LOCAL_ACCESS_ERR},
    {"Syndrome", "remote_invalid", MLX5_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR},
    {"Syndrome", "remote_access", MLX5_CQE_SYNDROME_REMOTE_ACCESS_ERR},
    {"Syndrome", "remote_operation", MLX5_CQE_SYNDROME_REMOTE_OP_ERR},
    {"Syndrome", "retries", MLX5_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR},
    {"Syndrome", "receiver_not_ready", MLX5_CQE_SYNDROME_RNR_RETRY_EXC_ERR},
    {"Syndrome", "remote_abort", MLX5_CQE_SYNDROME_REMOTE_ABORTED_ERR},
};

TEST(Values, Mlx5) { CheckValues("mellanox.mlx5", kMlx5); }

constexpr Value kMlx4[] = {
    {"CqeOpcode", "send", MLX4_OPCODE_SEND},
    {"CqeOpcode", "untouched", 0xcc & MLX4_CQE_OPCODE_MASK},
    {"CqeOpcode", "error", MLX4_CQE_OPCODE_ERROR},
    {"Syndrome", "none", 0},
    {"Syndrome", "local_length", MLX4_CQE_SYNDROME_LOCAL_LENGTH_ERR},
    {"Syndrome", "local_operation", MLX4_CQE_SYNDROME_LOCAL_QP_OP_ERR},
    {"Syndrome", "local_protection", MLX4_CQE_SYNDROME_LOCAL_PROT_ERR},
    {"Syndrome", "flushed", MLX4_CQE_SYNDROME_WR_FLUSH_ERR},
    {"Syndrome", "window_bind", MLX4_CQE_SYNDROME_MW_BIND_ERR},
    {"Syndrome", "bad_response", MLX4_CQE_SYNDROME_BAD_RESP_ERR},
    {"Syndrome", "local_access", MLX4_CQE_SYNDROME_LOCAL_ACCESS_ERR},
    {"Syndrome", "remote_invalid", MLX4_CQE_SYNDROME_REMOTE_INVAL_REQ_ERR},
    {"Syndrome", "remote_access", MLX4_CQE_SYNDROME_REMOTE_ACCESS_ERR},
    {"Syndrome", "remote_operation", MLX4_CQE_SYNDROME_REMOTE_OP_ERR},
    {"Syndrome", "retries", MLX4_CQE_SYNDROME_TRANSPORT_RETRY_EXC_ERR},
    {"Syndrome", "receiver_not_ready", MLX4_CQE_SYNDROME_RNR_RETRY_EXC_ERR},
    {"Syndrome", "remote_abort", MLX4_CQE_SYNDROME_REMOTE_ABORTED_ERR},
};

TEST(Values, Mlx4) { CheckValues("mellanox.mlx4", kMlx4); }

}  // namespace
}  // namespace qsplit::testing
