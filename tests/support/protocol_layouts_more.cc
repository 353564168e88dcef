// The protocols of tables, of bits against a phase, of links, parts and blocks.
#include "descriptor-lang/layout/canonical.h"
#include "tests/support/layout_builder.h"
#include "tests/support/protocol_layouts.h"

namespace qsplit::layout::testing {
namespace {

LayoutBuilder Begin(std::string name) {
  LayoutBuilder b(std::move(name), v1::BYTE_ORDER_LITTLE);
  b.layout().mutable_documentation()->add_sources("none: it exists in tests only");
  return b;
}

v1::ContainedForm& Part(LayoutBuilder& b, v1::Form& container, std::string_view name,
                        std::string_view form, uint32_t at, uint32_t most) {
  v1::ContainedForm& part = *container.add_contains();
  part.set_name(std::string(name));
  part.set_form(b.FormIndex(form));
  part.set_byte_offset(at);
  part.set_max_count(most);
  part.set_appended(at >= container.size_bytes());
  return part;
}

}  // namespace

v1::Layout VirtioSplitMessage() {
  LayoutBuilder b = Begin("test.virtio_split");
  v1::Feature& event = *b.layout().add_features();
  event.set_name("EventIndex");
  event.add_choices("off");
  event.add_choices("on");
  for (const bool write : {false, true}) {
    b.Form(write ? "RxDescriptor" : "TxDescriptor", 16);
    b.Field("address", "buffer.address", {0, 8});
    b.Field("length", "buffer.length", {8, 4});
    b.Constant("write", {12, 2, 1, 1}, write ? 1 : 0);
    b.Field("more", "next.present", {12, 2, 0, 1});
    b.Field("indirect", "table.indirect", {12, 2, 2, 1});
    b.Field("next", "next.index", {14, 2});
  }
  b.Form("Available", 2);
  b.Field("index", "table.index", {0, 2});
  b.Form("RxUsed", 8);
  b.Field("index", "table.index", {0, 4});
  b.Field("length", "packet.length", {4, 4});
  b.Form("TxUsed", 8);
  b.Field("index", "table.index", {0, 4});
  b.Form("NetHeader", 12);
  b.Field("flags", "", {0, 1});
  b.Field("buffers", "packet.completions", {10, 2});
  for (const bool rx : {true, false}) {
    const std::string side = rx ? "Rx" : "Tx";
    b.Queue(std::string(rx ? R"( name: "rx" direction: DIRECTION_RECEIVE )"
                           : R"( name: "tx" direction: DIRECTION_TRANSMIT )") +
            R"(
    rings {
      name: "descriptors" kind: RING_KIND_TABLE slot_bytes: 16 alignment_bytes: 16
      slots { min: 1 max: 32768 power_of_two: true }
      post_forms: $)" +
            side + R"(Descriptor completed { completion: true }
    }
    rings {
      name: "available" slot_bytes: 2 alignment_bytes: 2
      slots { min: 1 max: 32768 power_of_two: true }
      post_forms: $Available posted { cell: 2 } completed { completion: true }
      cells { name: "avail_event" bytes: 2 byte_order: BYTE_ORDER_LITTLE device_writes: true
              meaning: CELL_MEANING_EVENT_INDEX features { feature: 0 choice: 1 } }
      cells { name: "flags" bytes: 2 byte_order: BYTE_ORDER_LITTLE offset_bytes: -4
              meaning: CELL_MEANING_NO_NOTIFICATION }
      cells { name: "index" bytes: 2 byte_order: BYTE_ORDER_LITTLE offset_bytes: -2
              meaning: CELL_MEANING_PRODUCER_COUNT }
      cells { name: "notify_off" bytes: 2 byte_order: BYTE_ORDER_LITTLE mask: 1
              device_writes: true meaning: CELL_MEANING_NO_NOTIFICATION }
      cells { name: "used_event" bytes: 2 byte_order: BYTE_ORDER_LITTLE offset_bytes: 0
              behind_slots: true meaning: CELL_MEANING_EVENT_INDEX
              features { feature: 0 choice: 1 } }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 2 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_QUEUE_NUMBER }
        barrier: BARRIER_FULL suppressed_by_cell: 3
      }
    }
    rings {
      name: "used" slot_bytes: 8 alignment_bytes: 4
      slots { min: 1 max: 32768 power_of_two: true }
      complete_forms: $)" +
            side + R"(Used completed { cell: 0 }
      completes { key: COMPLETION_KEY_INDEX ring: 0 fields { $)" +
            side + R"(Used.index } }
      cells { name: "index" bytes: 2 byte_order: BYTE_ORDER_LITTLE offset_bytes: -2
              device_writes: true meaning: CELL_MEANING_PRODUCER_COUNT }
    }
    packet { )" +
            (rx ? R"( span: SPAN_COMPLETIONS fields { $NetHeader.buffers } prefix_bytes: 12
                      prefix_form: $NetHeader length_includes_prefix: true )"
                : R"( span: SPAN_NEXT_INDEX fields { $TxDescriptor.next }
                      last_when { any_of { all_of { field { $TxDescriptor.more }
                                                    operator: OPERATOR_EQUAL constant: 0 } } }
                      prefix_bytes: 12 prefix_form: $NetHeader )") +
            " }");
  }
  return Canonicalize(b.layout());
}

