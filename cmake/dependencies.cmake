# Where the parts come from: Debian packages, and two Python wheels that carry C++ headers and libraries (LibTorch, Arrow).
# A LibTorch of one's own (2.11 or later, CPU or CUDA) is taken from CMAKE_PREFIX_PATH before the wheel's.

if(DEFINED ENV{XDG_CACHE_HOME})
  set(ingot_cache $ENV{XDG_CACHE_HOME}/ingot)
else()
  set(ingot_cache $ENV{HOME}/.cache/ingot)
endif()
set(INGOT_WHEELS ${ingot_cache}/python-packages CACHE PATH "Folder of the unpacked torch and pyarrow wheels")
list(APPEND CMAKE_PREFIX_PATH ${INGOT_WHEELS}/torch)

find_package(Threads REQUIRED)
find_package(fmt REQUIRED)
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(CLI11 REQUIRED)
find_package(OpenSSL REQUIRED COMPONENTS Crypto)
find_package(OpenMP REQUIRED COMPONENTS CXX)
find_package(ZLIB REQUIRED)
find_package(simdjson REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(pcre2 REQUIRED IMPORTED_TARGET libpcre2-8)
pkg_check_modules(zstd REQUIRED IMPORTED_TARGET libzstd)
pkg_check_modules(utf8proc REQUIRED IMPORTED_TARGET libutf8proc)

set(CMAKE_MESSAGE_LOG_LEVEL WARNING)  # TorchConfig talks much about CUDA and MKL that are not here
find_package(Torch 2.11 REQUIRED)
unset(CMAKE_MESSAGE_LOG_LEVEL)
add_library(ingot_libtorch INTERFACE)
# LibTorch carries headers of another fmt. Ours are put before them, so that every room speaks to the one that is linked.
get_target_property(fmt_include fmt::fmt INTERFACE_INCLUDE_DIRECTORIES)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include)
file(CREATE_LINK ${fmt_include}/fmt ${CMAKE_BINARY_DIR}/include/fmt SYMBOLIC)
target_include_directories(ingot_libtorch INTERFACE ${CMAKE_BINARY_DIR}/include)
target_include_directories(ingot_libtorch SYSTEM INTERFACE ${TORCH_INCLUDE_DIRS})
target_link_libraries(ingot_libtorch INTERFACE ${TORCH_LIBRARIES})
target_compile_definitions(ingot_libtorch INTERFACE USE_DISTRIBUTED)

# Arrow and Parquet: the wheel's libraries have versioned names only, so they are named by file.
file(GLOB arrow_library ${INGOT_WHEELS}/pyarrow/libarrow.so.*00)
file(GLOB parquet_library ${INGOT_WHEELS}/pyarrow/libparquet.so.*00)
if(NOT arrow_library OR NOT parquet_library)
  message(FATAL_ERROR "No Arrow in ${INGOT_WHEELS}/pyarrow: run scripts/install_build_dependencies first")
endif()
add_library(ingot_arrow INTERFACE)
file(STRINGS ${INGOT_WHEELS}/pyarrow/include/arrow/util/config.h arrow_version REGEX "define ARROW_VERSION_STRING")
string(REGEX REPLACE ".*\"(.*)\".*" "\\1" arrow_version "${arrow_version}")
target_include_directories(ingot_arrow SYSTEM INTERFACE ${INGOT_WHEELS}/pyarrow/include)
target_link_libraries(ingot_arrow INTERFACE ${arrow_library} ${parquet_library})

if(INGOT_SANITIZE)
  add_compile_options(-fsanitize=address,undefined -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=address,undefined)
endif()
