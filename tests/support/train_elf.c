/* train_elf.c: the symbols and libraries that an ELF file wants from others. */
#include <elf.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/support/train_check.h"

typedef struct Names {
    char *text;
    size_t size;
    int n;
} Names;

static void add_name(Names *names, const char *name) {
    size_t used = strlen(names->text);
    snprintf(names->text + used, names->size - used, "%s%s", names->n > 0 ? " " : "", name);
    names->n++;
}

static char *read_whole(const char *path) {
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        return NULL;
    }
    fseek(file, 0, SEEK_END);
    long size = ftell(file);
    fseek(file, 0, SEEK_SET);
    char *bytes = size > (long)sizeof(Elf64_Ehdr) ? malloc((size_t)size) : NULL;
    bool read = bytes != NULL && fread(bytes, 1, (size_t)size, file) == (size_t)size;
    fclose(file);
    if (!read || memcmp(bytes, ELFMAG, SELFMAG) != 0) {
        free(bytes);
        return NULL;
    }
    return bytes;
}

/* The linker's own work: sections and offsets are as they should be. */
static void list_section(const char *bytes, const Elf64_Shdr *sections, const Elf64_Shdr *section,
                         Names *names) {
    const char *at = bytes + section->sh_offset;
    const char *strings = bytes + sections[section->sh_link].sh_offset;
    size_t n = section->sh_entsize > 0 ? section->sh_size / section->sh_entsize : 0;
    for (size_t i = 0; i < n; i++) {
        if (section->sh_type == SHT_DYNSYM) {
            const Elf64_Sym *symbol = (const Elf64_Sym *)(const void *)at + i;
            if (symbol->st_shndx == SHN_UNDEF && symbol->st_name != 0) {
                add_name(names, strings + symbol->st_name);
            }
        } else {
            const Elf64_Dyn *entry = (const Elf64_Dyn *)(const void *)at + i;
            if (entry->d_tag == DT_NEEDED) {
                add_name(names, strings + entry->d_un.d_val);
            }
        }
    }
}

int train_foreign_symbols(const char *path, char *text, size_t size) {
    Names names = {text, size, 0};
    text[0] = '\0';
    char *bytes = read_whole(path);
    if (bytes == NULL) {
        return -1;
    }
    const Elf64_Ehdr *header = (const Elf64_Ehdr *)(const void *)bytes;
    const Elf64_Shdr *sections = (const Elf64_Shdr *)(const void *)(bytes + header->e_shoff);
    bool dynamic = false;
    for (int i = 0; i < header->e_shnum; i++) {
        if (sections[i].sh_type == SHT_DYNSYM || sections[i].sh_type == SHT_DYNAMIC) {
            dynamic = true;
            list_section(bytes, sections, &sections[i], &names);
        }
    }
    free(bytes);
    return dynamic ? names.n : -1;
}
