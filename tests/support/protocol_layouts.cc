#include "tests/support/protocol_layouts.h"

#include <utility>

#include "descriptor-lang/layout/canonical.h"
#include "tests/support/layout_builder.h"

namespace qsplit::layout::testing {
namespace {

LayoutBuilder Begin(std::string name) {
  LayoutBuilder b(std::move(name), v1::BYTE_ORDER_LITTLE);
  b.layout().mutable_documentation()->add_sources("none: it exists in tests only");
  return b;
}

}  // namespace

v1::Layout OwnBitMessage() {
  LayoutBuilder b = Begin("test.own_bit");
  b.Form("RxOwned", 16);
  b.Field("own", "own", {0, 4, 31, 1});
  b.Field("ring_last", "ring.last", {0, 4, 30, 1});
  b.Field("length", "buffer.length", {0, 4, 0, 14});
  b.Field("address", "buffer.address", {8, 8});
  b.Form("RxDone", 16);
  b.Field("own", "own", {0, 4, 31, 1});
  b.Field("first", "packet.first", {0, 4, 29, 1});
  b.Field("last", "packet.last", {0, 4, 28, 1});
  b.Field("error", "error", {0, 4, 21, 1});
  b.Field("length", "packet.length", {0, 4, 0, 14});
  b.Form("TxOwned", 16);
  b.Field("own", "own", {0, 4, 31, 1});
  b.Field("ring_last", "ring.last", {0, 4, 30, 1});
  b.Field("first", "packet.first", {0, 4, 29, 1});
  b.Field("last", "packet.last", {0, 4, 28, 1});
  b.Field("length", "buffer.length", {0, 4, 0, 16});
  b.Field("address", "buffer.address", {8, 8});
  b.Form("TxDone", 16);
  b.Field("own", "own", {0, 4, 31, 1});
  b.Queue(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings {
      name: "descriptors" slot_bytes: 16 alignment_bytes: 256
      slots { min: 1 max: 1024 }
      post_forms: $RxOwned complete_forms: $RxDone
      posted { when { any_of { all_of {
        field { $RxOwned.own } operator: OPERATOR_EQUAL constant: 1 } } } }
      completed { when { any_of { all_of {
        field { $RxDone.own } operator: OPERATOR_EQUAL constant: 0 } } } }
      completes { key: COMPLETION_KEY_IN_PLACE ring: 0 }
      wrap { last_slot_field { $RxOwned.ring_last } }
    }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST length: LENGTH_MEANING_PACKET_IN_LAST
      last_when { any_of { all_of {
        field { $RxDone.last } operator: OPERATOR_EQUAL constant: 1 } } }
      length_includes_crc_bytes: 4
    }
    limits { buffer { min_bytes: 64 max_bytes: 16376 step_bytes: 8 } })");
  b.Queue(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings {
      name: "descriptors" slot_bytes: 16 alignment_bytes: 256
      slots { min: 1 max: 1024 }
      post_forms: $TxOwned complete_forms: $TxDone
      posted { when { any_of { all_of {
        field { $TxOwned.own } operator: OPERATOR_EQUAL constant: 1 } } } }
      completed { when { any_of { all_of {
        field { $TxDone.own } operator: OPERATOR_EQUAL constant: 0 } } } }
      completes { key: COMPLETION_KEY_IN_PLACE ring: 0 }
      wrap { last_slot_field { $TxOwned.ring_last } }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 1
        terms { source: DOORBELL_SOURCE_CONSTANT mask: 0xff constant: 0x40 }
      }
    }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST
      last_when { any_of { all_of {
        field { $TxOwned.last } operator: OPERATOR_EQUAL constant: 1 } } }
    })");
  return Canonicalize(b.layout());
}

