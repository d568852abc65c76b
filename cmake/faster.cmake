# Applies ISTHMUS_PCH and ISTHMUS_UNITY to the targets of the project; CMakeLists.txt says why.

function(compiled_targets_below folder result)
  get_property(found DIRECTORY ${folder} PROPERTY BUILDSYSTEM_TARGETS)
  set(compiled "")
  foreach(target ${found})
    get_target_property(type ${target} TYPE)
    if(type MATCHES "STATIC_LIBRARY|EXECUTABLE")
      list(APPEND compiled ${target})
    endif()
  endforeach()
  get_property(below DIRECTORY ${folder} PROPERTY SUBDIRECTORIES)
  foreach(sub ${below})
    compiled_targets_below(${sub} more)
    list(APPEND compiled ${more})
  endforeach()
  set(${result} ${compiled} PARENT_SCOPE)
endfunction()

# precompile(NAME HEADER...): a target whose precompiled header others reuse.
function(precompile name)
  file(GENERATE OUTPUT ${CMAKE_BINARY_DIR}/${name}.cc CONTENT "")
  add_library(${name} OBJECT ${CMAKE_BINARY_DIR}/${name}.cc)
  target_link_libraries(${name} PRIVATE fmt::fmt)
  # Code generation has no say here yet.
  target_compile_options(${name} PRIVATE -Wno-unused-command-line-argument)
  add_dependencies(${name} kafka_gen)
  target_precompile_headers(${name} PRIVATE ${ARGN})
endfunction()

compiled_targets_below(${CMAKE_SOURCE_DIR} targets)
compiled_targets_below(${CMAKE_SOURCE_DIR}/tests tests)
# What runs for long is optimised: the simulator, and the relay that lines are made of.
list(REMOVE_ITEM tests isthmus-sim sim_world relay)

if(ISTHMUS_PCH)
  # Without it two builds of one source differ in the time stamps of headers, and no cache helps.
  add_compile_options("SHELL:-Xclang -fno-pch-timestamp")
  set(often
    <algorithm> <array> <atomic> <charconv> <chrono> <coroutine> <cstdint> <deque> <expected>
    <functional> <list> <map> <memory> <optional> <set> <span> <string> <string_view>
    <unordered_map> <utility> <variant> <vector> <fmt/format.h> [["base/log.h"]] [["io/env.h"]]
    [["io/gate.h"]] [["kafka/wire.h"]])
  precompile(precompiled ${often})
  precompile(precompiled_handlers ${often} [["broker/handlers/context.h"]])
  precompile(precompiled_commands ${often} <nlohmann/json.hpp> [["views/link_view.h"]])
  precompile(precompiled_tests ${often} <gtest/gtest.h>)
  target_link_libraries(precompiled_tests PRIVATE GTest::gtest)
  foreach(target ${targets})
    if(target STREQUAL "io")  # its definitions for Asio are its own
      target_precompile_headers(io PRIVATE ${often} <asio.hpp>)
    elseif(target STREQUAL "broker")
      target_precompile_headers(broker REUSE_FROM precompiled_handlers)
    elseif(target MATCHES "^(isthmus|reports|command_line)$")
      target_precompile_headers(${target} REUSE_FROM precompiled_commands)
    elseif(target IN_LIST tests)
      target_precompile_headers(${target} REUSE_FROM precompiled_tests)
    else()
      target_precompile_headers(${target} REUSE_FROM precompiled)
    endif()
  endforeach()
endif()

# Generated sources share no names; written ones have theirs in unnamed namespaces.
if(ISTHMUS_UNITY)
  get_target_property(sources kafka SOURCES)
  set_target_properties(kafka PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 16)
  list(FILTER sources EXCLUDE REGEX "/gen/")
  # A relative name would be one of this folder's.
  list(TRANSFORM sources PREPEND ${CMAKE_SOURCE_DIR}/kafka/ REGEX "^[^/]")
  set_source_files_properties(${sources} DIRECTORY ${CMAKE_SOURCE_DIR}/kafka
                              PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
endif()

# A tree that is made whole, once, for its tests alone: the less is said twice, the better. Others
# keep one object per source, where an edit costs one of them (and the simulator's planted bugs need
# their command); handlers and commands do here too, which share names.
if(ISTHMUS_UNITY AND ISTHMUS_SANITIZE)
  foreach(target ${targets} isthmus-sim sim_world)
    if(TARGET ${target} AND NOT target MATCHES "^(kafka|broker|reports|isthmus)$|_fuzz$")
      set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
    endif()
  endforeach()
endif()

# A test's own code runs once; what it tests is optimised.
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  foreach(target ${tests} precompiled_tests)
    if(TARGET ${target})
      target_compile_options(${target} PRIVATE -O0)
    endif()
  endforeach()
endif()
