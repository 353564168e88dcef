/* Plain packets: TCP or UDP over IPv4 without a VLAN tag, options and a fragment's offset, that
 * name no more bytes than the frame's first piece has. What rules ask of such a packet stands in
 * four words of it, read under one check. Its key is the same as steering_key.h's, bit for bit; any
 * other packet is that header's alone.
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

/* And back: `bytes` bytes from byte `at` of a word on, whose first is the lowest address. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define STEERING_CUT(word, at, bytes) ((word) >> (at)*8 & (~0ull >> (8 - (bytes)) * 8))
#else
#define STEERING_CUT(word, at, bytes) \
  ((word) >> (8 - (at) - (bytes)) * 8 & (~0ull >> (8 - (bytes)) * 8))
#endif

/* Bytes of the frame at which the words of a plain packet begin: both MAC addresses, type, TOS;
 * protocol, source; destination, ports. */
enum { kPlainWord0 = 0, kPlainWord1 = 8, kPlainWord2 = 22, kPlainWord3 = 30, kPlainWords = 4 };

struct SteeringPlain {
  __u64 words[kPlainWords];
  __u32 bytes; /* the frame's */
};

/* Whether a first piece of so many bytes is the whole frame, whose IPv4 packet says that it has
 * `total`. A piece that ends where its packet does, or where the shortest of Ethernet's frames
 * does, is: a driver begins another piece within a packet. Of one that put a trailer alone into a
 * piece, the trailer is not counted. */
STEERING_INLINE int IsWhole(__u32 bytes, __u32 total) {
  if (kEthernetBytes + total == bytes) return 1;
  if (bytes != kLeastFrameBytes) return 0;
  return kEthernetBytes + total < kLeastFrameBytes;
}

/* A frame's length, if it is known without a call: of IPv4 without a VLAN tag. Else 0. */
STEERING_INLINE __u32 KnownBytes(const struct SteeringFrame* frame) {
  const __u8* const at = (const __u8*)FirstPiece(frame, kEthernetBytes + 4);
  if (!at || STEERING_LOAD(__u16, at + 12) != bpf_htons(0x0800)) return 0;
  const __u32 bytes = FirstBytes(frame);
  return IsWhole(bytes, bpf_ntohs(STEERING_LOAD(__u16, at + 16))) ? bytes : 0;
}

/* Of a packet that is plain if its protocol is TCP or UDP. 0: it is not, or its length not known
 * without a call; `plain` is then of no use. */
STEERING_INLINE int ReadPlainIp4(const struct SteeringFrame* frame, struct SteeringPlain* plain) {
  const __u8* const at = (const __u8*)FirstPiece(frame, kPlainEnd);
  if (!at) return 0;
  const __u32 bytes = FirstBytes(frame);
  plain->words[1] = STEERING_LOAD(__u64, at + kPlainWord1);
  const __u32 total = bpf_ntohs(STEERING_LOAD(__u16, at + 16));
  const __u32 fragment = STEERING_LOAD(__u16, at + 20);
  plain->words[2] = STEERING_LOAD(__u64, at + kPlainWord2);
  /* IPv4 without options. */
  if (STEERING_CUT(plain->words[1], 4, 3) != STEERING_CUT(bpf_cpu_to_be64(0x08004500), 4, 3))
    return 0;
  if ((fragment & bpf_htons(0x1fff)) != 0) return 0;
  if (kEthernetBytes + total != bytes) {
    if (!IsWhole(bytes, total) || kEthernetBytes + total < kPlainEnd) return 0;
  } /* else the ports are in it, for they are in the frame */
  plain->words[0] = STEERING_LOAD(__u64, at + kPlainWord0);
  plain->words[3] = STEERING_LOAD(__u64, at + kPlainWord3);
  plain->bytes = bytes;
  return 1;
}

STEERING_INLINE int IsTcpOrUdp(const struct SteeringPlain* plain) {
  const __u32 protocol = (__u32)STEERING_CUT(plain->words[2], 1, 1);
  return protocol == 17 || protocol == 6;
}

STEERING_INLINE int ReadPlain(const struct SteeringFrame* frame, struct SteeringPlain* plain) {
  return ReadPlainIp4(frame, plain) && IsTcpOrUdp(plain);
}

/* The words of its SteeringKey. */
STEERING_INLINE void KeyOfPlain(const struct SteeringPlain* plain, __u64* key) {
  const __u64* const words = plain->words;
  const __u32 ports = bpf_ntohl((__u32)STEERING_CUT(words[3], 4, 4));
  key[0] = words[0];
  key[1] = STEERING_PUT(STEERING_CUT(words[1], 0, 4), 8, 4) | STEERING_PUT(0x0800, 12, 2);
  key[2] = STEERING_PUT(STEERING_CUT(words[1], 7, 1), 18, 1) |
           STEERING_PUT(STEERING_CUT(words[2], 1, 1), 19, 1) |
           STEERING_PUT(STEERING_CUT(words[2], 4, 4), 20, 4);
  key[3] = 0;
  key[4] = STEERING_PUT(STEERING_CUT(words[3], 0, 4), 36, 4);
  key[5] = 0;
  key[6] = STEERING_PUT(ports >> 16, 52, 2) | STEERING_PUT(ports & 0xffff, 54, 2);
  key[7] = STEERING_PUT(ports, 56, 4) | STEERING_PUT(4, 60, 1) | STEERING_PUT(1, 62, 1);
}

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_PLAIN_H_ */
