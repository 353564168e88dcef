// Registers of the Intel 82574 GbE Controller Family, as byte offsets in BAR 0, and the bits of
// them that the driver uses. Sections are those of the family's datasheet, revision 3.4; where it
// is silent the source is named: "base code" is DPDK drivers/net/intel/e1000/base, "Linux" is
// drivers/net/ethernet/intel/e1000e.
//
// The device writes them, and while the function is leased whole, so may the client.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_E1000E_REGISTERS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_E1000E_REGISTERS_H_

#include <cstdint>

namespace qsplit::vfio::e1000e {

// 10.2.2, general.
inline constexpr uint64_t kCtrl = 0x0000;
inline constexpr uint32_t kCtrlFullDuplex = 1u << 0;
inline constexpr uint32_t kCtrlMasterDisable = 1u << 2;  // GIO Master Disable
inline constexpr uint32_t kCtrlSetLinkUp = 1u << 6;      // SLU
inline constexpr uint32_t kCtrlReset = 1u << 26;         // RST, clears itself
inline constexpr uint32_t kCtrlVlanMode = 1u << 30;      // VME

inline constexpr uint64_t kStatus = 0x0008;
inline constexpr uint32_t kStatusLinkUp = 1u << 1;         // LU
inline constexpr uint32_t kStatusSpeed = 3u << 6;          // 10, 100, 1000, 1000 Mb/s
inline constexpr uint32_t kStatusMasterEnable = 1u << 19;  // requests may be, or are, under way

inline constexpr uint64_t kEecd = 0x0010;
inline constexpr uint32_t kEecdAutoReadDone = 1u << 9;  // AUTO_RD

inline constexpr uint64_t kCtrlExt = 0x0018;
inline constexpr uint32_t kCtrlExtBit22 = 1u << 22;            // base code: set
inline constexpr uint32_t kCtrlExtBit23 = 1u << 23;            // base code: clear
inline constexpr uint32_t kCtrlExtAutoMaskMessage = 1u << 24;  // EIAME
inline constexpr uint32_t kCtrlExtAutoMaskRead = 1u << 27;     // IAME

inline constexpr uint64_t kVlanEtherType = 0x0038;     // VET
inline constexpr uint64_t kFlowControlTimer = 0x0170;  // FCTTV
inline constexpr uint64_t kFlowControlLow = 0x2160;    // FCRTL
inline constexpr uint64_t kFlowControlHigh = 0x2168;   // FCRTH

inline constexpr uint64_t kExtConfig = 0x0f00;            // EXTCNF_CTRL
inline constexpr uint32_t kExtConfigMdioOwner = 1u << 5;  // MDIO_SW_OWNERSHIP

// 10.2.3, PCIe.
inline constexpr uint64_t kGcr = 0x5b00;
inline constexpr uint32_t kGcrBit22 = 1u << 22;  // base code: set
inline constexpr uint64_t kGcr2 = 0x5b64;
inline constexpr uint32_t kGcr2Bit0 = 1u << 0;  // base code: set, an erratum of completions

// 10.2.4, interrupts.
inline constexpr uint64_t kIcr = 0x00c0;   // causes; a 1 written clears
inline constexpr uint64_t kIms = 0x00d0;   // mask, a 1 enables
inline constexpr uint64_t kImc = 0x00d8;   // mask, a 1 disables
inline constexpr uint64_t kEiac = 0x00dc;  // causes that a message clears
inline constexpr uint64_t kIam = 0x00e0;   // causes that are masked by themselves
inline constexpr uint64_t kIvar = 0x00e4;
constexpr uint64_t Eitr(uint32_t vector) { return 0x00e8 + 4 * uint64_t{vector}; }
inline constexpr uint32_t kIvarValid = 8;                  // of each field of four bits
inline constexpr uint32_t kIvarEveryWriteBack = 1u << 31;  // transmit: not only when empty
inline constexpr uint32_t kCauseLink = 1u << 2;            // LSC
inline constexpr uint32_t kCauseOverrun = 1u << 6;         // RXO
inline constexpr uint32_t kCauseQueues = 0xfu << 20;       // RXQ0, RXQ1, TXQ0, TXQ1
inline constexpr uint32_t kCauseOther = 1u << 24;
inline constexpr uint32_t kCausesOfOther =  // with MDAC, SRPD, ACK, MNG
    kCauseLink | kCauseOverrun | 1u << 9 | 1u << 16 | 1u << 17 | 1u << 18 | kCauseOther;
inline constexpr uint32_t kEitrMillisecond = 3906;  // in units of 256 ns

// 10.2.5, receive. The second queue's registers stand 0x100 further.
inline constexpr uint64_t kRctl = 0x0100;
inline constexpr uint32_t kRctlEnable = 1u << 1;
inline constexpr uint32_t kRctlUnicastPromiscuous = 1u << 3;
inline constexpr uint32_t kRctlMulticastPromiscuous = 1u << 4;
inline constexpr uint32_t kRctlLongPackets = 1u << 5;    // LPE
inline constexpr uint32_t kRctlBroadcast = 1u << 15;     // BAM
inline constexpr uint32_t kRctlSizeShift = 16;           // BSIZE
inline constexpr uint32_t kRctlSizeExtended = 1u << 25;  // BSEX: BSIZE counts in sixteenfold
inline constexpr uint32_t kRctlStripCrc = 1u << 26;      // SECRC
inline constexpr uint64_t kErt = 0x2008;
inline constexpr uint64_t kRdbal = 0x2800;
inline constexpr uint64_t kRdbah = 0x2804;
inline constexpr uint64_t kRdlen = 0x2808;
inline constexpr uint64_t kRdh = 0x2810;
inline constexpr uint64_t kRdt = 0x2818;
inline constexpr uint64_t kRdtr = 0x2820;
inline constexpr uint64_t kRxdctl = 0x2828;
inline constexpr uint64_t kRadv = 0x282c;
inline constexpr uint64_t kRaid = 0x2c08;
inline constexpr uint64_t kRxcsum = 0x5000;
inline constexpr uint32_t kRxcsumIp = 1u << 8;     // IPOFLD
inline constexpr uint32_t kRxcsumL4 = 1u << 9;     // TUOFLD
inline constexpr uint32_t kRxcsumHash = 1u << 13;  // PCSD: the hash stands where a checksum would
inline constexpr uint64_t kRfctl = 0x5008;
inline constexpr uint32_t kRfctlNoIscsi = 1u << 0;
inline constexpr uint32_t kRfctlNoNfs = 3u << 6;             // NFSW_DIS, NFSR_DIS
inline constexpr uint32_t kRfctlNoAckCause = 1u << 12;       // ACK_DIS
inline constexpr uint32_t kRfctlExtended = 1u << 15;         // EXSTEN
inline constexpr uint32_t kRfctlNoIp6Extensions = 3u << 16;  // IPV6_EX_DIS, NEW_IPV6_EXT_DIS
inline constexpr uint64_t kMulticastTable = 0x5200;          // MTA
inline constexpr uint32_t kMulticastWords = 128;
constexpr uint64_t Ral(uint32_t entry) { return 0x5400 + 8 * uint64_t{entry}; }
constexpr uint64_t Rah(uint32_t entry) { return 0x5404 + 8 * uint64_t{entry}; }
inline constexpr uint32_t kRahValid = 1u << 31;  // AV
inline constexpr uint32_t kReceiveAddresses = 16;
inline constexpr uint64_t kMrqc = 0x5818;
// RSS over IPv4, TCP over IPv4, IPv6, TCP over IPv6.
inline constexpr uint32_t kMrqcRss = 1u | 1u << 16 | 1u << 17 | 1u << 18 | 1u << 20;
inline constexpr uint64_t kReta = 0x5c00;
inline constexpr uint32_t kRetaEntries = 128;
inline constexpr uint32_t kRetaQueueShift = 7;
inline constexpr uint64_t kRssKey = 0x5c80;

// 10.2.6, transmit. The second queue's registers stand 0x100 further.
inline constexpr uint64_t kTctl = 0x0400;
inline constexpr uint32_t kTctlEnable = 1u << 1;
inline constexpr uint32_t kTctlPadShort = 1u << 3;
inline constexpr uint32_t kTctlCollisions = 0x0fu << 4 | 0x3fu << 12;  // CT, COLD: full duplex
inline constexpr uint32_t kTctlManyRequests = 1u << 28;                // MULR
inline constexpr uint64_t kTipg = 0x0410;
inline constexpr uint32_t kTipgCopper = 8 | 8 << 10 | 6 << 20;
inline constexpr uint64_t kTdbal = 0x3800;
inline constexpr uint64_t kTdbah = 0x3804;
inline constexpr uint64_t kTdlen = 0x3808;
inline constexpr uint64_t kTdh = 0x3810;
inline constexpr uint64_t kTdt = 0x3818;
inline constexpr uint64_t kTidv = 0x3820;
inline constexpr uint64_t kTxdctl = 0x3828;
inline constexpr uint64_t kTadv = 0x382c;
inline constexpr uint64_t kTarc = 0x3840;
inline constexpr uint32_t kTarcEnable = 1u << 10;
inline constexpr uint32_t kTarcCount = 3;         // the reset value: equal shares
inline constexpr uint32_t kTarcBit26 = 1u << 26;  // base code: set, of the first queue
inline constexpr uint64_t kQueueStride = 0x100;
// RXDCTL and TXDCTL: thresholds count descriptors (GRAN), written back one by one (WTHRESH = 1).
inline constexpr uint32_t kDctlEachOne = 1u << 24 | 1u << 16;
inline constexpr uint32_t kTxdctlBit22 = 1u << 22;  // base code: set

// 10.2.7, statistics; reading clears. Of octets the low half is read first, the high half clears.
inline constexpr uint64_t kCrcErrors = 0x4000;
inline constexpr uint64_t kReceiveErrors = 0x400c;   // RXERRC
inline constexpr uint64_t kMissed = 0x4010;          // MPC
inline constexpr uint64_t kLengthErrors = 0x4040;    // RLEC
inline constexpr uint64_t kGoodReceived = 0x4074;    // GPRC
inline constexpr uint64_t kGoodSent = 0x4080;        // GPTC
inline constexpr uint64_t kOctetsReceived = 0x4088;  // GORCL, GORCH
inline constexpr uint64_t kOctetsSent = 0x4090;      // GOTCL, GOTCH

inline constexpr uint64_t kRegisterBytes = 0x6000;  // all of the above
inline constexpr uint32_t kGone = 0xffffffff;       // what a function that is gone reads as

}  // namespace qsplit::vfio::e1000e

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_E1000E_REGISTERS_H_
