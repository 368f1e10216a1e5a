# What codegen/clang.cpp is compiled with and what the compiler's libraries link for it.
# Clang and LLVM are shared libraries; LLD comes as archives, kept out of our exports.
find_program(LLVM_CONFIG NAMES llvm-config-19 PATHS /usr/lib/llvm-19/bin)
if(NOT LLVM_CONFIG)
    message(FATAL_ERROR "llvm-config-19 not found: run scripts/setup.sh, or configure with "
        "-DTENON_COMPILER=OFF to build the runtime library alone")
endif()
execute_process(COMMAND ${LLVM_CONFIG} --includedir --libdir
    OUTPUT_VARIABLE llvm_dirs OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
string(REPLACE "\n" ";" llvm_dirs "${llvm_dirs}")
list(GET llvm_dirs 0 llvm_include)
list(GET llvm_dirs 1 llvm_lib)

target_compile_options(tenon_codegen PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:-fno-rtti;-fno-exceptions;-fvisibility-inlines-hidden>")
target_compile_definitions(tenon_codegen PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:__STDC_CONSTANT_MACROS;__STDC_FORMAT_MACROS;__STDC_LIMIT_MACROS>")
# System headers: their warnings are not ours.
target_include_directories(tenon_codegen SYSTEM PRIVATE
    "$<$<COMPILE_LANGUAGE:CXX>:${llvm_include}>")

foreach(name lldELF lldCommon clang-cpp LLVM-19 z zstd)
    find_library(TENON_LIB_${name} NAMES ${name} HINTS ${llvm_lib})
    if(NOT TENON_LIB_${name})
        message(FATAL_ERROR "lib${name} not found: run scripts/setup.sh")
    endif()
    list(APPEND llvm_libraries ${TENON_LIB_${name}})
endforeach()
target_link_libraries(tenon PRIVATE ${llvm_libraries})
target_link_libraries(tenon_static PRIVATE ${llvm_libraries})
target_link_options(tenon PRIVATE -Wl,--exclude-libs,ALL)
