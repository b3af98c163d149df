# SPDX-License-Identifier: Apache-2.0
# vila_isa(TARGET NAME SIMD_HEADER DOT_HEADER FLAGS…) compiles kernels/isa/table.cc once for one
# instruction set (its vectors of floats and its dot products of bytes) and adds the object to TARGET. Everything else is built for the baseline CPU. Always -O3: the
# tiles of gemm live in registers only when their loops are unrolled. No contraction: where a
# multiply and an add become one operation is written in the source, the same for all compilers.
function(vila_isa target name simd_header dot_header)
  add_library(vila_isa_${name} OBJECT isa/table.cc)
  target_link_libraries(vila_isa_${name} PRIVATE vila_flags)
  target_include_directories(vila_isa_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(vila_isa_${name} PRIVATE ${ARGN} -O3 -ffp-contract=off -fno-exceptions)
  # Sums stay in the order they are written in: reassociated, they need more registers than there are.
  target_compile_options(vila_isa_${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-fno-tree-reassoc>)
  # GCC 12 takes the "undefined" registers of its own AVX-512 header for a mistake (its bug 105593).
  target_compile_options(vila_isa_${name} PRIVATE
    $<$<CXX_COMPILER_ID:GNU>:-Wno-uninitialized> $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
  # With the checks of asan in between, it no longer sees that a count is less than a vector's lanes.
  if(VILA_SANITIZE STREQUAL "address")
    target_compile_options(vila_isa_${name} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-stringop-overflow>)
  endif()
  target_compile_definitions(vila_isa_${name} PRIVATE
    VILA_ISA=${name} VILA_SIMD_HEADER="kernels/isa/${simd_header}"
    VILA_DOT_HEADER="kernels/isa/${dot_header}")
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:vila_isa_${name}>)
  if(VILA_TESTS AND VILA_SANITIZE STREQUAL "none")
    find_package(Python3 COMPONENTS Interpreter REQUIRED)
    add_test(NAME isa_objects_${name} COMMAND ${Python3_EXECUTABLE}
      ${PROJECT_SOURCE_DIR}/tools/check_isa_objects.py --nm ${CMAKE_NM} $<TARGET_OBJECTS:vila_isa_${name}>)
    set_tests_properties(isa_objects_${name} PROPERTIES LABELS unit)
  endif()
endfunction()
