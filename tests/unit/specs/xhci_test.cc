// Linux drivers/usb/host/xhci.h: TRB_*, and the masks of its macros that take fields out of TRBs.
#include <gtest/gtest.h>

#include <initializer_list>
#include <vector>

#include "tests/support/spec_facts.h"

namespace qsplit::testing {
namespace {

// Fields of the last word, and which of the common ones a TRB has.
constexpr uint32_t kCycle = 1 << 0;         // TRB_CYCLE
constexpr uint32_t kEvaluateNext = 1 << 1;  // TRB_ENT
constexpr uint32_t kToggle = 1 << 1;        // TRB_TC
constexpr uint32_t kShort = 1 << 2;         // TRB_ISP
constexpr uint32_t kEventData = 1 << 2;     // EVENT_DATA
constexpr uint32_t kNoSnoop = 1 << 3;       // TRB_NO_SNOOP
constexpr uint32_t kChain = 1 << 4;         // TRB_CHAIN
constexpr uint32_t kInterrupt = 1 << 5;     // TRB_IOC
constexpr uint32_t kImmediate = 1 << 6;     // TRB_IDT
constexpr uint32_t kBit9 = 1 << 9;          // TRB_BEI, TRB_BSR, TRB_DC, TRB_TSP
constexpr uint32_t kType = 0xfc00;          // TRB_TYPE_BITMASK
constexpr uint32_t kEndpoint = 0x1f << 16;  // TRB_TO_EP_ID
constexpr uint32_t kSlot = 0xffu << 24;     // TRB_TO_SLOT_ID
constexpr uint64_t kPointer = ~uint64_t{0xf};
constexpr uint32_t kLength = 0x1ffff;            // TRB_LEN
constexpr uint32_t kTdSize = 0x3e0000;           // GET_TD_SIZE
constexpr uint32_t kInterrupter = 0x3ffu << 22;  // TRB_INTR_TARGET
constexpr uint32_t kCode = 0xffu << 24;          // COMP_CODE_MASK

constexpr Fact kFacts[] = {
    {"Normal", "data", 0, ~0ull},
    {"Normal", "immediate_data", 0, 8, Word::kBytes},
    {"Normal", "length", 8, kLength},
    {"Normal", "td_size", 8, kTdSize},
    {"Normal", "interrupter", 8, kInterrupter},
    {"Normal", "evaluate_next", 12, kEvaluateNext},
    {"Normal", "interrupt_on_short", 12, kShort},
    {"Normal", "no_snoop", 12, kNoSnoop},
    {"Normal", "chain", 12, kChain},
    {"Normal", "interrupt", 12, kInterrupt},
    {"Normal", "immediate", 12, kImmediate},
    {"Normal", "block_interrupt", 12, kBit9},
    {"SetupStage", "length", 8, kLength},
    {"SetupStage", "interrupt", 12, kInterrupt},
    {"SetupStage", "immediate", 12, kImmediate},
    {"SetupStage", "transfer_type", 12, 3u << 16},  // TRB_TX_TYPE
    {"SetupStage", "request_type", 0, 0xff},
    {"SetupStage", "request", 1, 0xff},
    {"SetupStage", "value", 2, 0xffff},
    {"SetupStage", "index", 4, 0xffff},
    {"SetupStage", "data_length", 6, 0xffff},
    {"SetupStage", "interrupter", 8, kInterrupter},
    {"DataStage", "data", 0, ~0ull},
    {"DataStage", "length", 8, kLength},
    {"DataStage", "td_size", 8, kTdSize},
    {"DataStage", "chain", 12, kChain},
    {"DataStage", "interrupt", 12, kInterrupt},
    {"DataStage", "immediate", 12, kImmediate},
    {"DataStage", "direction_in", 12, 1u << 16},  // TRB_DIR_IN
    {"DataStage", "immediate_data", 0, 8, Word::kBytes},
    {"DataStage", "interrupter", 8, kInterrupter},
    {"DataStage", "evaluate_next", 12, kEvaluateNext},
    {"DataStage", "interrupt_on_short", 12, kShort},
    {"DataStage", "no_snoop", 12, kNoSnoop},
    {"StatusStage", "chain", 12, kChain},
    {"StatusStage", "interrupt", 12, kInterrupt},
    {"StatusStage", "direction_in", 12, 1u << 16},
    {"StatusStage", "interrupter", 8, kInterrupter},
    {"StatusStage", "evaluate_next", 12, kEvaluateNext},
    {"Isoch", "data", 0, ~0ull},
    {"Isoch", "length", 8, kLength},
    {"Isoch", "chain", 12, kChain},
    {"Isoch", "interrupt", 12, kInterrupt},
    {"Isoch", "burst_count", 12, 3u << 7},  // TRB_TBC
    {"Isoch", "block_interrupt", 12, kBit9},
    {"Isoch", "last_burst", 12, 0xfu << 16},  // TRB_TLBPC
    {"Isoch", "frame", 12, 0x7ffu << 20},     // TRB_FRAME_ID
    {"Isoch", "as_soon", 12, 1u << 31},       // TRB_SIA
    {"Isoch", "immediate_data", 0, 8, Word::kBytes},
    {"Isoch", "td_size", 8, kTdSize},
    {"Isoch", "interrupter", 8, kInterrupter},
    {"Isoch", "evaluate_next", 12, kEvaluateNext},
    {"Isoch", "interrupt_on_short", 12, kShort},
    {"Isoch", "no_snoop", 12, kNoSnoop},
    {"Isoch", "immediate", 12, kImmediate},
    {"EventData", "event_data", 0, ~0ull},
    {"EventData", "chain", 12, kChain},
    {"EventData", "interrupt", 12, kInterrupt},
    {"EventData", "interrupter", 8, kInterrupter},
    {"EventData", "evaluate_next", 12, kEvaluateNext},
    {"EventData", "block_interrupt", 12, kBit9},
    {"TransferNoOp", "chain", 12, kChain},
    {"TransferNoOp", "interrupt", 12, kInterrupt},
    {"TransferNoOp", "interrupter", 8, kInterrupter},
    {"TransferNoOp", "evaluate_next", 12, kEvaluateNext},
    {"Link", "segment", 0, kPointer},
    {"Link", "interrupter", 8, kInterrupter},
    {"Link", "toggle", 12, kToggle},
    {"Link", "chain", 12, kChain},
    {"Link", "interrupt", 12, kInterrupt},
    {"SlotCommand", "slot", 12, kSlot},
    {"ContextCommand", "context", 0, kPointer},
    {"ContextCommand", "slot", 12, kSlot},
    {"ContextCommand", "block_set_address", 12, kBit9},
    {"ContextCommand", "deconfigure", 12, kBit9},
    {"EndpointCommand", "endpoint", 12, kEndpoint},
    {"EndpointCommand", "slot", 12, kSlot},
    {"EndpointCommand", "preserve_state", 12, kBit9},
    {"EndpointCommand", "suspend", 12, 1u << 23},  // SUSPEND_PORT_FOR_TRB
    {"SetDequeue", "stream_type", 0, 7u << 1},     // SCT_FOR_TRB
    {"SetDequeue", "dequeue", 0, kPointer},
    {"SetDequeue", "stream", 8, 0xffffu << 16},  // STREAM_ID_FOR_TRB
    {"SetDequeue", "endpoint", 12, kEndpoint},
    {"SetDequeue", "slot", 12, kSlot},
    {"SetDequeue", "dequeue_cycle", 0, 0x1},
    {"ForceEvent", "event", 0, kPointer},
    {"ForceEvent", "vf_interrupter", 8, 0x3ffu << 22},     // TRB_TO_VF_INTR_TARGET
    {"ForceEvent", "virtual_function", 12, 0xffu << 16},   // TRB_TO_VF_ID
    {"SetLatencyTolerance", "latency", 12, 0xfffu << 16},  // TRB_TO_BELT
    {"GetPortBandwidth", "context", 0, kPointer},
    {"GetPortBandwidth", "speed", 12, 0xfu << 16},  // TRB_TO_DEV_SPEED
    {"GetPortBandwidth", "hub_slot", 12, kSlot},
    {"ForceHeader", "packet_type", 0, 0x1f},  // TRB_TO_PACKET_TYPE
    {"ForceHeader", "header_low", 0, 0xffffffe0},
    {"ForceHeader", "port", 12, 0xffu << 24},  // TRB_TO_ROOTHUB_PORT
    {"ForceHeader", "header_mid", 4, 0xffffffff},
    {"ForceHeader", "header_high", 8, 0xffffffff},
    {"TransferEvent", "trb_address", 0, ~0ull},
    {"TransferEvent", "data", 0, ~0ull},
    {"TransferEvent", "residual", 8, 0xffffff},  // EVENT_TRB_LEN
    {"TransferEvent", "code", 8, kCode},
    {"TransferEvent", "event_data", 12, kEventData},
    {"TransferEvent", "endpoint", 12, kEndpoint},
    {"TransferEvent", "slot", 12, kSlot},
    {"CommandCompletion", "trb_address", 0, kPointer},
    {"CommandCompletion", "code", 8, kCode},
    {"CommandCompletion", "slot", 12, kSlot},
    {"CommandCompletion", "parameter", 8, 0xffffff},
    {"CommandCompletion", "virtual_function", 12, 0xff << 16},
    {"PortStatusChange", "port", 0, 0xffu << 24},  // GET_PORT_ID
    {"PortStatusChange", "code", 8, kCode},
    {"ControllerEvent", "code", 8, kCode},
    {"ControllerEvent", "slot", 12, kSlot},
    {"DoorbellEvent", "code", 8, kCode},
    {"DoorbellEvent", "slot", 12, kSlot},
    {"DoorbellEvent", "reason", 0, 0x1f},
    {"DoorbellEvent", "virtual_function", 12, 0xff << 16},
    {"DeviceNotification", "code", 8, kCode},
    {"DeviceNotification", "slot", 12, kSlot},
    {"DeviceNotification", "notification", 0, 0xf0},
    {"DeviceNotification", "data", 0, ~0ull << 8},
    {"SimpleCommand", "slot_type", 12, 0x1f << 16},
};

TEST(SpecFacts, Xhci) {
  std::vector<Fact> facts(std::begin(kFacts), std::end(kFacts));
  for (const char* form :
       {"Normal",          "SetupStage",    "DataStage",           "StatusStage",
        "Isoch",           "EventData",     "TransferNoOp",        "Link",
        "SimpleCommand",   "SlotCommand",   "ContextCommand",      "EndpointCommand",
        "SetDequeue",      "ForceEvent",    "SetLatencyTolerance", "GetPortBandwidth",
        "ForceHeader",     "TransferEvent", "CommandCompletion",   "PortStatusChange",
        "ControllerEvent", "DoorbellEvent", "DeviceNotification"}) {
    facts.push_back({form, "cycle", 12, kCycle});
    facts.push_back({form, "type", 12, kType});
  }
  CheckFacts("xhci", facts);
}

}  // namespace
}  // namespace qsplit::testing
