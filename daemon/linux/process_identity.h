// Whether a process is still the one that it was, for numbers of processes are used again; and
// whether it runs.
//
// `proc` is where procfs is mounted. Any thread.
#ifndef QSPLIT_DAEMON_LINUX_PROCESS_IDENTITY_H_
#define QSPLIT_DAEMON_LINUX_PROCESS_IDENTITY_H_

#include <cstdint>
#include <optional>
#include <string>

namespace qsplit::linux_sys {

// When a process started, in the kernel's ticks since boot: with its number, it names the process
// for as long as the machine is up. None: there is no such process, or it has ended and nobody has
// waited for it yet.
std::optional<uint64_t> ProcessStart(uint32_t pid, const std::string& proc = "/proc");

// Whether it has been stopped, by a signal or a debugger, and not let go on.
bool ProcessStopped(uint32_t pid, const std::string& proc = "/proc");

// What it is called, at most 15 printable characters, as it says itself; empty: no such process.
std::string ProgramOf(uint32_t pid, const std::string& proc = "/proc");

}  // namespace qsplit::linux_sys

#endif  // QSPLIT_DAEMON_LINUX_PROCESS_IDENTITY_H_
