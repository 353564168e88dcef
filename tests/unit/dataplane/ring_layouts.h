// Queues of commands for NICs that do not exist, one for each way in which slots change hands.
#ifndef QSPLIT_TESTS_UNIT_DATAPLANE_RING_LAYOUTS_H_
#define QSPLIT_TESTS_UNIT_DATAPLANE_RING_LAYOUTS_H_

#include <cstdint>
#include <memory>
#include <ostream>
#include <string>
#include <vector>

#include "qsplit/v1/layout.pb.h"

namespace qsplit::dataplane::testing {

// A layout with one queue, written by hand; never verified, so that it can be wrong.
struct RingLayout {
  std::string name;
  v1::Layout layout;
  uint32_t command = 0;     // form that is posted most of the time
  uint32_t completion = 0;  // form that completes it
  // A second form to post, of more slots or bytes, and to complete with; the same if there is none.
  uint32_t long_command = 0;
  uint32_t long_completion = 0;
  // Bytes of long commands, with parts.
  uint32_t long_bytes = 0;
  bool in_order = true;     // completions must come in the order of commands
  bool has_events = false;  // completions that name no command may be written

  const v1::Queue& queue() const { return layout.queues(0); }
};

// Every protocol.
std::vector<std::shared_ptr<const RingLayout>> RingLayouts();
std::shared_ptr<const RingLayout> RingLayoutNamed(const std::string& name);

inline void PrintTo(const std::shared_ptr<const RingLayout>& layout, std::ostream* os) {
  *os << layout->name;
}

}  // namespace qsplit::dataplane::testing

#endif  // QSPLIT_TESTS_UNIT_DATAPLANE_RING_LAYOUTS_H_
