/* From a frame to the key that rules compare: the same as softnic::Parse makes of it, bit for bit.
 *
 * In C and C++: it is compiled for the kernel, and for this machine by tests and a fuzzer.
 */
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_KEY_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_KEY_H_

#include "daemon/backend/af_xdp/bpf/steering_frame.h"

/* device::FlowKey. Numbers in this machine's byte order, addresses in the network's. */
struct SteeringFields {
  __u8 dst_mac[6];
  __u8 src_mac[6];
  __u16 ether_type;
  __u16 vlan_tci;
  __u16 vlan_ether_type;
  __u8 tos;
  __u8 l4_protocol;
  __u32 src_ip[4];
  __u32 dst_ip[4];
  __u16 src_port;
  __u16 dst_port;
  __u32 l4_bytes;
  __u8 ip_version;
  __u8 has_vlan;
  __u8 has_ports;
  __u8 has_spi;
};

union SteeringKey {
  struct SteeringFields fields;
  __u64 words[8];
};

enum {
  kEthernetBytes = 14,
  kVlanTagBytes = 4,
  kIp4Bytes = 20,
  kIp6Bytes = 40,
  kMaxExtensionHeaders = 16,
};

/* Where the walk through a frame stands. */
struct SteeringWalk {
  __u32 l3;    /* of the IP header */
  __u32 l4;    /* behind it and its extensions; 0: not there */
  __u32 end;   /* of the IP packet; never behind the frame's */
  __u32 later; /* a fragment without the beginning */
};

STEERING_INLINE __u8 ByteIn(const __u32* words, __u32 at) { return ((const __u8*)words)[at]; }

/* Bytes `at` and `at + 1` of what was read. */
STEERING_INLINE __u16 Be16In(const __u32* words, __u32 at) {
  return (__u16)(ByteIn(words, at) << 8 | ByteIn(words, at + 1));
}

STEERING_INLINE int IsVlan(__u16 ether_type) {
  return ether_type == 0x8100 || ether_type == 0x88a8;
}

STEERING_INLINE void KeyOfIp4(const struct SteeringFrame* frame, __u32 frame_bytes,
                              struct SteeringWalk* walk, struct SteeringFields* key) {
  __u32 ip[kIp4Bytes / 4];
  const __u32 room = frame_bytes - walk->l3;
  if (!ReadFrame(frame, walk->l3, ip, kIp4Bytes / 4)) return;
  if (ByteIn(ip, 0) >> 4 != 4) return;
  const __u32 header = (ByteIn(ip, 0) & 0xfu) * 4;
  const __u32 total = Be16In(ip, 2);
  if (header < kIp4Bytes || header > room || total < header || total > room) return;
  walk->end = walk->l3 + total;
  walk->l4 = walk->l3 + header;
  walk->later = (Be16In(ip, 6) & 0x1fff) != 0;
  key->ip_version = 4;
  key->tos = ByteIn(ip, 1);
  key->l4_protocol = ByteIn(ip, 9);
  key->src_ip[0] = ip[3];
  key->dst_ip[0] = ip[4];
}

/* Where the walk along IPv6's extension headers stands. */
struct SteeringExtensions {
  const struct SteeringFrame* frame;
  __u32 at;   /* of the header that `next` names; 0: the chain is cut off */
  __u32 end;  /* of the IP packet */
  __u32 next; /* what comes there: an extension or a protocol */
  __u32 later;
};

STEERING_INLINE int IsExtension(__u32 next) {
  /* Hop by hop, routing, fragment, destination options, mobility. */
  return next == 0 || next == 43 || next == 44 || next == 60 || next == 135;
}

/* Past one of them. 1: the walk is at its end. */
static inline long SkipExtension(__u32 number, void* context) {
  struct SteeringExtensions* const walk = (struct SteeringExtensions*)context;
  (void)number;
  const __u32 next = walk->next;
  __u32 header[2] = {0, 0};
  __u32 length = 0;
  if (!IsExtension(next)) return 1;
  if (walk->end - walk->at >= 8 && ReadFarFrame(walk->frame, walk->at, header, 2)) {
    const __u32 units = ByteIn(header, 1);
    length = next == 44 ? 8 : (units + 1) * 8;
  }
  if (length == 0 || length > walk->end - walk->at) {
    walk->at = 0;
    return 1;
  }
  walk->next = ByteIn(header, 0);
  walk->at += length;
  /* An "atomic" fragment, alone, is a whole packet; behind a later one is payload. */
  if (next != 44 || (Be16In(header, 2) & 0xfff8) == 0) return 0;
  walk->later = 1;
  return 1;
}

