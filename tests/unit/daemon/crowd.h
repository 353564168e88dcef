// A process of its own that holds many connections and says nothing on them.
//
// Fork it before the daemon starts its threads; it connects when Connect is called.
#ifndef QSPLIT_TESTS_UNIT_DAEMON_CROWD_H_
#define QSPLIT_TESTS_UNIT_DAEMON_CROWD_H_

#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <string>

namespace qsplit::daemon_test {

class Crowd {
 public:
  Crowd() {
    int order[2], answer[2];
    if (pipe(order) != 0 || pipe(answer) != 0) return;
    pid_ = fork();
    if (pid_ == 0) {
      close(order[1]);
      close(answer[0]);
      Live(order[0], answer[1]);
    }
    close(order[0]);
    close(answer[1]);
    order_ = order[1];
    answer_ = answer[0];
  }
  ~Crowd() { Disperse(); }
  Crowd(const Crowd&) = delete;
  Crowd& operator=(const Crowd&) = delete;

  // Opens so many connections of the type to the socket; returns how many were made.
  int Connect(const std::string& path, int type, int count) {
    Order given{};
    given.type = type;
    given.count = count;
    strncpy(given.path, path.c_str(), sizeof(given.path) - 1);
    int made = -1;
    if (write(order_, &given, sizeof(given)) != sizeof(given)) return -1;
    if (read(answer_, &made, sizeof(made)) != sizeof(made)) return -1;
    return made;
  }

  // Kills it, which closes all of its connections.
  void Disperse() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
    close(order_);
    close(answer_);
  }

 private:
  struct Order {
    int type;
    int count;
    char path[108];
  };

  [[noreturn]] static void Live(int order, int answer) {
    rlimit limit{};
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    Order given{};
    while (read(order, &given, sizeof(given)) == sizeof(given)) {
      int made = 0;
      for (; made < given.count; ++made) {
        const int fd = socket(AF_UNIX, given.type, 0);  // blocks while the backlog is full
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        memcpy(address.sun_path, given.path, sizeof(given.path) - 1);
        if (fd < 0 || connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
          break;
      }
      if (write(answer, &made, sizeof(made)) != sizeof(made)) break;
    }
    _exit(0);
  }

  pid_t pid_ = 0;
  int order_ = -1;
  int answer_ = -1;
};

}  // namespace qsplit::daemon_test

#endif  // QSPLIT_TESTS_UNIT_DAEMON_CROWD_H_
