# Writes OUTPUT: the bytes of FILES as tn_lang_library of frontend/lang.h.
cmake_minimum_required(VERSION 3.25)
set(tables "")
set(rows "")
set(number 0)
foreach(file ${FILES})
    get_filename_component(name ${file} NAME)
    file(READ ${file} bytes HEX)
    string(LENGTH "${bytes}" size)
    math(EXPR size "${size} / 2")
    string(REGEX REPLACE "(................................)" "\\1\n" bytes "${bytes}")
    string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${bytes}")
    string(APPEND tables "static const unsigned char file_${number}[] = {\n${bytes}0};\n")
    string(APPEND rows "    {\"${name}\", (const char *)file_${number}, ${size}},\n")
    math(EXPR number "${number} + 1")
endforeach()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT "/* Made from the library of the model language. */
#include \"frontend/lang.h\"

@tables@
static const LibraryFile files[] = {
@rows@    {NULL, NULL, 0},
};

const LibraryFile *tn_lang_library(size_t *n) {
    *n = sizeof files / sizeof *files - 1;
    return files;
}
")
