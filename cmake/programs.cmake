# The tenon command, the examples and the benchmarks.

if(TENON_COMPILER)
    file(GLOB tool_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/*.c)
    if(tool_sources)
        add_executable(tenon_command ${tool_sources})
        set_target_properties(tenon_command PROPERTIES OUTPUT_NAME tenon
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
        target_include_directories(tenon_command PRIVATE ${PROJECT_SOURCE_DIR})
        target_link_libraries(tenon_command PRIVATE tenon_static tenon_flags)
    endif()
endif()

# A program that includes tenon/tenon.h links the compiler, any other the runtime alone.
# They see the public headers only.
function(public_program folder name)
    set(library tenon_rt)
    foreach(source ${ARGN})
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
        file(STRINGS ${source} uses_compiler REGEX "#include.*tenon/tenon\\.h")
        if(uses_compiler)
            set(library tenon)
        endif()
    endforeach()
    if(TARGET ${library})
        add_executable(${folder}_${name} ${ARGN})
        set_target_properties(${folder}_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
        target_link_libraries(${folder}_${name} PRIVATE ${library} tenon_flags m)
    endif()
endfunction()

# FOLDER/NAME.c is a program NAME; so are the sources of FOLDER/NAME/ together.
function(public_programs folder)
    file(GLOB entries LIST_DIRECTORIES true CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*)
    foreach(entry ${entries})
        get_filename_component(name ${entry} NAME_WE)
        if(IS_DIRECTORY ${entry})
            file(GLOB sources CONFIGURE_DEPENDS ${entry}/*.c)
        elseif(entry MATCHES "\\.c$")
            set(sources ${entry})
        else()
            set(sources)
        endif()
        if(sources)
            public_program(${folder} ${name} ${sources})
        endif()
    endforeach()
endfunction()

public_programs(examples)
public_programs(bench)
