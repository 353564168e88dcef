// Linux's nvme_ioctl.h for what all commands share, as the compiler lays it out;
// include/linux/nvme.h (struct nvme_rw_command and the others) for the rest.
#include <gtest/gtest.h>
#include <linux/nvme_ioctl.h>

#include <vector>

#include "tests/unit/specs/header_facts.h"

namespace qsplit::testing {
namespace {

using Command = nvme_passthru_cmd;  // rsvd1 is the command's number, addr the first PRP

static_assert(offsetof(Command, timeout_ms) == 64);

void AddHead(const char* form, bool data, std::vector<Fact>& out) {
  for (const Fact& fact : {
           Fact MEMBER(form, "opcode", Command, opcode),
           // NVME_CMD_FUSE_FIRST | NVME_CMD_FUSE_SECOND, NVME_CMD_SGL_ALL.
           Fact BITS(form, "fuse", Command, flags, 1 << 0 | 1 << 1),
           Fact BITS(form, "psdt", Command, flags, 1 << 6 | 1 << 7),
           Fact MEMBER(form, "command_id", Command, rsvd1),
       }) {
    out.push_back(fact);
  }
  if (!data) return;
  for (const Fact& fact : {
           Fact MEMBER(form, "prp1", Command, addr),
           Fact{form, "prp2", offsetof(Command, addr) + 8, ~0ull},
           // struct nvme_sgl_desc at the same place.
           Fact MEMBER(form, "sgl_address", Command, addr),
           Fact{form, "sgl_length", offsetof(Command, addr) + 8, 0xffffffff},
           Fact{form, "sgl_type", offsetof(Command, addr) + 15, 0xf0},
           Fact{form, "sgl_subtype", offsetof(Command, addr) + 15, 0x0f},
       }) {
    out.push_back(fact);
  }
}

void AddGeneric(const char* form, std::vector<Fact>& out) {
  for (const Fact& fact : {
           Fact MEMBER(form, "namespace", Command, nsid),
           Fact MEMBER(form, "dword2", Command, cdw2),
           Fact MEMBER(form, "dword3", Command, cdw3),
           Fact MEMBER(form, "metadata", Command, metadata),
           Fact MEMBER(form, "dword10", Command, cdw10),
           Fact MEMBER(form, "dword11", Command, cdw11),
           Fact MEMBER(form, "dword12", Command, cdw12),
           Fact MEMBER(form, "dword13", Command, cdw13),
           Fact MEMBER(form, "dword14", Command, cdw14),
           Fact MEMBER(form, "dword15", Command, cdw15),
       }) {
    out.push_back(fact);
  }
}

constexpr Fact kFacts[] = {
    {"SglDescriptor", "address", 0, ~0ull},
    {"SglDescriptor", "length", 8, 0xffffffff},
    {"SglDescriptor", "type", 15, 0xf0},
    {"SglDescriptor", "subtype", 15, 0x0f},
    // struct nvme_rw_command, NVME_RW_*.
    {"ReadWrite", "namespace", 4, 0xffffffff},
    {"ReadWrite", "metadata", 16, ~0ull},
    {"ReadWrite", "first_block", 40, ~0ull},
    {"ReadWrite", "blocks", 48, 0xffff},
    {"ReadWrite", "directive_type", 50, 0xf << 4},  // NVME_RW_DTYPE_STREAMS is 1 << 4
    {"ReadWrite", "append_remap", 50, 1 << 9},
    {"ReadWrite", "check_reference", 50, 1 << 10},
    {"ReadWrite", "check_application", 50, 1 << 11},
    {"ReadWrite", "check_guard", 50, 1 << 12},
    {"ReadWrite", "protection", 50, 1 << 13},
    {"ReadWrite", "force_access", 50, 1 << 14},
    {"ReadWrite", "limited_retry", 50, 1 << 15},
    {"ReadWrite", "frequency", 52, 0xf},
    {"ReadWrite", "latency", 52, 3 << 4},
    {"ReadWrite", "sequential", 52, 1 << 6},
    {"ReadWrite", "incompressible", 52, 1 << 7},
    {"ReadWrite", "reference_tag", 56, 0xffffffff},
    {"ReadWrite", "application_tag", 60, 0xffff},
    {"ReadWrite", "application_mask", 62, 0xffff},
    {"ReadWrite", "tags_high", 8, ~0ull},        // cdw2, cdw3
    {"ReadWrite", "directive", 52, 0xffff0000},  // DSPEC
    // struct nvme_dsm_cmd, NVME_DSMGMT_*.
    {"DatasetManagement", "integral_read", 44, 1 << 0},
    {"DatasetManagement", "integral_write", 44, 1 << 1},
    {"DatasetManagement", "deallocate", 44, 1 << 2},
    {"DatasetManagement", "namespace", 4, 0xffffffff},
    {"DatasetManagement", "ranges", 40, 0xff},  // NVME_DSM_MAX_RANGES is 256
    // struct nvme_zone_mgmt_send_cmd, nvme_zone_mgmt_recv_cmd.
    {"ZoneSend", "first_block", 40, ~0ull},
    {"ZoneSend", "action", 52, 0xff},
    {"ZoneSend", "namespace", 4, 0xffffffff},
    {"ZoneSend", "all", 53, 0x1},  // select_all
    {"ZoneReceive", "dwords", 48, 0xffffffff},
    {"ZoneReceive", "action", 52, 0xff},
    {"ZoneReceive", "which", 53, 0xff},
    {"ZoneReceive", "namespace", 4, 0xffffffff},
    {"ZoneReceive", "first_block", 40, ~0ull},
    {"ZoneReceive", "partial", 54, 0x1},  // NVME_REPORT_ZONE_PARTIAL
    // struct nvme_identify.
    {"Identify", "what", 40, 0xff},
    {"Identify", "controller", 42, 0xffff},
    {"Identify", "command_set", 47, 0xff},
    {"Identify", "namespace", 4, 0xffffffff},
    {"Identify", "set_specific", 44, 0xffff},
    {"Identify", "uuid_index", 56, 0x7f},
    // struct nvme_features.
    {"SetFeatures", "feature", 40, 0xff},
    {"SetFeatures", "save", 40, 1u << 31},
    {"SetFeatures", "value", 44, 0xffffffff},
    {"SetFeatures", "namespace", 4, 0xffffffff},
    {"SetFeatures", "dword12", 48, 0xffffffff},
    {"SetFeatures", "dword13", 52, 0xffffffff},
    {"SetFeatures", "dword14", 56, 0xffffffff},
    {"SetFeatures", "dword15", 60, 0xffffffff},
    {"GetFeatures", "feature", 40, 0xff},
    {"GetFeatures", "namespace", 4, 0xffffffff},
    {"GetFeatures", "select", 40, 7 << 8},  // SEL
    {"GetFeatures", "dword11", 44, 0xffffffff},
    {"GetFeatures", "uuid_index", 56, 0x7f},
    // struct nvme_create_cq, nvme_create_sq, nvme_delete_queue, nvme_abort_cmd.
    {"CreateCompletionQueue", "prp1", 24, ~0ull},
    {"CreateCompletionQueue", "queue_id", 40, 0xffff},
    {"CreateCompletionQueue", "slots", 42, 0xffff},
    {"CreateCompletionQueue", "contiguous", 44, 1 << 0},  // NVME_QUEUE_PHYS_CONTIG
    {"CreateCompletionQueue", "interrupts", 44, 1 << 1},  // NVME_CQ_IRQ_ENABLED
    {"CreateCompletionQueue", "vector", 46, 0xffff},
    {"CreateSubmissionQueue", "prp1", 24, ~0ull},
    {"CreateSubmissionQueue", "queue_id", 40, 0xffff},
    {"CreateSubmissionQueue", "slots", 42, 0xffff},
    {"CreateSubmissionQueue", "contiguous", 44, 1 << 0},
    {"CreateSubmissionQueue", "priority", 44, 3 << 1},  // NVME_SQ_PRIO_LOW
    {"CreateSubmissionQueue", "completion_queue", 46, 0xffff},
    {"DeleteQueue", "queue_id", 40, 0xffff},
    {"Abort", "queue_id", 40, 0xffff},
    {"Abort", "aborted_command", 42, 0xffff},
    // struct nvme_get_log_page_command.
    {"GetLogPage", "page", 40, 0xff},
    {"GetLogPage", "dwords", 42, 0xffff},
    {"GetLogPage", "dwords", 44, 0xffff, Word::kLittle, 16},
    {"GetLogPage", "offset", 48, ~0ull},
    {"GetLogPage", "command_set", 59, 0xff},
    {"GetLogPage", "namespace", 4, 0xffffffff},
    {"GetLogPage", "specific", 41, 0x7f},        // lsp
    {"GetLogPage", "retain", 41, 0x80},          // NVME_LSP_RAE
    {"GetLogPage", "log_specific", 46, 0xffff},  // LSI
    {"GetLogPage", "uuid_index", 56, 0x7f},
    {"GetLogPage", "offset_is_index", 56, 1 << 23},  // OT
    // struct nvme_download_firmware, nvme_directive_cmd, nvme_dbbuf.
    {"FirmwareDownload", "dwords", 40, 0xffffffff},
    {"FirmwareDownload", "offset", 44, 0xffffffff},
    {"Directive", "dwords", 40, 0xffffffff},
    {"Directive", "operation", 44, 0xff},
    {"Directive", "directive_type", 45, 0xff},
    {"Directive", "directive", 46, 0xffff},
    {"Directive", "target_type", 49, 0xff},
    {"Directive", "namespace", 4, 0xffffffff},
    {"Directive", "enable", 48, 0x1},  // endir
    {"DoorbellBuffer", "doorbells", 24, ~0ull},
    {"DoorbellBuffer", "event_indices", 32, ~0ull},
    // struct nvme_completion; its status without the phase tag is NVME_SC_*, NVME_STATUS_*.
    {"Completion", "result", 0, 0xffffffff},
    {"Completion", "submission_head", 8, 0xffff},
    {"Completion", "submission_queue", 10, 0xffff},
    {"Completion", "command_id", 12, 0xffff},
    {"Completion", "phase_tag", 14, 1 << 0},
    {"Completion", "status", 14, 0xff << 1},
    {"Completion", "status_type", 14, 0x700 << 1},
    {"Completion", "retry_delay", 14, 0x1800 << 1},   // NVME_STATUS_CRD
    {"Completion", "more", 14, 0x2000 << 1},          // NVME_STATUS_MORE
    {"Completion", "do_not_retry", 14, 0x4000 << 1},  // NVME_STATUS_DNR
    {"Completion", "result_high", 4, 0xffffffff},
    {"Format", "namespace", 4, 0xffffffff},
    {"Format", "lba_format", 40, 0xf},                        // LBAFL
    {"Format", "lba_format", 40, 3 << 12, Word::kLittle, 4},  // LBAFU
    {"Format", "metadata_inline", 40, 1 << 4},                // MSET
    {"Format", "protection", 40, 7 << 5},                     // PI
    {"Format", "protection_first", 40, 1 << 8},               // PIL
    {"Format", "erase", 40, 7 << 9},                          // SES
};

TEST(SpecFacts, Nvme) {
  std::vector<Fact> facts(std::begin(kFacts), std::end(kFacts));
  for (const char* form : {"ReadWrite", "DatasetManagement", "ZoneSend", "ZoneReceive", "IoCommand",
                           "Identify", "SetFeatures", "GetFeatures", "GetLogPage",
                           "FirmwareDownload", "Directive", "AdminCommand"}) {
    AddHead(form, true, facts);
  }
  for (const char* form : {"CreateCompletionQueue", "CreateSubmissionQueue", "DeleteQueue", "Abort",
                           "Format", "DoorbellBuffer"}) {
    AddHead(form, false, facts);
  }
  AddGeneric("IoCommand", facts);
  AddGeneric("AdminCommand", facts);
  CheckFacts("nvme", facts);
}

}  // namespace
}  // namespace qsplit::testing
