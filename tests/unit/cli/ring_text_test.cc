// A ring for people: which descriptor a slot holds, runs of equal slots, and answers that lie.
#include "cli/ring_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>

namespace qsplit::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

layout::VerifiedLayout Named(const std::string& name) {
  std::ifstream file(QSPLIT_LAYOUT_DIR "/" + name + ".layout", std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  return layout::VerifiedLayout::FromBytes(bytes).value();
}

v1::ReadQueueRequest Request() {
  v1::ReadQueueRequest request;
  request.set_device("nic0");
  request.set_queue(3);
  return request;
}

// AF_XDP: 8 bytes a slot in ring 0 (fill), 16 in ring 1 (packets).
v1::ReadQueueResponse XdpRings() {
  v1::ReadQueueResponse response;
  response.set_lease_id(7);
  v1::RingImage* fill = response.add_rings();
  fill->set_slot_count(8);
  std::string slots(64, '\0');
  slots[1] = 0x10;  // 0x1000 in slot 0
  fill->set_slots(slots);
  for (const uint64_t cell : {2, 1, 9}) fill->add_cells(cell);
  v1::RingImage* packets = response.add_rings();
  packets->set_ring(1);
  packets->set_slot_count(8);
  packets->set_first_slot(4);
  slots.assign(16, '\0');
  slots[8] = 60;
  packets->set_slots(slots);
  return response;
}

TEST(RingText, ShowsSlotsThroughTheLayout) {
  const auto layout = Named("linux.af_xdp");
  const auto text = RingsText(layout, Request(), XdpRings(), false);
  ASSERT_TRUE(text.ok()) << text.status();
  EXPECT_THAT(*text, HasSubstr("receive queue 3 of nic0: layout linux.af_xdp, lease 7\n"));
  EXPECT_THAT(*text, HasSubstr("ring fill: 8 slots of 8 bytes\n"
                               "   consumer 2, flags 1, producer 9\n"
                               "      0  FillEntry  address=4096\n"
                               "      1  FillEntry  all 0\n"
                               "      …  6 more like it\n"));
  EXPECT_THAT(*text, HasSubstr("ring packets: 8 slots of 16 bytes\n"
                               "      4  RxDescriptor  length=60\n"
                               "      …  3 slots that were not read\n"));
  EXPECT_THAT(*text, Not(HasSubstr("00 10 00")));
  EXPECT_THAT(*RingsText(layout, Request(), XdpRings(), true), HasSubstr("00 10 00"));
}

TEST(RingText, ShowsSlotsAsJson) {
  const auto json = RingsJson(Named("linux.af_xdp"), Request(), XdpRings());
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_THAT(*json, HasSubstr("{\"ring\":\"packets\",\"slot\":4,\"layout\":\"linux.af_xdp\","
                               "\"form\":\"RxDescriptor\",\"fields\":["));
}

TEST(RingText, AConditionTellsCompletionsFromPosts) {
  const auto layout = Named("intel.ixgbe.advanced");
  const v1::Ring& ring = layout.FindQueue(v1::DIRECTION_RECEIVE)->rings(0);
  std::string bytes(16, '\0');
  const auto form = [&] {
    const auto found =
        FormOfSlot(layout, ring, {}, {reinterpret_cast<const uint8_t*>(bytes.data()), 16});
    return found ? layout.message().forms(static_cast<int>(*found)).name() : "";
  };
  const std::string posted = form();
  bytes[8] = 1;  // DD, the lowest bit of the status (82599 datasheet, 7.1.6.2)
  EXPECT_NE(form(), posted);
}

TEST(RingText, AnswersThatLieAreRefused) {
  const auto layout = Named("linux.af_xdp");
  v1::ReadQueueResponse response = XdpRings();
  response.mutable_rings(0)->set_ring(9);
  EXPECT_EQ(RingsText(layout, Request(), response, false).status().code(),
            absl::StatusCode::kInternal);
  response = XdpRings();
  response.mutable_rings(1)->mutable_slots()->pop_back();
  EXPECT_EQ(RingsText(layout, Request(), response, false).status().code(),
            absl::StatusCode::kInternal);
  response = XdpRings();
  for (int i = 0; i < 9; ++i) response.mutable_rings(1)->add_cells(1);
  EXPECT_EQ(RingsJson(layout, Request(), response).status().code(), absl::StatusCode::kInternal);
}

}  // namespace
}  // namespace qsplit::cli
