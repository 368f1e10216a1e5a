# The tenon command, the examples and the benchmarks.

if(TENON_COMPILER)
    file(GLOB tool_sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tools/*.c)
    list(FILTER tool_sources EXCLUDE REGEX "/tools/main\\.c$")
    add_library(tenon_tools OBJECT ${tool_sources}) # apart, so that tests can link them
    add_executable(tenon_command ${PROJECT_SOURCE_DIR}/tools/main.c)
    set_target_properties(tenon_command PROPERTIES OUTPUT_NAME tenon
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/bin)
    foreach(target tenon_tools tenon_command)
        target_include_directories(${target} PRIVATE ${PROJECT_SOURCE_DIR}
            ${PROJECT_SOURCE_DIR}/include)
    endforeach()
    target_link_libraries(tenon_tools PRIVATE tenon_flags)
    target_link_libraries(tenon_command PRIVATE tenon_tools tenon_static tenon_flags m)
endif()

# FOLDER/NAME.c, or all sources of FOLDER/NAME/, make the program NAME. One that includes
# tenon/tenon.h links the compiler, any other the runtime alone; they see the public headers
# only.
function(public_program folder name)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${ARGN})
    set(library tenon_rt)
    foreach(source ${ARGN})
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

foreach(folder examples bench)
    file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*.c)
    foreach(source ${sources})
        get_filename_component(name ${source} NAME_WE)
        public_program(${folder} ${name} ${source})
    endforeach()
    file(GLOB nested CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/${folder}/*/*.c)
    set(names)
    foreach(source ${nested})
        get_filename_component(directory ${source} DIRECTORY)
        get_filename_component(name ${directory} NAME)
        list(APPEND ${folder}_${name}_sources ${source})
        list(APPEND names ${name})
    endforeach()
    list(REMOVE_DUPLICATES names)
    foreach(name ${names})
        public_program(${folder} ${name} ${${folder}_${name}_sources})
    endforeach()
endforeach()
