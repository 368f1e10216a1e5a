# Programs, libraries, headers, the man page, pkg-config files and the CMake package.
include(CMakePackageConfigHelpers)
set(package_dir ${CMAKE_INSTALL_LIBDIR}/cmake/Tenon)

install(TARGETS ${tenon_libraries} EXPORT TenonTargets)
install(EXPORT TenonTargets NAMESPACE Tenon:: DESTINATION ${package_dir})
install(FILES include/tenon/runtime.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon)
if(TENON_COMPILER)
    install(FILES include/tenon/tenon.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/tenon)
    install(FILES docs/tenon.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
    install(TARGETS tenon_command)
endif()

# The link lines of a static libtenon and libtenon_rt.
set(rt_private "-lm -lpthread")
if(TENON_OPENMP AND OpenMP_C_FOUND)
    set(rt_private "${OpenMP_C_FLAGS} ${rt_private}")
endif()
list(JOIN llvm_libraries " " llvm_private)
set(compiler_private "${llvm_private} -lstdc++ ${rt_private}")

# Relative to the prefix where they can be, so that pkg-config can move them.
foreach(dir LIBDIR INCLUDEDIR)
    set(pc_${dir} ${CMAKE_INSTALL_${dir}})
    if(NOT IS_ABSOLUTE "${pc_${dir}}")
        set(pc_${dir} "\${prefix}/${pc_${dir}}")
    endif()
endforeach()
configure_file(cmake/tenon_rt.pc.in tenon_rt.pc @ONLY)
install(FILES ${PROJECT_BINARY_DIR}/tenon_rt.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
if(TENON_COMPILER)
    configure_file(cmake/tenon.pc.in tenon.pc @ONLY)
    install(FILES ${PROJECT_BINARY_DIR}/tenon.pc DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
endif()

configure_package_config_file(cmake/TenonConfig.cmake.in TenonConfig.cmake
    INSTALL_DESTINATION ${package_dir})
write_basic_package_version_file(TenonConfigVersion.cmake COMPATIBILITY SameMinorVersion)
install(FILES ${PROJECT_BINARY_DIR}/TenonConfig.cmake
    ${PROJECT_BINARY_DIR}/TenonConfigVersion.cmake DESTINATION ${package_dir})
