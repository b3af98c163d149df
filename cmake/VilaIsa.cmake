# SPDX-License-Identifier: Apache-2.0
# vila_isa(TARGET NAME SIMD_HEADER FLAGS…) compiles kernels/isa/table.cc once for one instruction set
# and adds the object to TARGET. Everything else is built for the baseline CPU.
function(vila_isa target name simd_header)
  add_library(vila_isa_${name} OBJECT isa/table.cc)
  target_link_libraries(vila_isa_${name} PRIVATE vila_flags)
  target_include_directories(vila_isa_${name} PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/include)
  target_compile_options(vila_isa_${name} PRIVATE ${ARGN} -ffp-contract=off)
  target_compile_definitions(vila_isa_${name} PRIVATE
    VILA_ISA=${name} VILA_SIMD_HEADER="kernels/isa/${simd_header}")
  target_sources(${target} PRIVATE $<TARGET_OBJECTS:vila_isa_${name}>)
endfunction()
