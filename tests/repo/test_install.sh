#!/bin/bash
# An installed Tenon is found and linked by pkg-config and by CMake, shared and static, from C and
# C++.
set -euo pipefail
build=${TENON_BUILD_DIR:?set it to a configured build directory}
if [ "${TENON_SANITIZED:-OFF}" = ON ]; then
    echo "skipped: a sanitized library needs a sanitized program"
    exit 77
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >/dev/null
pc=$(dirname "$(find "$work/prefix" -name tenon_rt.pc)")
lib=$(dirname "$pc")

cat >"$work/runtime.c" <<'END'
#include <tenon/runtime.h>
int main(void) {
    return tn_dtype_size(TN_F64) == 8 ? 0 : 1;
}
END
cat >"$work/compiler.c" <<'END'
#include <tenon/tenon.h>
int main(void) {
    tn_compiler *compiler = tn_compiler_create();
    int ok = compiler && tn_compiler_set(compiler, "opt", "1");
    tn_compiler_destroy(compiler);
    return ok ? 0 : 1;
}
END
cp "$work/runtime.c" "$work/runtime.cpp"
cp "$work/compiler.c" "$work/compiler.cpp"
cat >"$work/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(Consumer C CXX)
find_package(Tenon REQUIRED)
set(CMAKE_CXX_FLAGS "-std=c++11 -Wall -Wextra -Wpedantic -Werror")
foreach(kind "" _static)
    foreach(language c cpp)
        add_executable(runtime${kind}_${language} runtime.${language})
        target_link_libraries(runtime${kind}_${language} Tenon::tenon_rt${kind})
        add_executable(compiler${kind}_${language} compiler.${language})
        target_link_libraries(compiler${kind}_${language} Tenon::tenon${kind})
    endforeach()
endforeach()
END

echo "with pkg-config"
if command -v pkg-config >/dev/null; then
    export PKG_CONFIG_PATH=$pc
    for pair in runtime:tenon_rt compiler:tenon; do
        name=${pair%:*} package=${pair#*:}
        flags=$(pkg-config --define-variable=prefix="$work/prefix" --cflags --libs "$package")
        "${CC:-cc}" -std=c17 "$work/$name.c" -o "$work/$name" $flags
        LD_LIBRARY_PATH=$lib "$work/$name"
    done
else
    echo "no pkg-config here"
fi

echo "with CMake"
cmake -S "$work" -B "$work/build" -DCMAKE_PREFIX_PATH="$work/prefix" >/dev/null
cmake --build "$work/build" >/dev/null
for program in {runtime,compiler}{,_static}_{c,cpp}; do
    "$work/build/$program"
done

echo "what the runtime needs"
if objdump -p "$lib/libtenon_rt.so" | grep -E 'NEEDED.*(LLVM|clang|stdc)'; then
    echo "libtenon_rt may need libc, libm and OpenMP only"
    exit 1
fi
echo "what is exported"
for name in tenon tenon_rt; do
    if nm -D --defined-only "$lib/lib$name.so" | awk '$2 != "A" {print $3}' | grep -v '^tn_'; then
        echo "lib$name.so exports names that are not its own"
        exit 1
    fi
done
