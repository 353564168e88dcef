#include "daemon/steering/flow_sets.h"

#include <gtest/gtest.h>

#include <random>
#include <vector>

#include "daemon/steering/flow_match.h"

namespace qsplit::steering {
namespace {

using device::FlowKey;
using device::FlowMatch;

void Set(v1::MaskedNumber* number, uint32_t value, uint32_t mask = 0xffff) {
  number->set_value(value);
  number->set_mask(mask);
}
FlowMatch Udp4(uint32_t port) {
  v1::FlowMatch request;
  request.set_flow_type(v1::FLOW_TYPE_UDP4);
  if (port != 0) Set(request.mutable_dst_port(), port);
  return ToMatch(request).value();
}
FlowMatch Ether(uint32_t type) {
  v1::FlowMatch request;
  request.set_flow_type(v1::FLOW_TYPE_ETHER);
  if (type != 0) Set(request.mutable_ether_type(), type);
  return ToMatch(request).value();
}
FlowMatch Ip4(uint32_t l4_bytes, uint32_t mask) {
  v1::FlowMatch request;
  request.set_flow_type(v1::FLOW_TYPE_IP4);
  if (mask != 0) Set(request.mutable_l4_bytes(), l4_bytes, mask);
  return ToMatch(request).value();
}

TEST(FlowSets, PortsOfOneTypeAreApart) {
  EXPECT_FALSE(Intersects(Udp4(4242), Udp4(4343)));
  EXPECT_TRUE(Intersects(Udp4(4242), Udp4(0)));
  EXPECT_TRUE(Covers(Udp4(0), Udp4(4242)));
  EXPECT_FALSE(Covers(Udp4(4242), Udp4(0)));
  EXPECT_TRUE(Covers(Udp4(4242), Udp4(4242)));
}

TEST(FlowSets, WiderTypesHoldNarrowerOnes) {
  EXPECT_TRUE(Covers(Ip4(0, 0), Udp4(4242)));
  EXPECT_TRUE(Covers(Ether(0x0800), Udp4(4242)));
  EXPECT_TRUE(Covers(Ether(0), Udp4(4242)));
  EXPECT_FALSE(Covers(Udp4(0), Ip4(0, 0)));
  EXPECT_FALSE(Intersects(Ether(0x0806), Udp4(4242))) << "ARP is not UDP";
  EXPECT_FALSE(Intersects(Ether(0x86dd), Udp4(4242)));
  EXPECT_TRUE(Intersects(Ether(0x0800), Udp4(4242)));
}

TEST(FlowSets, BytesBehindTheHeaderAreThePorts) {
  EXPECT_TRUE(Intersects(Ip4(4242, 0xffff), Udp4(4242)));
  EXPECT_FALSE(Intersects(Ip4(4243, 0xffff), Udp4(4242)));
  EXPECT_TRUE(Covers(Ip4(4242, 0xffff), Udp4(4242)));
  EXPECT_FALSE(Covers(Udp4(4242), Ip4(4242, 0xffff))) << "TCP has these bytes as well";
}

TEST(FlowSets, BytesBehindTheHeaderAreTheIndexOfEspAndNotOfAh) {
  const auto by_spi = [](v1::FlowType type) {
    v1::FlowMatch request;
    request.set_flow_type(type);
    Set(request.mutable_spi(), 0x10002, 0xffffffff);
    return ToMatch(request).value();
  };
  const FlowMatch esp = by_spi(v1::FLOW_TYPE_ESP4);
  const FlowMatch ah = by_spi(v1::FLOW_TYPE_AH4);
  EXPECT_TRUE(Covers(Ip4(0x10002, 0xffffffff), esp));
  EXPECT_FALSE(Intersects(Ip4(0x10003, 0xffffffff), esp));
  EXPECT_FALSE(Covers(Ip4(0x10002, 0xffffffff), ah));
  EXPECT_TRUE(Intersects(Ip4(0x10003, 0xffffffff), ah));
  EXPECT_FALSE(Intersects(esp, ah));
  EXPECT_FALSE(Covers(esp, Ip4(0x10002, 0xffffffff))) << "others begin with these bytes as well";
  EXPECT_TRUE(Covers(Ip4(0, 0), ah));
}

// All packets of a small world in which headers hang together as they do on the wire.
std::vector<FlowKey> SmallWorld() {
  std::vector<FlowKey> world;
  for (const uint16_t type : std::initializer_list<uint16_t>{0x0800, 0x86dd, 0x0806}) {
    for (uint8_t mac = 0; mac < 4; ++mac) {
      for (uint8_t vlan = 0; vlan < 3; ++vlan) {  // none, tag 0, tag 1
        FlowKey key;
        key.dst_mac[5] = mac;
        key.ether_type = type;
        key.has_vlan = vlan > 0;
        key.vlan_tci = vlan > 1;
        if (type == 0x0806) {
          world.push_back(key);
          continue;
        }
        key.ip_version = 0;
        world.push_back(key);  // the Ethernet type of IP, and no header of it
        key.ip_version = type == 0x0800 ? 4 : 6;
        for (const uint8_t protocol : std::initializer_list<uint8_t>{6, 17}) {
          key.l4_protocol = protocol;
          for (uint32_t ports = 0; ports < 16; ++ports) {
            key.src_port = static_cast<uint16_t>(ports & 3);
            key.dst_port = static_cast<uint16_t>(ports >> 2);
            key.l4_bytes = (uint32_t{key.src_port} << 16) | key.dst_port;
            key.has_ports = 1;
            world.push_back(key);
            key.src_port = key.dst_port = key.has_ports = 0;  // a later fragment, any bytes
            world.push_back(key);
          }
        }
        for (uint32_t begin = 0; begin < 16; ++begin) {
          key.l4_bytes = (begin & 3) << 16 | begin >> 2;
          for (const uint8_t protocol : std::initializer_list<uint8_t>{50, 51}) {
            key.l4_protocol = protocol;
            SetSpi(0, key);
            key.has_spi = 0;
            world.push_back(key);
            key.has_spi = 1;
            for (uint32_t spi = 0; spi < 16; ++spi) {
              if (protocol == 50 && spi != begin) continue;  // AH's is not what it begins with
              SetSpi((spi & 3) << 16 | spi >> 2, key);
              world.push_back(key);
            }
          }
        }
      }
    }
  }
  return world;
}

template <typename Random>
FlowMatch RandomMatch(Random& random) {
  const auto pick = [&](uint32_t n) { return static_cast<uint32_t>(random() % n); };
  constexpr v1::FlowType kTypes[] = {v1::FLOW_TYPE_ETHER, v1::FLOW_TYPE_IP4,  v1::FLOW_TYPE_IP6,
                                     v1::FLOW_TYPE_TCP4,  v1::FLOW_TYPE_UDP4, v1::FLOW_TYPE_UDP6,
                                     v1::FLOW_TYPE_AH4,   v1::FLOW_TYPE_ESP4, v1::FLOW_TYPE_ESP6};
  v1::FlowMatch request;
  request.set_flow_type(kTypes[pick(std::size(kTypes))]);
  const auto number = [&](v1::MaskedNumber* to, uint32_t bits) {
    const uint32_t mask = 1 + pick(bits);
    Set(to, pick(bits + 1) & mask, mask);
  };
  if (pick(2) == 0) {
    const char mask = static_cast<char>(1 + pick(3));
    request.mutable_dst_mac()->set_value(std::string(5, '\0') +
                                         static_cast<char>(pick(4) & static_cast<uint32_t>(mask)));
    request.mutable_dst_mac()->set_mask(std::string(5, '\0') + mask);
  }
  if (pick(4) == 0) Set(request.mutable_vlan_tci(), pick(2), 1);
  const v1::FlowType type = request.flow_type();
  if (type == v1::FLOW_TYPE_ETHER) {
    constexpr uint32_t kEtherTypes[] = {0x0800, 0x86dd, 0x0806};
    if (pick(2) == 0) Set(request.mutable_ether_type(), kEtherTypes[pick(3)]);
  } else if (type == v1::FLOW_TYPE_IP4 || type == v1::FLOW_TYPE_IP6) {
    constexpr uint32_t kProtocols[] = {6, 17, 50, 51};
    if (pick(2) == 0) Set(request.mutable_l4_protocol(), kProtocols[pick(4)], 0xff);
    if (pick(3) == 0) {
      const uint32_t mask = pick(2) == 0 ? 0x00030000 : 0x00000003;
      Set(request.mutable_l4_bytes(), pick(0x40000) & mask, mask);
    }
  } else if (type == v1::FLOW_TYPE_AH4 || type == v1::FLOW_TYPE_ESP4 ||
             type == v1::FLOW_TYPE_ESP6) {
    const uint32_t mask = (1 + pick(3)) << (pick(2) * 16);
    if (pick(2) == 0) Set(request.mutable_spi(), pick(0x40000) & mask, mask);
  } else {
    if (pick(2) == 0) number(request.mutable_src_port(), 3);
    if (pick(2) == 0) number(request.mutable_dst_port(), 3);
  }
  return ToMatch(request).value();
}

TEST(FlowSets, AgreeWithEveryPacketOfASmallWorld) {
  const std::vector<FlowKey> world = SmallWorld();
  std::mt19937 random(20140608);
  int covered = 0;
  int apart = 0;
  int cautious = 0;
  for (int round = 0; round < 4000; ++round) {
    const FlowMatch a = RandomMatch(random);
    const FlowMatch b = round % 8 == 0 ? a : RandomMatch(random);
    bool all_inside = true;
    bool common = false;
    for (const FlowKey& packet : world) {
      const bool in_a = Matches(a, packet);
      const bool in_b = Matches(b, packet);
      all_inside = all_inside && (in_a || !in_b);
      common = common || (in_a && in_b);
      ASSERT_EQ(Matches(WithConsequences(a), packet), in_a) << "consequences change nothing";
    }
    // What a client may take: never too much.
    if (Covers(a, b)) {
      ASSERT_TRUE(all_inside) << "round " << round;
      ++covered;
    }
    if (!Intersects(a, b)) {
      ASSERT_FALSE(common) << "round " << round;
      ++apart;
    } else if (!common) {
      ++cautious;
    }
    // Masks of one type leave nothing to caution, for all their fields are independent.
    if (a.type == b.type) {
      ASSERT_EQ(Intersects(a, b), common) << "round " << round;
      ASSERT_EQ(Covers(a, b), all_inside) << "round " << round;
    }
  }
  EXPECT_GT(covered, 200);
  EXPECT_GT(apart, 200);
  EXPECT_LT(cautious, 40) << "refused without need";
}

// Random keys over four bits of one field: the whole set can be counted.
TEST(FlowSets, AgreeWithCountingOverSmallKeys) {
  std::mt19937 random(7);
  for (int round = 0; round < 5000; ++round) {
    FlowMatch a;
    FlowMatch b;
    for (FlowMatch* match : {&a, &b}) {
      match->mask.tos = static_cast<uint8_t>(random() % 16);
      match->value.tos = static_cast<uint8_t>(random() % 16 & match->mask.tos);
    }
    bool inside = true;
    bool common = false;
    for (uint8_t tos = 0; tos < 16; ++tos) {
      FlowKey packet;
      packet.tos = tos;
      inside = inside && (Matches(a, packet) || !Matches(b, packet));
      common = common || (Matches(a, packet) && Matches(b, packet));
    }
    ASSERT_EQ(Covers(a, b), inside);
    ASSERT_EQ(Intersects(a, b), common);
  }
}

}  // namespace
}  // namespace qsplit::steering
