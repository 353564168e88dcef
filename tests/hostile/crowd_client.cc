// One of the processes of crowd_test: takes leases, sends a packet through each, says so and waits
// for its end.
//
//   crowd_client RUNTIME_DIR FIRST_PAIR LEASES      "ready\n" goes to descriptor 3
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "tests/support/system/lease_crowd.h"

int main(int argc, char** argv) {
  using namespace qsplit;
  if (argc != 4) return 2;
  const auto fail = [](const absl::Status& status) {
    std::fprintf(stderr, "crowd_client: %s\n", status.ToString().c_str());
    return 1;
  };
  const auto number = [](const char* word) {
    return static_cast<int>(std::strtol(word, nullptr, 10));
  };
  const auto session = Session::Connect({.runtime_dir = argv[1], .program = "crowd_client"});
  if (!session.ok()) return fail(session.status());
  auto crowd = testing::LeaseCrowd::Take(*session, number(argv[2]), number(argv[3]));
  if (!crowd.ok()) return fail(crowd.status());
  if (absl::Status status = crowd->CarryPackets(); !status.ok()) return fail(status);
  if (::write(3, "ready\n", 6) != 6) return 1;
  ::pause();
  return 0;
}