v1::Layout PhaseMessage() {
  LayoutBuilder b = Begin("test.phase");
  b.Form("RxPost", 16);
  b.Field("address", "buffer.address", {0, 8});
  b.Field("length", "buffer.length", {8, 2});
  b.Field("tag", "tag", {10, 2});
  b.Form("RxDone", 16);
  b.Field("length", "packet.length", {0, 2});
  b.Field("tag", "tag", {2, 2});
  b.Field("hash", "hash.value", {4, 4});
  b.Field("opcode", "opcode", {15, 1, 4, 4});
  b.Field("phase", "phase", {15, 1, 0, 1});
  b.Form("TxPost", 16);
  b.Field("address", "buffer.address", {0, 8});
  b.Field("length", "buffer.length", {8, 2});
  b.Field("tag", "tag", {10, 2});
  b.Field("last", "packet.last", {12, 1, 0, 1});
  b.Form("TxDone", 8);
  b.Field("tag", "tag", {2, 2});
  b.Field("phase", "phase", {7, 1, 0, 1});
  b.Queue(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings {
      name: "work" slot_bytes: 16 alignment_bytes: 4096
      slots { min: 8 max: 32768 power_of_two: true }
      post_forms: $RxPost
      posted { doorbell: true } completed { completion: true }
      producer_doorbells {
        target: DOORBELL_TARGET_MEMORY bytes: 4 byte_order: BYTE_ORDER_BIG
        terms { source: DOORBELL_SOURCE_PRODUCER_COUNT mask: 0xffff }
      }
    }
    rings {
      name: "completions" slot_bytes: 16 alignment_bytes: 4096
      slots { min: 8 max: 65536 power_of_two: true }
      complete_forms: $RxDone
      completed { when { any_of {
        all_of { field { $RxDone.phase } operator: OPERATOR_EQUAL state: RING_STATE_PHASE }
        all_of { field { $RxDone.opcode } operator: OPERATOR_NOT_EQUAL constant: 15 } } } }
      completes {
        key: COMPLETION_KEY_TAG ring: 0 fields { $RxDone.tag }
        when { any_of { all_of {
          field { $RxDone.opcode } operator: OPERATOR_EQUAL constant: 2 } } }
      }
      phase { initial: 0 }
      fills { field { $RxDone.opcode } value: 15 }
      consumer_doorbells {
        target: DOORBELL_TARGET_MEMORY bytes: 4 byte_order: BYTE_ORDER_BIG
        terms { source: DOORBELL_SOURCE_CONSUMER_COUNT mask: 0xffffff }
      }
    }
    limits { buffer { min_bytes: 64 max_bytes: 16384 } })");
  b.Queue(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings {
      name: "work" slot_bytes: 16
      slots { min: 8 max: 4096 power_of_two: true }
      post_forms: $TxPost
      posted { doorbell: true } completed { completion: true }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_PRODUCER_INDEX mask: 0xffff }
        terms { source: DOORBELL_SOURCE_QUEUE_NUMBER mask: 0xff shift: 16 }
      }
    }
    rings {
      name: "completions" slot_bytes: 8
      slots { min: 8 max: 4096 power_of_two: true }
      complete_forms: $TxDone
      completed { when { any_of {
        all_of { field { $TxDone.phase } operator: OPERATOR_EQUAL state: RING_STATE_PHASE } } } }
      completes { key: COMPLETION_KEY_TAG ring: 0 fields { $TxDone.tag } }
      phase { initial: 1 }
      consumer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_CONSUMER_INDEX mask: 0xffff }
      }
    }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST
      last_when { any_of { all_of {
        field { $TxPost.last } operator: OPERATOR_EQUAL constant: 1 } } }
    })");
  return Canonicalize(b.layout());
}

