# One object library a folder, and the libraries made of them.
#
# Includes run one way. Each folder is compiled with a single include directory of its
# own, ${build}/stage/FOLDER, which holds links to just the folders it may include.

# Links SOURCE (relative to the repository) as stage/FOLDER/NAME.
function(stage_link folder name source)
    set(link ${PROJECT_BINARY_DIR}/stage/${folder}/${name})
    get_filename_component(parent ${link} DIRECTORY)
    file(MAKE_DIRECTORY ${parent})
    file(CREATE_LINK ${PROJECT_SOURCE_DIR}/${source} ${link} SYMBOLIC)
endfunction()

# tenon_folder(NAME [folders it may include besides include/tenon and itself ...])
function(tenon_folder folder)
    file(REMOVE_RECURSE ${PROJECT_BINARY_DIR}/stage/${folder})
    foreach(allowed ${folder} ${ARGN})
        stage_link(${folder} ${allowed} ${allowed})
    endforeach()
    if(folder STREQUAL "runtime")
        stage_link(runtime tenon/runtime.h include/tenon/runtime.h)
    else()
        stage_link(${folder} tenon include/tenon)
    endif()
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS
        ${PROJECT_SOURCE_DIR}/${folder}/*.c ${PROJECT_SOURCE_DIR}/${folder}/*.cpp)
    if(NOT sources) # an object library must have a source
        set(sources ${PROJECT_BINARY_DIR}/stage/${folder}_empty.c)
        file(CONFIGURE OUTPUT ${sources} CONTENT "typedef int tn_${folder}_is_empty;\n")
    endif()
    add_library(tenon_${folder} OBJECT ${sources})
    target_include_directories(tenon_${folder} PRIVATE ${PROJECT_BINARY_DIR}/stage/${folder})
    target_link_libraries(tenon_${folder} PRIVATE tenon_flags)
endfunction()

# tenon_library(NAME FOLDERS...): NAME (shared) and NAME_static, of the folders' objects.
function(tenon_library name)
    foreach(folder ${ARGN})
        list(APPEND objects $<TARGET_OBJECTS:tenon_${folder}>)
    endforeach()
    add_library(${name} SHARED ${objects})
    add_library(${name}_static STATIC ${objects})
    add_library(Tenon::${name} ALIAS ${name})
    add_library(Tenon::${name}_static ALIAS ${name}_static)
    set_target_properties(${name}_static PROPERTIES OUTPUT_NAME ${name})
    target_link_options(${name} PRIVATE
        -Wl,--version-script=${PROJECT_SOURCE_DIR}/cmake/exports.map)
    set_target_properties(${name} PROPERTIES LINK_DEPENDS
        ${PROJECT_SOURCE_DIR}/cmake/exports.map)
    if(NOT TENON_SANITIZE) # the sanitizers' functions are the program's
        target_link_options(${name} PRIVATE -Wl,--no-undefined)
    endif()
    set_target_properties(${name} PROPERTIES VERSION ${PROJECT_VERSION}
        SOVERSION ${PROJECT_VERSION_MAJOR})
    foreach(target ${name} ${name}_static)
        set_target_properties(${target} PROPERTIES
            ARCHIVE_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib
            LIBRARY_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/lib)
        target_include_directories(${target} INTERFACE
            $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
            $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
        target_link_libraries(${target} PRIVATE Threads::Threads m ${CMAKE_DL_LIBS})
    endforeach()
endfunction()

find_package(Threads REQUIRED)
tenon_folder(runtime)
tenon_library(tenon_rt runtime)
set(tenon_libraries tenon_rt tenon_rt_static)

if(TENON_COMPILER)
    tenon_folder(base)
    tenon_folder(ir base)
    tenon_folder(frontend ir base)
    include(cmake/library.cmake)
    tenon_folder(passes ir base)
    tenon_folder(codegen passes ir base)
    # tenon.h's functions, alone in codegen/, see the frontends as well.
    stage_link(api frontend frontend)
    set_source_files_properties(codegen/compiler.c PROPERTIES
        INCLUDE_DIRECTORIES ${PROJECT_BINARY_DIR}/stage/api)
    tenon_library(tenon base ir frontend passes codegen runtime)
    list(APPEND tenon_libraries tenon tenon_static)
    include(cmake/llvm.cmake)
endif()

if(TENON_OPENMP)
    find_package(OpenMP COMPONENTS C)
endif()
if(TENON_OPENMP AND OpenMP_C_FOUND)
    target_compile_options(tenon_runtime PRIVATE ${OpenMP_C_FLAGS})
    foreach(target ${tenon_libraries})
        target_link_libraries(${target} PRIVATE ${OpenMP_C_LIBRARIES})
    endforeach()
endif()
