// Bytes into the session socket's message handler, packet by packet, with descriptors.
//
// Input: packets, each { flags, length low, length high, bytes }. flags: bits 0..1 how many
// descriptors come with it, bit 2 the packet was cut.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "daemon/ingress/session_connection.h"
#include "tests/unit/ingress/fake_sessions.h"

namespace {

void Require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  namespace ingress = qsplit::ingress;
  using qsplit::linux_sys::OwnedFd;
  std::span<const uint8_t> input(data, size);
  ingress::testing::FakeSessions sessions;
  const OwnedFd null(open("/dev/null", O_RDONLY | O_CLOEXEC));
  sessions.SetGrant(1, {std::make_shared<const OwnedFd>(dup(null.get()))});
  {
    ingress::SessionConnection connection(sessions, {.pid = 1, .uid = 2, .gid = 3}, "1.0");
    while (input.size() >= 3) {
      const uint8_t flags = input[0];
      const size_t wanted = input[1] | (size_t{input[2]} << 8);
      input = input.subspan(3);
      const auto packet = input.first(std::min(wanted, input.size()));
      input = input.subspan(packet.size());
      std::vector<OwnedFd> fds;
      for (int i = 0; i < (flags & 3); ++i) fds.emplace_back(dup(null.get()));
      const auto answer = connection.Handle(packet, std::move(fds), (flags & 4) != 0);
      Require(answer.reply.size() <= ingress::kMaxSessionMessage);
      qsplit::v1::SessionReply reply;
      Require(reply.ParseFromString(answer.reply));
      // One answer to each packet: a reply, an end, or both; never silence.
      Require(answer.close || !answer.reply.empty());
      Require(answer.violation == nullptr || (answer.close && answer.reply.empty()));
      Require(sessions.open() == (connection.is_open() ? 1u : 0u));
      if (answer.close) break;
    }
  }
  Require(sessions.open() == 0);
  return 0;
}
