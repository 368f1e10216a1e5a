# Every tests/FOLDER/test_TOPIC.c is a cmocka program and every tests/FOLDER/test_TOPIC.sh a
# script; both become the test FOLDER/TOPIC with the label FOLDER. Sources in tests/support/
# are an archive linked to all programs. Tests run in the repository's root.
find_library(CMOCKA_LIBRARY cmocka)
find_path(CMOCKA_INCLUDE cmocka.h)
if(NOT CMOCKA_LIBRARY OR NOT CMOCKA_INCLUDE)
    message(FATAL_ERROR "cmocka not found: run scripts/setup.sh, or configure with -DTENON_TESTS=OFF")
endif()

set(test_environment "TENON_BUILD_DIR=${PROJECT_BINARY_DIR}"
    "TENON_SANITIZED=${TENON_SANITIZE}" "CC=${CMAKE_C_COMPILER}")
if(TENON_SANITIZE)
    set(test_timeout 900)
else()
    set(test_timeout 300)
endif()

function(tenon_test path command)
    get_filename_component(topic ${path} NAME_WE)
    get_filename_component(folder ${path} DIRECTORY)
    get_filename_component(folder ${folder} NAME)
    string(REGEX REPLACE "^test_" "" topic ${topic})
    add_test(NAME ${folder}/${topic} COMMAND ${command} ${ARGN}
        WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
    set_tests_properties(${folder}/${topic} PROPERTIES LABELS ${folder}
        TIMEOUT ${test_timeout} ENVIRONMENT "${test_environment}" SKIP_RETURN_CODE 77)
endfunction()

file(GLOB support CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/support/*.c)
file(GLOB programs CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/test_*.c)
if(support)
    add_library(tenon_test_support STATIC ${support})
    target_include_directories(tenon_test_support PRIVATE ${PROJECT_SOURCE_DIR}
        ${PROJECT_SOURCE_DIR}/include ${CMOCKA_INCLUDE})
    target_link_libraries(tenon_test_support PRIVATE tenon_flags tenon_static ${CMOCKA_LIBRARY})
    set(support_library tenon_test_support)
endif()
foreach(source ${programs})
    file(RELATIVE_PATH name ${PROJECT_SOURCE_DIR}/tests ${source})
    string(REGEX REPLACE "^(.*)/test_(.*)\\.c$" "test_\\1_\\2" name ${name})
    add_executable(${name} ${source})
    set_target_properties(${name} PROPERTIES
        RUNTIME_OUTPUT_DIRECTORY ${PROJECT_BINARY_DIR}/tests)
    target_include_directories(${name} PRIVATE ${PROJECT_SOURCE_DIR} ${CMOCKA_INCLUDE})
    if(name MATCHES "^test_tools_")
        target_link_libraries(${name} PRIVATE tenon_tools)
    endif()
    target_link_libraries(${name} PRIVATE ${support_library} tenon_tools tenon_static tenon_flags
        ${CMOCKA_LIBRARY} m)
    tenon_test(${source} ${name})
endforeach()

file(GLOB scripts CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/tests/*/test_*.sh)
foreach(script ${scripts})
    tenon_test(${script} bash ${script})
endforeach()

# Long tests, which only `make random` and `make suite` run.
add_test(NAME random/sweep CONFIGURATIONS Slow COMMAND test_random_compiled
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(random/sweep PROPERTIES LABELS slow TIMEOUT 7200
    ENVIRONMENT "${test_environment};TENON_RANDOM_GRAPHS=2000")
add_test(NAME tools/suite CONFIGURATIONS Slow COMMAND bash tests/tools/suite.sh
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(tools/suite PROPERTIES LABELS slow TIMEOUT 7200 SKIP_RETURN_CODE 77
    ENVIRONMENT "${test_environment}")
add_test(NAME tools/hostile_sweep CONFIGURATIONS Slow COMMAND test_tools_hostile
    WORKING_DIRECTORY ${PROJECT_SOURCE_DIR})
set_tests_properties(tools/hostile_sweep PROPERTIES LABELS slow TIMEOUT 7200
    ENVIRONMENT "${test_environment};TENON_HOSTILE_CASES=5000;TENON_HOSTILE_STEP=1")
