// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string_view>

namespace vila {

/// Cores that a control group of Linux grants: the least quota / period, rounded up, of the group's
/// cpu.max and those of the groups that hold it (cgroup v2); at least 1. 0 where nothing limits it,
/// or where what is written there is not understood.
/// @param mount  where control groups are, /sys/fs/cgroup.
/// @param self   what /proc/self/cgroup says; the line "0::/PATH" counts.
int cgroup_cores(const std::filesystem::path& mount, std::string_view self);

/// Cores that this process may use: affinity and control groups respected, at least 1.
int available_cores();

}  // namespace vila
