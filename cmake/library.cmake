# The library of the model language, frontend/lib/*.tn, as a C array in tenon_frontend.
file(GLOB library_files CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/frontend/lib/*.tn)
set(library_source ${PROJECT_BINARY_DIR}/frontend_library.c)
add_custom_command(OUTPUT ${library_source}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${library_source} "-DFILES=${library_files}"
        -P ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    DEPENDS ${library_files} ${PROJECT_SOURCE_DIR}/cmake/embed.cmake
    COMMENT "Embedding the library of the model language" VERBATIM)
target_sources(tenon_frontend PRIVATE ${library_source})