v1::Layout SharedMessage() {
  LayoutBuilder b = Begin("test.shared");
  b.Form("Fill", 8);
  b.Field("address", "buffer.address", {0, 8});
  b.Form("Received", 16);
  b.Field("address", "buffer.address", {0, 8});
  b.Field("length", "packet.length", {8, 4});
  b.Field("more", "packet.last", {12, 4, 0, 1}).set_inverted(true);
  b.Form("Sent", 16);
  b.Field("address", "buffer.address", {0, 8});
  b.Field("length", "buffer.length", {8, 4});
  b.Field("more", "packet.last", {12, 4, 0, 1}).set_inverted(true);
  b.Form("Completed", 8);
  b.Field("address", "buffer.address", {0, 8});
  constexpr std::string_view kCells = R"(
      cells { name: "consumer" bytes: 4 byte_order: BYTE_ORDER_LITTLE
              meaning: CELL_MEANING_CONSUMER_COUNT device_writes: true }
      cells { name: "flags" bytes: 4 byte_order: BYTE_ORDER_LITTLE mask: 1
              meaning: CELL_MEANING_NEED_WAKEUP device_writes: true }
      cells { name: "producer" bytes: 4 byte_order: BYTE_ORDER_LITTLE
              meaning: CELL_MEANING_PRODUCER_COUNT }
      producer_doorbells { target: DOORBELL_TARGET_WAKEUP suppressed_by_cell: 1 }
      posted { cell: 2 } completed { completion: true } )";
  constexpr std::string_view kReadCells = R"(
      cells { name: "consumer" bytes: 4 byte_order: BYTE_ORDER_LITTLE
              meaning: CELL_MEANING_CONSUMER_COUNT }
      cells { name: "producer" bytes: 4 byte_order: BYTE_ORDER_LITTLE
              meaning: CELL_MEANING_PRODUCER_COUNT device_writes: true }
      completed { cell: 1 } )";
  b.Queue(std::string(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings { name: "fill" slot_bytes: 8 slots { min: 1 max: 1048576 power_of_two: true }
            post_forms: $Fill )") +
          std::string(kCells) + R"( }
    rings { name: "rx" slot_bytes: 16 slots { min: 1 max: 1048576 power_of_two: true }
            complete_forms: $Received
            completes { key: COMPLETION_KEY_ADDRESS ring: 0 fields { $Received.address } } )" +
          std::string(kReadCells) + R"( }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST
      last_when { any_of { all_of {
        field { $Received.more } operator: OPERATOR_EQUAL constant: 0 } } }
    }
    limits { buffer { min_bytes: 2048 max_bytes: 4096 power_of_two: true } })");
  b.Queue(std::string(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings { name: "tx" slot_bytes: 16 slots { min: 1 max: 1048576 power_of_two: true }
            post_forms: $Sent )") +
          std::string(kCells) + R"( }
    rings { name: "completion" slot_bytes: 8 slots { min: 1 max: 1048576 power_of_two: true }
            complete_forms: $Completed
            completes { key: COMPLETION_KEY_ADDRESS ring: 0 fields { $Completed.address } } )" +
          std::string(kReadCells) + R"( }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST
      last_when { any_of { all_of {
        field { $Sent.more } operator: OPERATOR_EQUAL constant: 0 } } }
    })");
  return Canonicalize(b.layout());
}

v1::Layout HeadMessage() {
  LayoutBuilder b = Begin("test.head");
  b.Form("RxPost", 16);
  b.Field("address", "buffer.address", {0, 8});
  b.Form("RxDone", 16);
  b.Field("length", "packet.length", {8, 2});
  b.Form("TxPost", 16);
  b.Field("address", "buffer.address", {0, 8});
  b.Field("length", "buffer.length", {8, 2});
  b.Field("last", "packet.last", {12, 4, 0, 1});
  b.Field("report", "report.request", {12, 4, 1, 1});
  b.Queue(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings {
      name: "descriptors" slot_bytes: 16 alignment_bytes: 128
      slots { min: 8 max: 4096 step: 8 } reserved_slots: 1
      post_forms: $RxPost complete_forms: $RxDone
      posted { doorbell: true } completed { cell: 0 }
      completes { key: COMPLETION_KEY_IN_PLACE ring: 0 }
      cells { name: "head" bytes: 2 byte_order: BYTE_ORDER_LITTLE
              meaning: CELL_MEANING_CONSUMER_INDEX device_writes: true }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_PRODUCER_INDEX }
      }
    }
    packet { span: SPAN_BY_LENGTH }
    limits { buffer { min_bytes: 1024 max_bytes: 16384 step_bytes: 1024 } })");
  b.Queue(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings {
      name: "descriptors" slot_bytes: 16 alignment_bytes: 128
      slots { min: 8 max: 4096 step: 8 } reserved_slots: 1
      post_forms: $TxPost
      posted { doorbell: true } completed { cell: 0 only_where_reported: true }
      cells { name: "head" bytes: 4 byte_order: BYTE_ORDER_LITTLE offset_bytes: 0
              behind_slots: true meaning: CELL_MEANING_CONSUMER_INDEX device_writes: true }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_PRODUCER_INDEX }
      }
    }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST
      last_when { any_of { all_of {
        field { $TxPost.last } operator: OPERATOR_EQUAL constant: 1 } } }
    })");
  return Canonicalize(b.layout());
}

