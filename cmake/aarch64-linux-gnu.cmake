# SPDX-License-Identifier: Apache-2.0
# Toolchain file: builds for 64-bit ARM Linux with Debian's cross compiler (g++-aarch64-linux-gnu)
# and runs what it built, tests too, under QEMU (qemu-user). VILA_SYSROOT names a folder with the
# libraries of that system, such as tools/arm64_sysroot makes; without it there is the C++ library
# alone, which is enough for the kernels (tests/cross).
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
list(APPEND CMAKE_TRY_COMPILE_PLATFORM_VARIABLES VILA_SYSROOT)

set(libraries /usr/aarch64-linux-gnu)
if(VILA_SYSROOT)
  get_filename_component(libraries "${VILA_SYSROOT}" ABSOLUTE)
  set(CMAKE_SYSROOT ${libraries})
  set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
  set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
  set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
  set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
  set(ENV{PKG_CONFIG_SYSROOT_DIR} ${libraries})
  set(ENV{PKG_CONFIG_LIBDIR} ${libraries}/usr/lib/aarch64-linux-gnu/pkgconfig:${libraries}/usr/share/pkgconfig)
endif()

find_program(VILA_QEMU_AARCH64 NAMES qemu-aarch64 qemu-aarch64-static)
if(VILA_QEMU_AARCH64)
  set(CMAKE_CROSSCOMPILING_EMULATOR ${VILA_QEMU_AARCH64} -L ${libraries})
endif()
