# SPDX-License-Identifier: Apache-2.0
# Finds libtorch: Debian's libtorch-dev, or a PyTorch named by Torch_DIR (its share/cmake/Torch
# folder). PyTorch's own TorchConfig.cmake demands the very CUDA toolkit it was built with, even
# when no CUDA source is compiled; we only need headers and libraries, so we look for those.
# Defines the target LibTorch::LibTorch. VILA_TRAIN_CUDA links libtorch_cuda where it is present.
option(VILA_TRAIN_CUDA "Link vila-train with libtorch_cuda where the libtorch has it" OFF)

if(Torch_DIR)
  get_filename_component(LibTorch_ROOT "${Torch_DIR}/../../.." ABSOLUTE)
  set(_search PATHS ${LibTorch_ROOT} NO_DEFAULT_PATH)
endif()
find_path(LibTorch_INCLUDE_DIR ATen/ATen.h ${_search} PATH_SUFFIXES include)
find_path(LibTorch_API_INCLUDE_DIR torch/torch.h ${_search}
  PATH_SUFFIXES include/torch/csrc/api/include torch/csrc/api/include)
foreach(library torch torch_cpu c10)
  find_library(LibTorch_${library}_LIBRARY ${library} ${_search} PATH_SUFFIXES lib)
endforeach()

include(FindPackageHandleStandardArgs)
find_package_handle_standard_args(LibTorch
  REQUIRED_VARS LibTorch_torch_LIBRARY LibTorch_torch_cpu_LIBRARY LibTorch_c10_LIBRARY
                LibTorch_INCLUDE_DIR LibTorch_API_INCLUDE_DIR
  REASON_FAILURE_MESSAGE "install libtorch-dev, or set Torch_DIR to <PyTorch>/share/cmake/Torch")

if(LibTorch_FOUND AND NOT TARGET LibTorch::LibTorch)
  add_library(LibTorch::LibTorch INTERFACE IMPORTED)
  # PyTorch's include folder also holds copies of fmt and nlohmann_json, which must not win over the
  # system's, while its own headers must win over a libtorch-dev that is installed as well: show the
  # compiler a folder of links to just these.
  set(_headers ${PROJECT_BINARY_DIR}/libtorch_headers)
  file(MAKE_DIRECTORY ${_headers})
  foreach(folder ATen c10 torch caffe2)
    file(CREATE_LINK ${LibTorch_INCLUDE_DIR}/${folder} ${_headers}/${folder} SYMBOLIC)
  endforeach()
  target_include_directories(LibTorch::LibTorch SYSTEM INTERFACE
    ${LibTorch_API_INCLUDE_DIR} ${_headers})
  target_link_libraries(LibTorch::LibTorch INTERFACE
    ${LibTorch_torch_LIBRARY} ${LibTorch_torch_cpu_LIBRARY} ${LibTorch_c10_LIBRARY})
  if(VILA_TRAIN_CUDA)
    find_library(LibTorch_torch_cuda_LIBRARY torch_cuda ${_search} PATH_SUFFIXES lib)
    find_library(LibTorch_c10_cuda_LIBRARY c10_cuda ${_search} PATH_SUFFIXES lib)
    if(NOT LibTorch_torch_cuda_LIBRARY)
      message(FATAL_ERROR "VILA_TRAIN_CUDA: this libtorch has no libtorch_cuda; set Torch_DIR")
    endif()
    # Its kernels register themselves when it is loaded; no symbol of it is called by name.
    target_link_libraries(LibTorch::LibTorch INTERFACE
      -Wl,--no-as-needed ${LibTorch_torch_cuda_LIBRARY} ${LibTorch_c10_cuda_LIBRARY} -Wl,--as-needed)
  endif()
endif()

# vila_torch_program(NAME SOURCES… LIBRARIES…) makes a program that uses libtorch and our own layers.
# Debian's libtorch needs libprotobuf, and its libsentencepiece exports an older protobuf of its own
# under the same names: in one process one of them gets the other's functions and crashes. There the
# program becomes a module NAME.so that cmake/torch_launcher.cc opens so that each keeps its own.
function(vila_torch_program name)
  cmake_parse_arguments(arg "" "" "SOURCES;LIBRARIES" ${ARGN})
  if(Torch_DIR)
    add_executable(${name} ${arg_SOURCES})
    target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} LibTorch::LibTorch)
    target_compile_definitions(${name} PRIVATE VILA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
    return()
  endif()
  find_library(PROTOBUF_LIBRARY protobuf REQUIRED)
  add_library(${name}_module MODULE ${arg_SOURCES})
  set_target_properties(${name}_module PROPERTIES PREFIX "" OUTPUT_NAME ${name})
  target_link_options(${name}_module PRIVATE -Wl,-u,main
    "SHELL:-Wl,--push-state,--no-as-needed ${PROTOBUF_LIBRARY} -Wl,--pop-state")
  target_link_libraries(${name}_module PRIVATE ${arg_LIBRARIES} LibTorch::LibTorch)
  target_compile_definitions(${name}_module PRIVATE VILA_SOURCE_DIR="${PROJECT_SOURCE_DIR}")
  add_executable(${name} ${PROJECT_SOURCE_DIR}/cmake/torch_launcher.cc)
  add_dependencies(${name} ${name}_module)
  target_link_libraries(${name} PRIVATE -Wl,--no-as-needed PkgConfig::sentencepiece ${CMAKE_DL_LIBS})
endfunction()
