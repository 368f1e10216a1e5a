# Language level, warnings, optimisation and sanitizers for everything we compile.
set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS OFF)
set(CMAKE_CXX_STANDARD 17)
set(CMAKE_CXX_STANDARD_REQUIRED ON)
set(CMAKE_CXX_EXTENSIONS OFF)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_CXX_VISIBILITY_PRESET hidden)
set(CMAKE_VISIBILITY_INLINES_HIDDEN ON)

set(CMAKE_C_FLAGS_RELEASE "-O2 -g")
set(CMAKE_CXX_FLAGS_RELEASE "-O2 -g")

add_library(tenon_flags INTERFACE)
target_compile_definitions(tenon_flags INTERFACE _GNU_SOURCE)
set(c_warnings -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow
    -Wstrict-prototypes)
target_compile_options(tenon_flags INTERFACE
    "$<$<COMPILE_LANGUAGE:C>:${c_warnings}>" "$<$<COMPILE_LANGUAGE:CXX>:-Wall;-Wextra>")
if(TENON_WERROR)
    target_compile_options(tenon_flags INTERFACE -Werror)
endif()

if(TENON_SANITIZE)
    set(sanitize -fsanitize=address,undefined -fno-sanitize-recover=all)
    target_compile_options(tenon_flags INTERFACE ${sanitize} -fno-omit-frame-pointer
        "$<$<COMPILE_LANGUAGE:CXX>:-fno-sanitize=vptr>") # there is no RTTI to check by
    add_link_options(${sanitize})
endif()
