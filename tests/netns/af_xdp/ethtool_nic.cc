// A NIC with ntuple rules and an RSS table for a netdev that has neither, as long as this runs; and
// programs that see it: tests/support/ethtool_host.h.
//
//   ethtool_nic serve SOCKET NETDEV QUEUES READY-FD
//   ethtool_nic run SOCKET KILL-AT COMMAND…     exec COMMAND; SIGKILL at its n-th call to the NIC:
//                                               -n before the NIC carries it out, n after it; 0: no
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <thread>
#include <utility>

#include "absl/strings/numbers.h"
#include "tests/support/ethtool_host.h"
#include "tests/support/passed_fd.h"

namespace {

using qsplit::linux_sys::OwnedFd;
using qsplit::test::EthtoolHost;
using qsplit::test::FakeEthtoolNic;

int NumberOf(const std::string& text) {
  int number = 0;
  if (!absl::SimpleAtoi(text, &number)) std::exit(2);
  return number;
}

[[noreturn]] void Fail(const char* what) {
  std::perror(what);
  std::exit(1);
}

sockaddr_un AddressOf(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path.data(), std::min(path.size(), sizeof address.sun_path - 1));
  return address;
}

void Answer(EthtoolHost& host, const qsplit::test::PassedFd& caller) {
  int left = std::abs(caller.number);
  const auto count = [&](bool after) -> EthtoolHost::Watch {
    if (caller.number == 0 || (caller.number > 0) != after) return nullptr;
    return [&left](pid_t thread, uint32_t) {
      if (--left == 0) ::kill(thread, SIGKILL);
    };
  };
  host.Serve(caller.fd.get(), count(false), count(true));
}

int Serve(const std::string& path, const std::string& netdev, uint32_t queues, int ready) {
  // Neither goes: threads use them until the end.
  static FakeEthtoolNic nic(
      {.netdev = netdev, .queues = queues, .rule_slots = 64, .other_words = true});
  static EthtoolHost host(netdev, nic);
  const OwnedFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
  const sockaddr_un address = AddressOf(path);
  if (::bind(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(socket.get(), 64) != 0) {
    Fail(path.c_str());
  }
  if (::write(ready, "ready\n", 6) != 6) Fail("ready");
  while (true) {
    const OwnedFd from(::accept4(socket.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!from.valid()) continue;
    qsplit::test::PassedFd caller = qsplit::test::TakeFd(from.get());
    if (!caller.fd.valid()) continue;  // who was to be served has been killed
    std::thread([caller = std::move(caller)] { Answer(host, caller); }).detach();
  }
}

int Run(const std::string& path, int kill_at, char** command) {
  {
    const OwnedFd socket(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0));
    const sockaddr_un address = AddressOf(path);
    if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
      Fail(path.c_str());
    }
    const OwnedFd listener = qsplit::test::Enlist();
    if (!listener.valid()) Fail("seccomp");
    qsplit::test::PassFd(socket.get(), listener.get(), kill_at);
  }
  ::execvp(command[0], command);
  Fail(command[0]);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string word = argc > 1 ? argv[1] : "";
  if (word == "serve" && argc == 6) {
    return Serve(argv[2], argv[3], static_cast<uint32_t>(NumberOf(argv[4])), NumberOf(argv[5]));
  }
  if (word == "run" && argc > 4) return Run(argv[2], NumberOf(argv[3]), argv + 4);
  std::fprintf(stderr, "usage: as the head of the source says\n");
  return 2;
}
