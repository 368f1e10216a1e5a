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
function(public_programs folder)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
    foreach(source ${sources})
        get_filename_component(name ${source} NAME_WE)
        set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
        file(STRINGS ${source} uses_compiler REGEX "#include.*tenon/tenon\\.h")
        set(library tenon_rt)
        if(uses_compiler)
            set(library tenon)
        endif()
        if(NOT TARGET ${library})
            continue()
        endif()
        add_executable(${folder}_${name} ${source})
        set_target_properties(${folder}_${name} PROPERTIES OUTPUT_NAME ${name}
            RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/${folder})
        target_link_libraries(${folder}_${name} PRIVATE ${library} tenon_flags m)
    endforeach()
endfunction()

public_programs(examples)
public_programs(bench)
