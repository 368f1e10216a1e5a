# The program that prints documentation from the tables; tests/docs/ holds the documents
# against it.
add_executable(gen_ops ${PROJECT_SOURCE_DIR}/docs/gen_ops.c)
set_target_properties(gen_ops PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/docs)
target_include_directories(gen_ops PRIVATE ${PROJECT_SOURCE_DIR})
target_link_libraries(gen_ops PRIVATE tenon_flags)
