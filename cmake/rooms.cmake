# Puts a file for each folder of the sources in their place, which includes them: compiled together they take a fifth of the time, for
# the headers of LibTorch and JSON are read, and their templates made, once a folder. So a name stands once in a folder, also in
# unnamed namespaces. Files with flags of their own or INGOT_ALONE stay alone, and kernels, whose flags stand in them. `base` is a
# folder of the include path.
function(ingot_together list target base)
  if(NOT INGOT_UNITY)
    return()
  endif()
  set(left "")
  set(folders "")
  foreach(source ${${list}})
    file(RELATIVE_PATH shown ${base} ${source})
    get_filename_component(folder ${shown} DIRECTORY)
    get_source_file_property(flags ${source} COMPILE_OPTIONS)
    get_source_file_property(alone ${source} INGOT_ALONE)
    if(flags OR alone OR folder MATCHES "/kernels$")
      list(APPEND left ${source})
      continue()
    endif()
    string(REPLACE "/" "_" folder ${folder})
    list(APPEND folders ${folder})
    string(APPEND text_${folder} "#include \"${shown}\"\n")
  endforeach()
  list(REMOVE_DUPLICATES folders)
  foreach(folder ${folders})
    file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/${target}/${folder}.cpp CONTENT "${text_${folder}}")
    list(APPEND left ${CMAKE_CURRENT_BINARY_DIR}/${target}/${folder}.cpp)
  endforeach()
  set(${list} ${left} PARENT_SCOPE)
endfunction()

# ingot_room(NAME [TORCH [PLAIN file...]] [USES room...] [PUBLIC target...] [PRIVATE target...])
# One static library ingot_NAME of every .cpp under src/NAME. USES names the rooms of lower rank that it includes;
# PUBLIC and PRIVATE name foreign libraries. TORCH gives it LibTorch, OpenMP and the shared precompiled header. PLAIN names the files
# of such a room that do without: they are a library of their own, ingot_NAME_plain, which programs without LibTorch link.
function(ingot_room name)
  cmake_parse_arguments(room "TORCH" "" "PLAIN;USES;PUBLIC;PRIVATE" ${ARGN})
  file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/*.cpp)
  set(plain ${room_PLAIN})
  list(TRANSFORM plain PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  list(REMOVE_ITEM sources ${plain})
  if(plain)
    ingot_library(ingot_${name}_plain "${plain}")
    foreach(used ${room_USES})
      get_target_property(needs_torch ingot_${used} INGOT_TORCH)
      if(TARGET ingot_${used}_plain)
        target_link_libraries(ingot_${name}_plain PUBLIC ingot_${used}_plain)
      elseif(NOT needs_torch)
        target_link_libraries(ingot_${name}_plain PUBLIC ingot_${used})
      endif()
    endforeach()
    list(APPEND room_PUBLIC ingot_${name}_plain)
  endif()
  ingot_library(ingot_${name} "${sources}")
  foreach(used ${room_USES})
    target_link_libraries(ingot_${name} PUBLIC ingot_${used})
  endforeach()
  target_link_libraries(ingot_${name} PUBLIC ${room_PUBLIC} PRIVATE ${room_PRIVATE})
  if(room_TORCH)
    ingot_use_torch(ingot_${name})
  endif()
endfunction()

# A static library of a room's files.
function(ingot_library target sources)
  ingot_together(sources ${target} ${PROJECT_SOURCE_DIR}/src)
  add_library(${target} STATIC ${sources})
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/src)
endfunction()

# LibTorch for a target: headers, libraries, OpenMP (at::parallel_for is serial without it) and the precompiled header.
function(ingot_use_torch target)
  set_target_properties(${target} PROPERTIES INGOT_TORCH ON)
  target_link_libraries(${target} PUBLIC ingot_libtorch OpenMP::OpenMP_CXX)
  if(TARGET ingot_torch_pch AND NOT target STREQUAL ingot_torch_pch)
    target_precompile_headers(${target} REUSE_FROM ingot_torch_pch)
  endif()
endfunction()

# The one precompiled header of the rooms that use tensors.
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)  # finds HEADER.pch beside it; CMake's own -Xclang with whole paths makes every clone's objects others to ccache
  set(CMAKE_CXX_COMPILE_OPTIONS_USE_PCH -include <PCH_HEADER>)
endif()
file(CONFIGURE OUTPUT ${CMAKE_BINARY_DIR}/torch_pch.cpp CONTENT "")
add_library(ingot_torch_pch OBJECT ${CMAKE_BINARY_DIR}/torch_pch.cpp)
ingot_use_torch(ingot_torch_pch)
target_link_libraries(ingot_torch_pch PRIVATE fmt::fmt)  # a header compiled without its FMT_SHARED would never be used
target_precompile_headers(ingot_torch_pch PRIVATE <ATen/ATen.h> <torch/csrc/autograd/custom_function.h> <fmt/format.h>
                          <string> <vector> <filesystem>)

# What decides the precompiled header, for ccache: the bytes of the header itself differ from clone to clone.
file(SHA256 ${TORCH_INSTALL_PREFIX}/include/ATen/Functions.h torch_functions)
file(SHA256 ${fmt_include}/fmt/core.h fmt_core)
get_target_property(pch_headers ingot_torch_pch PRECOMPILE_HEADERS)
string(TOUPPER "${CMAKE_BUILD_TYPE}" build_type)
set(pch_ending gch)
if(CMAKE_CXX_COMPILER_ID STREQUAL Clang)
  set(pch_ending pch)
endif()
file(CONFIGURE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/CMakeFiles/ingot_torch_pch.dir/cmake_pch.hxx.${pch_ending}.sum CONTENT
     "${CMAKE_CXX_COMPILER_ID} ${CMAKE_CXX_COMPILER_VERSION} ${CMAKE_CXX_FLAGS} ${CMAKE_CXX_FLAGS_${build_type}} ${INGOT_SANITIZE}
Torch ${Torch_VERSION} ${TORCH_INSTALL_PREFIX} ${torch_functions}
fmt ${fmt_VERSION} ${fmt_core}
${pch_headers}
")
