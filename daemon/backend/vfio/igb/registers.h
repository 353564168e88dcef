// Registers of the 82576 and the I350: where they stand in BAR 0 and what their bits mean.
//
// Numbers only, as the public headers have them (Linux drivers/net/ethernet/intel/igb, DPDK
// drivers/net/intel/e1000/base: e1000_{regs,defines,82575,mbx}.h, with E1000_ before each name).
// The Intel 82576 GbE Controller Datasheet describes the registers by the same names in chapter 8;
// its sections are given here where other public sources name them too. Where the I350 differs it
// says so.
#ifndef QSPLIT_DAEMON_BACKEND_VFIO_IGB_REGISTERS_H_
#define QSPLIT_DAEMON_BACKEND_VFIO_IGB_REGISTERS_H_

#include <cstdint>

namespace qsplit::vfio::igb {

// What a function reads that is no longer there.
inline constexpr uint32_t kGone = 0xffffffff;

// General registers (8.2).
inline constexpr uint32_t kCtrl = 0x0000;
inline constexpr uint32_t kCtrlMasterDisable = 1u << 2;
inline constexpr uint32_t kCtrlSetLinkUp = 1u << 6;
inline constexpr uint32_t kCtrlForceSpeed = 1u << 11;
inline constexpr uint32_t kCtrlForceDuplex = 1u << 12;
inline constexpr uint32_t kCtrlReset = 1u << 26;
inline constexpr uint32_t kCtrlRxFlowControl = 1u << 27;
inline constexpr uint32_t kCtrlTxFlowControl = 1u << 28;
inline constexpr uint32_t kCtrlVlanMode = 1u << 30;  // VME: take tags out
inline constexpr uint32_t kStatus = 0x0008;
inline constexpr uint32_t kStatusLinkUp = 1u << 1;
inline constexpr uint32_t kStatusPortShift = 2;   // LAN ID, 2 bits
inline constexpr uint32_t kStatusSpeedShift = 6;  // 0: 10, 1: 100, 2 and 3: 1000 Mb/s
inline constexpr uint32_t kStatusMasterEnabled = 1u << 19;
inline constexpr uint32_t kEec = 0x0010;
inline constexpr uint32_t kEecAutoReadDone = 1u << 9;
inline constexpr uint32_t kCtrlExt = 0x0018;
inline constexpr uint32_t kCtrlExtPfResetDone = 1u << 14;
inline constexpr uint32_t kCtrlExtLinkModeMask = 3u << 22;  // 0: the internal copper PHY
inline constexpr uint32_t kCtrlExtDriverLoaded = 1u << 28;
inline constexpr uint32_t kMdic = 0x0020;  // 8.2.4
inline constexpr uint32_t kMdicRegisterShift = 16;
inline constexpr uint32_t kMdicPhyShift = 21;
inline constexpr uint32_t kMdicWrite = 1u << 26;
inline constexpr uint32_t kMdicRead = 2u << 26;
inline constexpr uint32_t kMdicReady = 1u << 28;
inline constexpr uint32_t kMdicError = 1u << 30;
inline constexpr uint32_t kInternalPhy = 1;  // its address on MDIO; the I350 looks at none
// IEEE 802.3 clause 22: the control register.
inline constexpr uint32_t kPhyControl = 0;
inline constexpr uint32_t kPhyAutonegotiate = 1u << 12;
inline constexpr uint32_t kPhyPowerDown = 1u << 11;
inline constexpr uint32_t kPhyRestartAutonegotiation = 1u << 9;

// Semaphores between drivers and firmware.
inline constexpr uint32_t kSwsm = 0x5b50;
inline constexpr uint32_t kSwsmSemaphore = 1u << 0;          // SMBI: set by being read
inline constexpr uint32_t kSwsmFirmwareSemaphore = 1u << 1;  // SWESMBI
inline constexpr uint32_t kSwFwSync = 0x5b5c;
inline constexpr uint32_t kSwFwFirmwareShift = 16;

// Interrupts (8.8).
inline constexpr uint32_t kIcr = 0x00c0;
inline constexpr uint32_t kIms = 0x00d0;
inline constexpr uint32_t kImc = 0x00d8;
inline constexpr uint32_t kIam = 0x00e0;
inline constexpr uint32_t kCauseLink = 1u << 2;     // LSC
inline constexpr uint32_t kCauseMailbox = 1u << 8;  // VMMB: a mailbox, or a VF's reset
inline constexpr uint32_t kGpie = 0x1514;
inline constexpr uint32_t kGpieClearAll = 1u << 0;  // NSICR: reading ICR clears it
inline constexpr uint32_t kGpieMsix = 1u << 4;
inline constexpr uint32_t kGpiePba = 1u << 31;
inline constexpr uint32_t kEics = 0x1520;
inline constexpr uint32_t kEims = 0x1524;
inline constexpr uint32_t kEimc = 0x1528;
inline constexpr uint32_t kEiac = 0x152c;
inline constexpr uint32_t kEiam = 0x1530;
inline constexpr uint32_t kEicr = 0x1580;
constexpr uint32_t Eitr(uint32_t vector) { return 0x1680 + 4 * vector; }
inline constexpr uint32_t kEitrIntervalShift = 2;  // of microseconds
constexpr uint32_t Ivar(uint32_t n) { return 0x1700 + 4 * n; }
inline constexpr uint32_t kIvarMisc = 0x1740;
inline constexpr uint32_t kIvarMiscOtherShift = 8;
inline constexpr uint32_t kIvarValid = 1u << 7;

// Receive (8.10). Queue registers are at a base and stride that differ between PF and VF.
inline constexpr uint32_t kRctl = 0x0100;
inline constexpr uint32_t kRctlEnable = 1u << 1;
inline constexpr uint32_t kRctlUnicastPromiscuous = 1u << 3;
inline constexpr uint32_t kRctlMulticastPromiscuous = 1u << 4;
inline constexpr uint32_t kRctlLongPackets = 1u << 5;
inline constexpr uint32_t kRctlBroadcast = 1u << 15;
inline constexpr uint32_t kRctlVlanFilter = 1u << 18;
inline constexpr uint32_t kRctlStripCrc = 1u << 26;
inline constexpr uint32_t kQde = 0x2408;  // queue drop enable
inline constexpr uint32_t kRxcsum = 0x5000;
inline constexpr uint32_t kRxcsumIp = 1u << 8;
inline constexpr uint32_t kRxcsumL4 = 1u << 9;
inline constexpr uint32_t kRxcsumSctp = 1u << 11;
inline constexpr uint32_t kRxcsumHash = 1u << 13;  // PCSD: the hash in place of a checksum
inline constexpr uint32_t kRlpml = 0x5004;
inline constexpr uint32_t kMaxFrameBytes = 9728;
inline constexpr uint32_t kRfctl = 0x5008;
inline constexpr uint32_t kRfctlNoIpv6Extensions = 1u << 16;
inline constexpr uint32_t kRxBase = 0x00, kRxBaseHigh = 0x04, kRxLength = 0x08, kSrrctl = 0x0c;
inline constexpr uint32_t kRxHead = 0x10, kRxTail = 0x18, kRxdctl = 0x28, kRqdpc = 0x30;
inline constexpr uint32_t kSrrctlBufferUnitBytes = 1024;
inline constexpr uint32_t kSrrctlAdvancedOneBuffer = 1u << 25;
inline constexpr uint32_t kSrrctlDropEnable = 1u << 31;
inline constexpr uint32_t kQueueEnable = 1u << 25;  // of RXDCTL and TXDCTL
inline constexpr uint32_t kPrefetchShift = 0, kHostShift = 8, kWriteBackShift = 16;

// Address filters. Entries from 16 on stand apart.
constexpr uint32_t Ral(uint32_t n) { return n < 16 ? 0x5400 + 8 * n : 0x54e0 + 8 * (n - 16); }
constexpr uint32_t Rah(uint32_t n) { return Ral(n) + 4; }
inline constexpr uint32_t kRahPoolShift = 18;  // 8 bits, one for each pool
inline constexpr uint32_t kRahValid = 1u << 31;
constexpr uint32_t Mta(uint32_t n) { return 0x5200 + 4 * n; }
inline constexpr uint32_t kMtaWords = 128;
constexpr uint32_t Vfta(uint32_t n) { return 0x5600 + 4 * n; }
inline constexpr uint32_t kVftaWords = 128;
constexpr uint32_t Uta(uint32_t n) { return 0xa000 + 4 * n; }
inline constexpr uint32_t kUtaWords = 128;

// RSS.
inline constexpr uint32_t kMrqc = 0x5818;
inline constexpr uint32_t kMrqcRss = 2;
inline constexpr uint32_t kMrqcPools = 3;
inline constexpr uint32_t kMrqcPoolsRss = 5;  // two queues a pool; 82576 only
inline constexpr uint32_t kMrqcTcp4 = 1u << 16, kMrqcIp4 = 1u << 17, kMrqcTcp6Ex = 1u << 18;
inline constexpr uint32_t kMrqcIp6 = 1u << 20, kMrqcTcp6 = 1u << 21, kMrqcUdp4 = 1u << 22;
inline constexpr uint32_t kMrqcUdp6 = 1u << 23, kMrqcUdp6Ex = 1u << 24;
constexpr uint32_t Reta(uint32_t word) { return 0x5c00 + 4 * word; }
inline constexpr uint32_t kRetaEntries = 128;
constexpr uint32_t Rssrk(uint32_t word) { return 0x5c80 + 4 * word; }

// Filters: 5-tuples (2-tuples in the I350, by the same registers), EtherTypes.
inline constexpr uint32_t kTupleFilters = 8;
constexpr uint32_t Saqf(uint32_t n) { return 0x5980 + 4 * n; }
constexpr uint32_t Daqf(uint32_t n) { return 0x59a0 + 4 * n; }
constexpr uint32_t Spqf(uint32_t n) { return 0x59c0 + 4 * n; }
constexpr uint32_t Ftqf(uint32_t n) { return 0x59e0 + 4 * n; }
inline constexpr uint32_t kFtqfQueueEnable = 1u << 8;
inline constexpr uint32_t kFtqfAnyPool = 1u << 15;
inline constexpr uint32_t kFtqfQueueShift = 16;
inline constexpr uint32_t kFtqfAnyProtocol = 1u << 28;
inline constexpr uint32_t kFtqfAnySource = 1u << 29;
inline constexpr uint32_t kFtqfAnyDestination = 1u << 30;
inline constexpr uint32_t kFtqfAnySourcePort = 1u << 31;
constexpr uint32_t Imir(uint32_t n) { return 0x5a80 + 4 * n; }
inline constexpr uint32_t kImirAnyPort = 1u << 17;
constexpr uint32_t Imirext(uint32_t n) { return 0x5aa0 + 4 * n; }
inline constexpr uint32_t kImirextAnySize = 1u << 12;
inline constexpr uint32_t kImirextAnyFlags = 1u << 19;
inline constexpr uint32_t kEtherTypeFilters = 8;
constexpr uint32_t Etqf(uint32_t n) { return 0x5cb0 + 4 * n; }
inline constexpr uint32_t kEtqfEnable = 1u << 26;
inline constexpr uint32_t kEtqfQueueEnable = 1u << 31;
inline constexpr uint32_t kEtqfQueueShift = 16;  // three bits

// Transmit.
inline constexpr uint32_t kTctl = 0x0400;
inline constexpr uint32_t kTctlEnable = 1u << 1;
inline constexpr uint32_t kTctlPadShort = 1u << 3;
inline constexpr uint32_t kTctlRetransmitLate = 1u << 24;
inline constexpr uint32_t kTxBase = 0x00, kTxBaseHigh = 0x04, kTxLength = 0x08, kTxHead = 0x10;
inline constexpr uint32_t kTxTail = 0x18, kTxdctl = 0x28, kTdwbal = 0x38, kTdwbah = 0x3c;

// Virtualization.
inline constexpr uint32_t kPools = 8;
inline constexpr uint32_t kIovctl = 0x5bbc;
inline constexpr uint32_t kIovctlReuseVfQueues = 1u << 0;
inline constexpr uint32_t kVtCtl = 0x581c;
inline constexpr uint32_t kVtCtlDefaultPoolShift = 7;
inline constexpr uint32_t kVtCtlNoDefaultPool = 1u << 29;
inline constexpr uint32_t kVtCtlReplicate = 1u << 30;
constexpr uint32_t Pfmailbox(uint32_t vf) { return 0x0c00 + 4 * vf; }
inline constexpr uint32_t kPfmailboxStatus = 1u << 0;       // STS: a message for the VF
inline constexpr uint32_t kPfmailboxAcknowledge = 1u << 1;  // the VF's was read
inline constexpr uint32_t kPfmailboxPfOwns = 1u << 3;
inline constexpr uint32_t kPfmailboxResetVf = 1u << 4;  // RVFU: the VF's lock is broken
constexpr uint32_t Mailbox(uint32_t vf) { return 0x0800 + 64 * vf; }
inline constexpr uint32_t kVfmailbox = 0x0c40;  // the VF's own end
inline constexpr uint32_t kVfmailboxRequest = 1u << 0;
inline constexpr uint32_t kVfmailboxAcknowledge = 1u << 1;
inline constexpr uint32_t kVfmailboxVfOwns = 1u << 2;
inline constexpr uint32_t kVfmailboxPfMessage = 1u << 4;       // PFSTS; cleared by being read
inline constexpr uint32_t kVfmailboxPfAcknowledged = 1u << 5;  // PFACK; cleared by being read
inline constexpr uint32_t kVfmailboxPfInReset = 1u << 6;       // RSTI
inline constexpr uint32_t kVfmailboxPfResetDone = 1u << 7;     // RSTD; cleared by being read
inline constexpr uint32_t kMbvficr = 0x0c80;  // bits 7:0: requests of VFs; cleared by writing ones
inline constexpr uint32_t kMbvfimr = 0x0c84;
inline constexpr uint32_t kVflre = 0x0c88;  // VFs that were reset; cleared by writing ones
inline constexpr uint32_t kVfre = 0x0c8c;
inline constexpr uint32_t kVfte = 0x0c90;
inline constexpr uint32_t kDtxswc = 0x3500;  // 82576
inline constexpr uint32_t kTxswc = 0x5acc;   // the I350's, with the same bits
inline constexpr uint32_t kTxswcLoopback = 1u << 31;
inline constexpr uint32_t kTxswcVlanSpoofShift = 8;  // below: MAC
constexpr uint32_t Vmvir(uint32_t pool) { return 0x3700 + 4 * pool; }
inline constexpr uint32_t kVmvirAlways = 1u << 30;
constexpr uint32_t Vmolr(uint32_t pool) { return 0x5ad0 + 4 * pool; }
inline constexpr uint32_t kVmolrLongPackets = 1u << 16;
inline constexpr uint32_t kVmolrRss = 1u << 17;
inline constexpr uint32_t kVmolrUntagged = 1u << 24;              // AUPE
inline constexpr uint32_t kVmolrMulticastTable = 1u << 25;        // ROMPE
inline constexpr uint32_t kVmolrBroadcast = 1u << 27;             // BAM
inline constexpr uint32_t kVmolrMulticastPromiscuous = 1u << 28;  // MPME
inline constexpr uint32_t kVmolrStripVlan = 1u << 30;
inline constexpr uint32_t kVmolrStripCrc = 1u << 31;
constexpr uint32_t Dvmolr(uint32_t queue) { return 0xc038 + 64 * queue; }  // I350
inline constexpr uint32_t kDvmolrStripVlan = 1u << 30;
inline constexpr uint32_t kDvmolrStripCrc = 1u << 31;
inline constexpr uint32_t kRplolr = 0x5af0;  // for what goes to several pools
inline constexpr uint32_t kRplolrStripVlan = 1u << 30;
inline constexpr uint32_t kRplolrStripCrc = 1u << 31;
inline constexpr uint32_t kVlvfEntries = 32;
constexpr uint32_t Vlvf(uint32_t n) { return 0x5d00 + 4 * n; }
inline constexpr uint32_t kVlvfPoolShift = 12;
inline constexpr uint32_t kVlvfValid = 1u << 31;

// Statistics (8.19); all but those of pools are cleared by being read.
inline constexpr uint32_t kCrcErrors = 0x4000, kRxErrors = 0x400c, kMissed = 0x4010;
inline constexpr uint32_t kLengthErrors = 0x4040;
inline constexpr uint32_t kGoodRx = 0x4074, kGoodTx = 0x4080;
inline constexpr uint32_t kGoodRxBytes = 0x4088, kGoodTxBytes = 0x4090;  // low, then high
inline constexpr uint32_t kFragments = 0x40a8, kOversized = 0x40ac, kJabbers = 0x40b0;
// By pool (82576) or queue (I350) at 0x10000 + 0x100 n, in a VF at 0xf00; they wrap.
constexpr uint32_t PoolStatistics(uint32_t n) { return 0x10000 + 0x100 * n; }
inline constexpr uint32_t kVfStatistics = 0x0f00;
inline constexpr uint32_t kPoolRx = 0x10, kPoolTx = 0x14, kPoolRxBytes = 0x18, kPoolTxBytes = 0x34;

}  // namespace qsplit::vfio::igb

#endif  // QSPLIT_DAEMON_BACKEND_VFIO_IGB_REGISTERS_H_
