// Uses the installed library as anybody's program would: connects to the daemon of the folder
// named, and prints how that went. Exit status 0: there was an answer in words.
#include <qsplit/session.h>

#include <cstdio>
#include <string>

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s RUNTIME-DIR\n", argv[0]);
    return 2;
  }
  qsplit::SessionOptions options;
  options.runtime_dir = argv[1];
  const auto session = qsplit::Session::Connect(options);
  if (session.ok()) {
    std::printf("connected: session %llu\n", static_cast<unsigned long long>(session->id()));
    return 0;
  }
  std::printf("%s\n", session.status().ToString().c_str());
  return 0;
}
