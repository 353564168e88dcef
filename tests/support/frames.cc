#include "tests/support/frames.h"

#include <arpa/inet.h>

#include <cstdlib>
#include <cstring>

namespace qsplit::testing {
namespace {

void Put16(Bytes& out, size_t value) {
  out.push_back(static_cast<uint8_t>(value >> 8));
  out.push_back(static_cast<uint8_t>(value));
}
void Put32(Bytes& out, size_t value) {
  Put16(out, value >> 16);
  Put16(out, value);
}
void Append(Bytes& out, const Bytes& bytes) { out.insert(out.end(), bytes.begin(), bytes.end()); }
void Set16(Bytes& out, size_t at, uint16_t value) {
  out[at] = static_cast<uint8_t>(value >> 8);
  out[at + 1] = static_cast<uint8_t>(value);
}

uint32_t PlainCrc32c(const Bytes& bytes) {
  uint32_t crc = ~0u;
  for (const uint8_t byte : bytes) {
    crc ^= byte;
    for (int i = 0; i < 8; ++i) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
  }
  return ~crc;
}

Bytes Pseudo(const Bytes& src, const Bytes& dst, uint8_t protocol, const Bytes& l4) {
  Bytes out = src;
  Append(out, dst);
  Put32(out, l4.size());
  Put32(out, protocol);
  Append(out, l4);
  return out;
}

Bytes MakeL4(const FrameSpec& s, const Bytes& src, const Bytes& dst) {
  Bytes l4;
  if (s.protocol == 50 || s.protocol == 51) {  // ESP (RFC 4303), AH (RFC 4302)
    if (s.protocol == 51) l4 = {59, 4, 0, 0};  // nothing behind it; 24 bytes
    Put32(l4, s.spi);
    Put32(l4, 1);
    if (s.protocol == 51) l4.resize(24, 0xaa);
    Append(l4, s.payload);
    return l4;
  }
  if (s.protocol != 6 && s.protocol != 17 && s.protocol != 132) return s.payload;
  Put16(l4, s.src_port);
  Put16(l4, s.dst_port);
  if (s.protocol == 17) {
    Put16(l4, 8 + s.payload.size());
    Put16(l4, 0);
    Append(l4, s.payload);
    const auto sum = static_cast<uint16_t>(~PlainSum(Pseudo(src, dst, 17, l4)));
    Set16(l4, 6, sum == 0 ? 0xffff : sum);
  } else if (s.protocol == 6) {
    Put32(l4, s.tcp_sequence);
    Put32(l4, 0);
    l4.push_back(0x50);
    l4.push_back(s.tcp_flags);
    Put16(l4, 0x1000);
    Put32(l4, 0);
    Append(l4, s.payload);
    Set16(l4, 16, static_cast<uint16_t>(~PlainSum(Pseudo(src, dst, 6, l4))));
  } else {
    Put32(l4, 7);
    Put32(l4, 0);
    Append(l4, s.payload);
    const uint32_t crc = PlainCrc32c(l4);
    for (size_t i = 0; i < 4; ++i) l4[8 + i] = static_cast<uint8_t>(crc >> 8 * i);
  }
  return l4;
}

}  // namespace

Bytes IpBytes(const std::string& text) {
  const bool six = text.find(':') != std::string::npos;
  Bytes out(six ? 16 : 4);
  if (inet_pton(six ? AF_INET6 : AF_INET, text.c_str(), out.data()) != 1) std::abort();
  return out;
}

uint16_t PlainSum(const Bytes& bytes) {
  uint64_t sum = 0;
  for (size_t i = 0; i < bytes.size(); i += 2) {
    sum += static_cast<uint64_t>(bytes[i]) << 8;
    if (i + 1 < bytes.size()) sum += bytes[i + 1];
  }
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(sum);
}

Bytes MakeFrame(const FrameSpec& s) {
  Bytes out(s.dst.begin(), s.dst.end());
  out.insert(out.end(), s.src.begin(), s.src.end());
  if (s.outer_vlan_tci) {
    Put16(out, 0x88a8);
    Put16(out, *s.outer_vlan_tci);
  }
  if (s.vlan_tci) {
    Put16(out, 0x8100);
    Put16(out, *s.vlan_tci);
  }
  const Bytes src = IpBytes(s.src_ip);
  const Bytes dst = IpBytes(s.dst_ip);
  const Bytes l4 = MakeL4(s, src, dst);
  if (src.size() == 4) {
    Put16(out, 0x0800);
    Bytes ip;
    ip.push_back(static_cast<uint8_t>(0x45 + s.ip_options.size() / 4));
    ip.push_back(s.tos);
    Put16(ip, 20 + s.ip_options.size() + l4.size());
    Put16(ip, 77);
    Put16(ip, s.fragment);
    ip.push_back(64);
    ip.push_back(s.protocol);
    Put16(ip, 0);
    Append(ip, src);
    Append(ip, dst);
    Append(ip, s.ip_options);
    Set16(ip, 10, static_cast<uint16_t>(~PlainSum(ip)));
    Append(out, ip);
  } else {
    Put16(out, 0x86dd);
    Put32(out, 0x60000000u | uint32_t{s.tos} << 20);
    Put16(out, l4.size());
    out.push_back(s.protocol);
    out.push_back(64);
    Append(out, src);
    Append(out, dst);
  }
  Append(out, l4);
  return out;
}

bool ChecksumsHold(const Bytes& frame) {
  const bool four = frame[12] == 0x08;
  const size_t header = four ? (frame[14] & 0xfu) * 4u : 40u;
  const auto at = [&](size_t i) { return frame.begin() + static_cast<ptrdiff_t>(i); };
  if (four && PlainSum(Bytes(at(14), at(14 + header))) != 0xffff) return false;
  const size_t total = four ? frame[16] * 256u + frame[17] : 40u + frame[18] * 256u + frame[19];
  Bytes l4(at(14 + header), at(14 + total));
  const uint8_t protocol = four ? frame[23] : frame[20];
  if (protocol == 132) {
    const uint32_t said =
        l4[8] | uint32_t{l4[9]} << 8 | uint32_t{l4[10]} << 16 | uint32_t{l4[11]} << 24;
    std::memset(l4.data() + 8, 0, 4);
    return PlainCrc32c(l4) == said;
  }
  const size_t address = four ? 26 : 22;
  const size_t bytes = four ? 4 : 16;
  const Bytes src(at(address), at(address + bytes));
  const Bytes dst(at(address + bytes), at(address + 2 * bytes));
  return PlainSum(Pseudo(src, dst, protocol, l4)) == 0xffff;
}

}  // namespace qsplit::testing
