# The programs that print documentation from the tables and the text library; tests/docs/
# holds the documents against them.
foreach(program gen_ops gen_lib)
    add_executable(${program} ${PROJECT_SOURCE_DIR}/docs/${program}.c)
    set_target_properties(${program} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/docs)
    target_include_directories(${program} PRIVATE ${PROJECT_SOURCE_DIR})
    target_link_libraries(${program} PRIVATE tenon_flags)
endforeach()