v1::Layout VirtioPackedMessage() {
  LayoutBuilder b = Begin("test.virtio_packed");
  for (const std::string side : {"Rx", "Tx"}) {
    b.Form(side + "Available", 16);
    b.Field("address", "buffer.address", {0, 8});
    b.Field("length", "buffer.length", {8, 4});
    b.Field("tag", "tag", {12, 2});
    b.Field("more", "next.present", {14, 2, 0, 1});
    b.Field("avail", "", {14, 2, 7, 1});
    b.Field("used", "", {14, 2, 15, 1});
    b.Form(side + "Used", 16);
    if (side == "Rx") b.Field("length", "packet.length", {8, 4});
    b.Field("tag", "tag", {12, 2});
    b.Field("avail", "", {14, 2, 7, 1});
    b.Field("used", "", {14, 2, 15, 1});
    b.Queue((side == "Rx" ? R"( name: "rx" direction: DIRECTION_RECEIVE
                                packet { span: SPAN_SINGLE } )"
                          : R"( name: "tx" direction: DIRECTION_TRANSMIT
                                packet { span: SPAN_ADJACENT_UNTIL_LAST
                                  last_when { any_of { all_of { field { $TxAvailable.more }
                                    operator: OPERATOR_EQUAL constant: 0 } } } } )") +
            std::string(R"(
    rings {
      name: "descriptors" slot_bytes: 16 alignment_bytes: 16 slots { min: 1 max: 32768 }
      post_forms: $)") +
            side + "Available complete_forms: $" + side +
            R"(Used
      posted { when { any_of {
        all_of { field { $)" +
            side + R"(Available.avail } operator: OPERATOR_EQUAL state: RING_STATE_PHASE }
        all_of { field { $)" +
            side + R"(Available.used } operator: OPERATOR_NOT_EQUAL state: RING_STATE_PHASE }
      } } }
      completed { when { any_of {
        all_of { field { $)" +
            side + R"(Used.avail } operator: OPERATOR_EQUAL state: RING_STATE_PHASE }
        all_of { field { $)" +
            side + R"(Used.used } operator: OPERATOR_EQUAL state: RING_STATE_PHASE }
      } } }
      completes { key: COMPLETION_KEY_TAG ring: 0 fields { $)" +
            side + R"(Used.tag } }
      phase { initial: 1 }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_QUEUE_NUMBER mask: 0xffff }
        terms { source: DOORBELL_SOURCE_PRODUCER_INDEX mask: 0x7fff shift: 16 }
        terms { source: DOORBELL_SOURCE_PHASE mask: 1 shift: 31 }
      }
    })");
  }
  return Canonicalize(b.layout());
}

v1::Layout LinkMessage() {
  LayoutBuilder b = Begin("test.link");
  for (const std::string side : {"Rx", "Tx"}) {
    b.Form(side + "Post", 16);
    b.Field("address", "buffer.address", {0, 8});
    b.Field("length", "buffer.length", {8, 4, 0, 17});
    b.Field("cycle", "phase", {12, 4, 0, 1});
    if (side == "Tx") b.Field("chain", "packet.last", {12, 4, 4, 1}).set_inverted(true);
    b.Constant("type", {12, 4, 10, 6}, 1);
    b.Form(side + "Event", 16);
    b.Field("index", "", {0, 2});
    if (side == "Rx") b.Field("length", "packet.length", {8, 4, 0, 24});
    b.Field("cycle", "phase", {12, 4, 0, 1});
  }
  b.Form("Link", 16);
  b.Field("address", "link.address", {0, 8});
  b.Field("cycle", "phase", {12, 4, 0, 1});
  b.Field("toggle", "phase.toggle", {12, 4, 1, 1});
  b.Constant("type", {12, 4, 10, 6}, 6);
  for (const std::string side : {"Rx", "Tx"}) {
    b.Queue((side == "Rx" ? R"( name: "rx" direction: DIRECTION_RECEIVE
                                packet { span: SPAN_SINGLE } )"
                          : R"( name: "tx" direction: DIRECTION_TRANSMIT
                                packet { span: SPAN_ADJACENT_UNTIL_LAST
                                  last_when { any_of { all_of { field { $TxPost.chain }
                                    operator: OPERATOR_EQUAL constant: 0 } } } } )") +
            std::string(R"(
    rings {
      name: "transfers" slot_bytes: 16 alignment_bytes: 16 slots { min: 16 max: 4096 }
      post_forms: $)") +
            side + R"(Post
      posted { when { any_of { all_of {
        field { $)" +
            side + R"(Post.cycle } operator: OPERATOR_EQUAL state: RING_STATE_PHASE } } } }
      completed { completion: true }
      phase { initial: 1 flip: PHASE_FLIP_BY_LINK } wrap { link_form: $Link }
      producer_doorbells { target: DOORBELL_TARGET_REGISTER bytes: 4
                           byte_order: BYTE_ORDER_LITTLE }
    }
    rings {
      name: "events" slot_bytes: 16 alignment_bytes: 64 slots { min: 16 max: 4096 }
      complete_forms: $)" +
            side + R"(Event
      completed { when { any_of { all_of {
        field { $)" +
            side + R"(Event.cycle } operator: OPERATOR_EQUAL state: RING_STATE_PHASE } } } }
      completes { key: COMPLETION_KEY_INDEX ring: 0 fields { $)" +
            side + R"(Event.index } }
      phase { initial: 1 }
      consumer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_CONSUMER_INDEX }
      }
    })");
  }
  return Canonicalize(b.layout());
}

v1::Layout PartsMessage() {
  LayoutBuilder b = Begin("test.parts");
  b.Form("Segment", 16);
  b.Field("length", "buffer.length", {0, 4});
  b.Field("key", "buffer.key", {4, 4});
  b.Field("address", "buffer.address", {8, 8});
  v1::Form& rx = b.Form("RxPost", 64);
  Part(b, rx, "segments", "Segment", 0, 4);
  b.Form("RxDone", 64);
  b.Field("length", "packet.length", {0, 4});
  b.Field("entries", "", {4, 4});
  b.Field("index", "", {60, 2});
  b.Field("format", "", {63, 1, 2, 2});
  b.Field("owner", "phase", {63, 1, 0, 1});
  b.Form("Mini", 8);
  b.Field("hash", "hash.value", {0, 4});
  b.Field("length", "packet.length", {4, 4});
  b.Form("TxControl", 16);
  b.Field("slot", "slot.count", {0, 2});
  b.Field("bytes", "descriptor.bytes", {4, 4, 0, 6}).mutable_scale()->set_multiplier(16);
  b.Field("report", "report.request", {8, 4, 3, 1});
  v1::Form& tx = b.Form("TxPost", 32);
  b.Field("inline_length", "packet.inline_length", {28, 2});
  b.Field("segments", "packet.buffers", {30, 1, 0, 6});
  Part(b, tx, "control", "TxControl", 0, 1);
  Part(b, tx, "data", "Segment", 32, 63).set_count_field(1);
  b.Form("TxDone", 64);
  b.Field("index", "", {60, 2});
  b.Field("owner", "phase", {63, 1, 0, 1});
  b.Queue(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings {
      name: "work" slot_bytes: 64 alignment_bytes: 64
      slots { min: 16 max: 32768 power_of_two: true }
      post_forms: $RxPost posted { doorbell: true } completed { completion: true }
      producer_doorbells { target: DOORBELL_TARGET_MEMORY bytes: 4 byte_order: BYTE_ORDER_BIG
        terms { source: DOORBELL_SOURCE_PRODUCER_COUNT mask: 0xffff } }
    }
    rings {
      name: "completions" slot_bytes: 64 alignment_bytes: 64
      slots { min: 16 max: 65536 power_of_two: true }
      complete_forms: $RxDone
      completed { when { any_of { all_of {
        field { $RxDone.owner } operator: OPERATOR_EQUAL state: RING_STATE_PHASE } } } }
      completes { key: COMPLETION_KEY_INDEX ring: 0 fields { $RxDone.index } }
      phase { initial: 0 }
      compressed {
        when { any_of { all_of {
          field { $RxDone.format } operator: OPERATOR_EQUAL constant: 3 } } }
        title_form: $RxDone mini_form: $Mini per_slot: 8 count { $RxDone.entries }
      }
    }
    packet { buffers_per_descriptor: 4 })");
  b.Queue(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings {
      name: "work" slot_bytes: 64 alignment_bytes: 64
      slots { min: 32 max: 32768 power_of_two: true }
      post_forms: $TxPost posted { doorbell: true }
      completed { completion: true only_where_reported: true }
      producer_doorbells { target: DOORBELL_TARGET_MEMORY bytes: 4 byte_order: BYTE_ORDER_BIG
        terms { source: DOORBELL_SOURCE_PRODUCER_COUNT mask: 0xffff } }
      producer_doorbells { target: DOORBELL_TARGET_DESCRIPTOR bytes: 8 }
    }
    rings {
      name: "completions" slot_bytes: 64 alignment_bytes: 64
      slots { min: 16 max: 65536 power_of_two: true }
      complete_forms: $TxDone
      completed { when { any_of { all_of {
        field { $TxDone.owner } operator: OPERATOR_EQUAL state: RING_STATE_PHASE } } } }
      completes { key: COMPLETION_KEY_INDEX ring: 0 fields { $TxDone.index } cumulative: true }
      phase { initial: 0 }
    }
    packet { buffers_per_descriptor: 64 })");
  return Canonicalize(b.layout());
}

v1::Layout BlocksMessage() {
  LayoutBuilder b = Begin("test.blocks");
  b.Form("BlockFree", 48);
  b.Field("user", "own", {8, 4, 0, 1});
  b.Form("BlockFull", 48);
  b.Field("user", "own", {8, 4, 0, 1});
  b.Field("packets", "", {12, 4});
  b.Field("first", "", {16, 4});
  b.Form("Frame", 32);
  b.Field("next", "", {0, 4});
  b.Field("snap", "packet.snap_length", {12, 4});
  b.Field("length", "packet.length", {16, 4});
  b.Field("offset", "packet.offset", {24, 2});
  b.Form("TxFrame", 2048);
  b.Field("status", "", {0, 4, 0, 1});
  b.Field("length", "packet.inline_length", {4, 4});
  b.Split("data", "packet.inline", {}).mutable_bytes()->set_byte_offset(48);
  b.layout().mutable_forms(3)->mutable_fields(2)->mutable_bytes()->set_length(2000);
  b.Form("TxFree", 2048);
  b.Field("status", "", {0, 4, 0, 1});
  b.Queue(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings {
      name: "blocks" slot_bytes: 1048576 alignment_bytes: 4096 slots { min: 2 max: 256 }
      post_forms: $BlockFree complete_forms: $BlockFull
      posted { when { any_of { all_of {
        field { $BlockFree.user } operator: OPERATOR_EQUAL constant: 0 } } } }
      completed { when { any_of { all_of {
        field { $BlockFull.user } operator: OPERATOR_EQUAL constant: 1 } } } }
      completes { key: COMPLETION_KEY_IN_PLACE ring: 0 }
      packets { form: $Frame first { $BlockFull.first } count { $BlockFull.packets }
                next { $Frame.next } }
    })");
  b.Queue(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings {
      name: "frames" slot_bytes: 2048 alignment_bytes: 4096 slots { min: 2 max: 4096 }
      post_forms: $TxFrame complete_forms: $TxFree
      posted { when { any_of { all_of {
        field { $TxFrame.status } operator: OPERATOR_EQUAL constant: 1 } } } }
      completed { when { any_of { all_of {
        field { $TxFree.status } operator: OPERATOR_EQUAL constant: 0 } } } }
      completes { key: COMPLETION_KEY_IN_PLACE ring: 0 }
      producer_doorbells { target: DOORBELL_TARGET_WAKEUP }
    })");
  return Canonicalize(b.layout());
}

}  // namespace qsplit::layout::testing
