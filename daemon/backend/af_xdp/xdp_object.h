// The compiled XDP program, an ELF object of bpf/steering.bpf.c. Constant bytes; any thread.
#ifndef QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_OBJECT_H_
#define QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_OBJECT_H_

#include <span>

namespace qsplit::af_xdp {

std::span<const unsigned char> SteeringObject();

}  // namespace qsplit::af_xdp

#endif  // QSPLIT_DAEMON_BACKEND_AF_XDP_XDP_OBJECT_H_
