// The sections of the configuration file, each read by a function of its own.
//
// Each reads one table into `out` and reports what is wrong; what was wrong keeps its default.
// One thread.
#ifndef QSPLIT_DAEMON_CONFIG_SECTIONS_H_
#define QSPLIT_DAEMON_CONFIG_SECTIONS_H_

#include "daemon/config/config.h"
#include "daemon/config/table_reader.h"

namespace qsplit::config {

void ReadDaemon(const toml::table& table, Diagnostics& diagnostics, DaemonSection& out);
void ReadLimits(const toml::table& table, Diagnostics& diagnostics, LimitsSection& out);
void ReadDevice(const toml::table& table, Diagnostics& diagnostics, DeviceSection& out);
// The part of a device's table that only backend = "vfio" has.
void ReadVfio(TableReader& device, VfioSection& out);
// Likewise of backend = "af_xdp".
void ReadAfXdp(TableReader& device, AfXdpSection& out);
void ReadTenant(const toml::table& table, const NameResolver& names, Diagnostics& diagnostics,
                TenantSection& out);
// The part of a tenant's table that says where it may send, and with which source addresses.
void ReadTransmission(TableReader& tenant, TenantSection& out);
// One scope of tenant.steer.
void ReadScope(const toml::table& table, Diagnostics& diagnostics, v1::FlowMatch& out);

// "02:00:00:00:00:01".
std::optional<std::array<uint8_t, 6>> ParseMac(std::string_view text);
// What the kernel takes as a netdev's name, and no pattern.
bool IsNetdevName(std::string_view text);
inline constexpr std::string_view kNetdevRule =
    "no netdev name; allowed: 1..15 characters, no / : % space";
// Name of a device or tenant: 1..32 bytes of [a-z0-9_-].
bool IsName(std::string_view text);
inline constexpr std::string_view kNameRule = "allowed: 1..32 characters of a-z 0-9 _ -";

}  // namespace qsplit::config

#endif  // QSPLIT_DAEMON_CONFIG_SECTIONS_H_
