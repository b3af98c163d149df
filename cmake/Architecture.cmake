# SPDX-License-Identifier: Apache-2.0
# VILA_ARCHITECTURE: the processor family that is built for: x86_64, aarch64 or other. Sources that
# exist once for each family carry it in their name; nothing else may depend on the family.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(VILA_ARCHITECTURE x86_64)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64|ARM64)$")
  set(VILA_ARCHITECTURE aarch64)
else()
  set(VILA_ARCHITECTURE other)
endif()
