/* A frame, and how the kernel's verifier wants it read and loops made: in the kernel (clang -target
 * bpf), and on this machine for the daemon's tests.
 *
 * Each byte is read once into a private copy, for in a zero-copy frame a client may write
 * meanwhile.
 */
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_FRAME_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_FRAME_H_

#include <linux/types.h>

#define STEERING_INLINE static inline __attribute__((always_inline))

#ifdef __bpf__

#include <bpf/bpf_helpers.h>
#include <linux/bpf.h>

struct SteeringFrame {
  struct xdp_md* context;
};

STEERING_INLINE __u32 FrameBytes(const struct SteeringFrame* frame) {
  return (__u32)bpf_xdp_get_buff_len(frame->context);
}

/* Of its first piece: mostly all of it, and known without a call. */
STEERING_INLINE __u32 FirstBytes(const struct SteeringFrame* frame) {
  return (__u32)(frame->context->data_end - frame->context->data);
}

/* The first piece's begin, if it has so many bytes; else 0. */
STEERING_INLINE const void* FirstPiece(const struct SteeringFrame* frame, __u32 bytes) {
  const __u8* const data = (const __u8*)(long)frame->context->data;
  return data + bytes <= (const __u8*)(long)frame->context->data_end ? data : 0;
}

/* What stands there, whatever its alignment: this compiler would copy byte by byte. */
#define STEERING_LOAD(type, from) (*(const volatile type*)(from))

/* Copies 32-bit words from the frame's byte `at` on. 0: they are not all there. */
STEERING_INLINE int ReadFarFrame(const struct SteeringFrame* frame, __u32 at, __u32* to,
                                 const __u32 words) {
  return bpf_xdp_load_bytes(frame->context, at, to, words * 4) == 0;
}

/* The same, faster where the bytes are in the frame's first piece and not far from its begin. */
STEERING_INLINE int ReadFrame(const struct SteeringFrame* frame, __u32 at, __u32* to,
                              const __u32 words) {
  const void* const end = (const void*)(long)frame->context->data_end;
  if (at <= 2048) {
    /* The kernel aligns IP headers where the machine wants that. */
    const __u32* const from = (const void*)(long)frame->context->data + at;
    if ((const void*)(from + words) <= end) {
#pragma unroll
      for (__u32 i = 0; i < words; ++i) to[i] = from[i];
      return 1;
    }
  }
  return ReadFarFrame(frame, at, to, words);
}

/* The pointer is computed here, once, not anew for each member that is far from where it began. */
#define STEERING_ONCE(pointer) barrier_var(pointer)

/* Calls visit(0, context), visit(1, context), … until it is not 0, `times` times at most. */
STEERING_INLINE void Repeat(__u32 times, long (*visit)(__u32, void*), void* context) {
  bpf_loop(times, visit, context, 0);
}

#else

struct SteeringFrame {
  const __u8* data;
  __u32 bytes;
};

STEERING_INLINE __u32 FrameBytes(const struct SteeringFrame* frame) { return frame->bytes; }
STEERING_INLINE __u32 FirstBytes(const struct SteeringFrame* frame) { return frame->bytes; }

STEERING_INLINE const void* FirstPiece(const struct SteeringFrame* frame, __u32 bytes) {
  return bytes <= frame->bytes ? frame->data : 0;
}

#define STEERING_LOAD(type, from)                  \
  (__extension__({                                 \
    type loaded;                                   \
    __builtin_memcpy(&loaded, from, sizeof(type)); \
    loaded;                                        \
  }))

STEERING_INLINE int ReadFrame(const struct SteeringFrame* frame, __u32 at, __u32* to,
                              const __u32 words) {
  if (at > frame->bytes || frame->bytes - at < words * 4) return 0;
  __builtin_memcpy(to, frame->data + at, words * 4);
  return 1;
}

STEERING_INLINE int ReadFarFrame(const struct SteeringFrame* frame, __u32 at, __u32* to,
                                 const __u32 words) {
  return ReadFrame(frame, at, to, words);
}

#define STEERING_ONCE(pointer) ((void)0)

STEERING_INLINE void Repeat(__u32 times, long (*visit)(__u32, void*), void* context) {
  for (__u32 i = 0; i < times && visit(i, context) == 0; ++i) {
  }
}

#endif

#endif /* QSPLIT_DAEMON_BACKEND_AF_XDP_BPF_STEERING_FRAME_H_ */
