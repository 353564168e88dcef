/* The key of a plain packet: TCP or UDP over IPv4 without a VLAN tag, options and a fragment's
 * offset, that names no more bytes than the frame's first piece has. Of such a packet it is the
 * same as steering_key.h's, bit for bit, made of six loads under one check; any other one is that
 * header's.
 *
 * In C and C++, as that one.
 */
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_PLAIN_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_PLAIN_H_

#include <bpf/bpf_endian.h>

#include "daemon/backend/af_xdp/bpf/steering_key.h"

enum {
  kPlainL4 = kEthernetBytes + kIp4Bytes,
  kPlainEnd = kPlainL4 + 4, /* of the ports, with which TCP and UDP begin */
  kLeastFrameBytes = 60,
};

/* `value` where a field of so many bytes at byte `at` of a key has it in its word. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STEERING_PUT(value, at, bytes) ((__u64)(value) << (at) % 8 * 8)
#else
#define STEERING_PUT(value, at, bytes) ((__u64)(value) << (8 - (at) % 8 - (bytes)) * 8)
#endif

struct SteeringPlain {
  __u64 words[8]; /* of a SteeringKey */
  __u32 bytes;    /* the frame's */
};

/* 0: it is not plain, or its length not known without a call; `plain` is then of no use. */
STEERING_INLINE int KeyOfPlain(const struct SteeringFrame* frame, struct SteeringPlain* plain) {
  const __u8* const at = (const __u8*)FirstPiece(frame, kPlainEnd);
  if (!at) return 0;
  const __u32 bytes = FirstBytes(frame);
  const __u64 macs = STEERING_LOAD(__u64, at);
  const __u32 mac = STEERING_LOAD(__u32, at + 8);
  const __u32 type = STEERING_LOAD(__u32, at + 12); /* Ethernet's; IP's version, length and TOS */
  const __u32 total = bpf_ntohs(STEERING_LOAD(__u16, at + 16));
  const __u16 fragment = STEERING_LOAD(__u16, at + 20);
  const __u32 protocol = STEERING_LOAD(__u8, at + 23);
  const __u32 source = STEERING_LOAD(__u32, at + 26);
  const __u32 destination = STEERING_LOAD(__u32, at + 30);
  const __u32 ports = bpf_ntohl(STEERING_LOAD(__u32, at + kPlainL4));
  if ((type & bpf_htonl(0xffffff00)) != bpf_htonl(0x08004500)) return 0;
  if ((fragment & bpf_htons(0x1fff)) != 0) return 0;
  if (protocol != 17 && protocol != 6) return 0;
  if (kEthernetBytes + total < kPlainEnd) return 0;
  /* A piece that ends where its packet does, or where the shortest of Ethernet's frames does, is the
   * whole frame: a driver begins another piece within a packet. Of one that put a trailer alone into
   * a piece, the trailer is not counted. */
  if (kEthernetBytes + total != bytes &&
      (bytes != kLeastFrameBytes || kEthernetBytes + total > bytes)) {
    return 0;
  }
  plain->bytes = bytes;
  plain->words[0] = macs;
  plain->words[1] = STEERING_PUT(mac, 8, 4) | STEERING_PUT(0x0800, 12, 2);
  plain->words[2] = STEERING_PUT(bpf_ntohl(type) & 0xff, 18, 1) | STEERING_PUT(protocol, 19, 1) |
                    STEERING_PUT(source, 20, 4);
  plain->words[3] = 0;
  plain->words[4] = STEERING_PUT(destination, 36, 4);
  plain->words[5] = 0;
  plain->words[6] = STEERING_PUT(ports >> 16, 52, 2) | STEERING_PUT(ports & 0xffff, 54, 2);
  plain->words[7] = STEERING_PUT(ports, 56, 4) | STEERING_PUT(4, 60, 1) | STEERING_PUT(1, 62, 1);
  return 1;
}

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_PLAIN_H_ */