v1::Layout SequenceMessage() {
  LayoutBuilder b = Begin("test.sequence");
  b.Form("RxSlot", 8);
  b.Field("address", "buffer.address", {0, 8});
  b.Form("RxDone", 64);
  b.Field("length", "packet.length", {60, 2});
  b.Field("sequence", "sequence", {62, 2, 0, 3});
  b.Field("more", "packet.last", {62, 2, 3, 1}).set_inverted(true);
  b.Form("TxPost", 16);
  b.Field("descriptors", "packet.descriptors", {1, 1}).set_position(v1::PACKET_POSITION_FIRST);
  b.Field("length", "buffer.length", {6, 2});
  b.Field("address", "buffer.address", {8, 8});
  b.Queue(R"(
    name: "rx" direction: DIRECTION_RECEIVE
    rings {
      name: "data" slot_bytes: 8 slots { min: 8 max: 4096 power_of_two: true }
      post_forms: $RxSlot
      posted { doorbell: true } completed { completion: true }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_BIG
        terms { source: DOORBELL_SOURCE_PRODUCER_COUNT }
      }
    }
    rings {
      name: "done" slot_bytes: 64 slots { min: 8 max: 4096 power_of_two: true }
      complete_forms: $RxDone
      completed { when { any_of { all_of {
        field { $RxDone.sequence } operator: OPERATOR_EQUAL state: RING_STATE_SEQUENCE } } } }
      completes { key: COMPLETION_KEY_IN_ORDER ring: 0 }
      sequence { initial: 1 first: 1 last: 7 }
    }
    packet {
      span: SPAN_ADJACENT_UNTIL_LAST prefix_bytes: 2 length_includes_prefix: true
      last_when { any_of { all_of {
        field { $RxDone.more } operator: OPERATOR_EQUAL constant: 0 } } }
    }
    limits { buffer { min_bytes: 2048 max_bytes: 4096 } })");
  b.Queue(R"(
    name: "tx" direction: DIRECTION_TRANSMIT
    rings {
      name: "descriptors" slot_bytes: 16 slots { min: 8 max: 4096 power_of_two: true }
      post_forms: $TxPost
      posted { doorbell: true } completed { cell: 0 }
      cells { name: "sent" bytes: 4 byte_order: BYTE_ORDER_LITTLE mask: 0x3fff0000
              meaning: CELL_MEANING_PENDING_COUNT device_writes: true is_register: true }
      producer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_INCREMENT mask: 0xffff }
      }
      consumer_doorbells {
        target: DOORBELL_TARGET_REGISTER bytes: 4 byte_order: BYTE_ORDER_LITTLE
        terms { source: DOORBELL_SOURCE_INCREMENT mask: 0xffff shift: 16 }
      }
    }
    packet { span: SPAN_COUNT_IN_FIRST fields { $TxPost.descriptors } })");
  return Canonicalize(b.layout());
}

std::vector<v1::Layout> ProtocolMessages() {
  return {OwnBitMessage(),   PhaseMessage(),       SharedMessage(),       HeadMessage(),
          SequenceMessage(), VirtioSplitMessage(), VirtioPackedMessage(), LinkMessage(),
          PartsMessage(),    BlocksMessage()};
}

}  // namespace qsplit::layout::testing