STEERING_INLINE void KeyOfIp6(const struct SteeringFrame* frame, __u32 frame_bytes,
                              struct SteeringWalk* walk, struct SteeringFields* key) {
  __u32 ip[kIp6Bytes / 4];
  if (!ReadFrame(frame, walk->l3, ip, kIp6Bytes / 4)) return;
  if (ByteIn(ip, 0) >> 4 != 6) return;
  const __u32 total = kIp6Bytes + Be16In(ip, 4);
  if (total > frame_bytes - walk->l3) return;
  walk->end = walk->l3 + total;
  walk->l4 = walk->l3 + kIp6Bytes;
  key->ip_version = 6;
  key->tos = (__u8)(Be16In(ip, 0) >> 4);
  for (int i = 0; i < 4; ++i) {
    key->src_ip[i] = ip[2 + i];
    key->dst_ip[i] = ip[6 + i];
  }
  struct SteeringExtensions extensions = {frame, walk->l4, walk->end, ByteIn(ip, 6), 0};
  if (IsExtension(ByteIn(ip, 6))) Repeat(kMaxExtensionHeaders, SkipExtension, &extensions);
  key->l4_protocol = (__u8)extensions.next;
  walk->l4 = extensions.at;
  walk->later = extensions.later;
}

STEERING_INLINE void KeyOfL4(const struct SteeringFrame* frame, const struct SteeringWalk* walk,
                             struct SteeringFields* key) {
  __u32 l4 = 0;
  if (walk->l4 == 0 || walk->later || walk->end - walk->l4 < 4) return;
  if (!ReadFrame(frame, walk->l4, &l4, 1)) return;
  key->l4_bytes = (__u32)Be16In(&l4, 0) << 16 | Be16In(&l4, 2);
  switch (key->l4_protocol) {
    case 6:
    case 17:
    case 132:
      key->has_ports = 1;
      break;
    case 51: /* AH, whose index is its second word */
      if (walk->end - walk->l4 < 8 || !ReadFrame(frame, walk->l4 + 4, &l4, 1)) return;
      key->has_spi = 1;
      break;
    case 50: /* ESP begins with it */
      key->has_spi = 1;
      break;
    default:
      return;
  }
  key->src_port = Be16In(&l4, 0);
  key->dst_port = Be16In(&l4, 2);
}

/* Of a frame of so many bytes. `key` is all 0 before. 0: shorter than an Ethernet header. */
STEERING_INLINE int KeyOfFrame(const struct SteeringFrame* frame, const __u32 frame_bytes,
                               struct SteeringFields* key) {
  __u32 head[4] = {0, 0, 0, 0};
  if (frame_bytes < kEthernetBytes) return 0;
  /* The first 12 bytes, then the type and whatever stands around it: all of it even in a frame
   * of 14. */
  if (!ReadFrame(frame, 0, head, 3) || !ReadFrame(frame, kEthernetBytes - 4, head + 3, 1)) return 0;
  __builtin_memcpy(key, head, 12); /* both MAC addresses, with which it begins */
  __u16 ether_type = Be16In(head, 14);
  __u32 at = kEthernetBytes;
#pragma GCC unroll 2
  for (int tag = 0; tag < 2; ++tag) {
    __u32 word = 0;
    if (!IsVlan(ether_type) || !ReadFrame(frame, at, &word, 1)) break;
    if (tag == 0) {
      key->has_vlan = 1;
      key->vlan_ether_type = ether_type;
      key->vlan_tci = Be16In(&word, 0);
    }
    ether_type = Be16In(&word, 2);
    at += kVlanTagBytes;
  }
  key->ether_type = ether_type;
  struct SteeringWalk walk = {at, 0, frame_bytes, 0};
  if (ether_type == 0x0800) {
    KeyOfIp4(frame, frame_bytes, &walk, key);
  } else if (ether_type == 0x86dd) {
    KeyOfIp6(frame, frame_bytes, &walk, key);
  }
  KeyOfL4(frame, &walk, key);
  return 1;
}

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_KEY_H_ */
