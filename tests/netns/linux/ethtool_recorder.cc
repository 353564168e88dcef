// Loaded into the program `ethtool` before its libraries (LD_PRELOAD): writes down what it asks the
// kernel by SIOCETHTOOL, and answers as a NIC would that has ntuple rules and an RSS table.
//
// QSPLIT_ETHTOOL_RECORD   file that gets each request: its length (32 bits), then its bytes
// QSPLIT_ETHTOOL_CHOOSES  set: the driver chooses locations of rules
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if.h>
#include <linux/sockios.h>
#include <stdarg.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <tuple>

#include "tests/support/fake_ethtool_nic.h"

namespace {

uint32_t BytesOf(const void* command) {
  uint32_t number;
  std::memcpy(&number, command, sizeof number);
  switch (number) {
    case ETHTOOL_SRXCLSRLINS:
    case ETHTOOL_SRXCLSRLDEL:
      return sizeof(ethtool_rxnfc);
    case ETHTOOL_SRSSH: {
      const auto& rxfh = *static_cast<const ethtool_rxfh*>(command);
      const uint32_t entries = rxfh.indir_size == ETH_RXFH_INDIR_NO_CHANGE ? 0 : rxfh.indir_size;
      return static_cast<uint32_t>(sizeof rxfh + entries * sizeof(uint32_t) + rxfh.key_size);
    }
    default:
      return sizeof number;
  }
}

void WriteDown(const void* command) {
  const char* path = std::getenv("QSPLIT_ETHTOOL_RECORD");
  const int fd = path != nullptr ? ::open(path, O_WRONLY | O_APPEND | O_CREAT, 0600) : -1;
  if (fd < 0) std::abort();
  const uint32_t bytes = BytesOf(command);
  std::ignore = ::write(fd, &bytes, sizeof bytes);
  std::ignore = ::write(fd, command, bytes);
  ::close(fd);
}

qsplit::test::FakeEthtoolNic& Nic() {
  static qsplit::test::FakeEthtoolNic nic(
      {.driver_chooses = std::getenv("QSPLIT_ETHTOOL_CHOOSES") != nullptr});
  return nic;
}

}  // namespace

extern "C" int ioctl(int fd, unsigned long request, ...) {
  va_list arguments;
  va_start(arguments, request);
  void* argument = va_arg(arguments, void*);
  va_end(arguments);
  if (request != SIOCETHTOOL) return static_cast<int>(::syscall(SYS_ioctl, fd, request, argument));
  auto* asked = static_cast<ifreq*>(argument);
  WriteDown(asked->ifr_data);
  const int error = Nic().Call(asked->ifr_name, asked->ifr_data);
  errno = error;
  return error == 0 ? 0 : -1;
}
