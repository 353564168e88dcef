// qsplitd's command line. Main thread.
#ifndef QSPLIT_DAEMON_OPTIONS_H_
#define QSPLIT_DAEMON_OPTIONS_H_

#include <optional>
#include <string>

namespace qsplit::daemon {

struct Options {
  std::string config;       // file; empty: the built-in configuration
  std::string runtime_dir;  // empty: as the configuration says
  std::string layouts;      // folder; empty: as the configuration says, else beside the executable
  std::string log_level;    // empty: as the configuration says
  std::string log_format;   // empty: as the configuration says
  int ready_fd = -1;        // gets a byte when the daemon serves
  bool check = false;       // say what it would do, and end
  bool clean = false;       // undo what a daemon that crashed has left, and end
};

// Nothing: the process is to end with `exit_code`, and all is said (help, version, usage error 2).
std::optional<Options> ParseOptions(int argc, char** argv, int& exit_code);

}  // namespace qsplit::daemon

#endif  // QSPLIT_DAEMON_OPTIONS_H_
