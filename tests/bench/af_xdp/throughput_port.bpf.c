/* What a person writes who wants one UDP port of a netdev in an AF_XDP socket: no other rules, no
 * counters, nothing that could be changed. Fragments, options and VLAN tags are the kernel's.
 */
#include <linux/bpf.h>

#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/udp.h>

struct {
  __uint(type, BPF_MAP_TYPE_XSKMAP);
  __uint(max_entries, 64);
  __type(key, __u32);
  __type(value, __u32);
} sockets SEC(".maps");

SEC("xdp")
int one_port(struct xdp_md *context) {
  const void *const end = (void *)(long)context->data_end;
  const struct ethhdr *const ethernet = (void *)(long)context->data;
  const struct iphdr *const ip = (const void *)(ethernet + 1);
  const struct udphdr *const udp = (const void *)(ip + 1);
  if ((const void *)(udp + 1) > end) return XDP_PASS;
  if (ethernet->h_proto != bpf_htons(ETH_P_IP)) return XDP_PASS;
  if (ip->ihl != 5 || ip->protocol != IPPROTO_UDP) return XDP_PASS;
  if ((ip->frag_off & bpf_htons(0x1fff)) != 0) return XDP_PASS;
  if (udp->dest != bpf_htons(4242)) return XDP_PASS; /* throughput_frame.h: kPort */
  return bpf_redirect_map(&sockets, context->rx_queue_index, XDP_PASS);
}

char gpl[] SEC("license") = "GPL";
