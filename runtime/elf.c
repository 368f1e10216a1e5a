/* elf.c: reads what a model file says about itself, before the file is loaded.
 *
 * dlopen runs constructors and maps whatever it is given, so everything we want to
 * refuse must be seen first. Nothing in the file is trusted: each offset is checked
 * against the file's size, tables have upper bounds, and only plain bytes are read (never
 * mapped, so a file cut short meanwhile cannot raise SIGBUS). Pointers inside the
 * describing table are relocations and are not looked at; its leading integers are.
 */
#include "runtime/rt.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_SEGMENTS = 64,
    MAX_SECTIONS = 4096,
    MAX_TABLE_BYTES = 16 << 20 /* of the dynamic symbol or string table */
};

#if defined(__aarch64__)
enum { HOST_MACHINE = EM_AARCH64 };
#else
enum { HOST_MACHINE = EM_X86_64 };
#endif

typedef struct ElfFile {
    int fd;
    const char *path;
    uint64_t size;
    Elf64_Ehdr header;
    Elf64_Phdr segments[MAX_SEGMENTS];
    Elf64_Sym *symbols;
    uint64_t n_symbols;
    char *strings;
    uint64_t n_strings;
    ErrorText error;
} ElfFile;

static tn_status bad(const ElfFile *file, const char *why) {
    return tn_rt_fail(file->error, TN_BAD_INPUT, "%s: not a Tenon model: %s", file->path, why);
}

/* Whether the file holds `size` bytes at `offset`. */
static bool within(const ElfFile *file, uint64_t offset, uint64_t size) {
    return offset <= file->size && size <= file->size - offset;
}

static bool read_at(const ElfFile *file, uint64_t offset, void *out, uint64_t size) {
    if (!within(file, offset, size)) {
        return false;
    }
    unsigned char *to = out;
    while (size > 0) {
        ssize_t n = pread(file->fd, to, size, (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n <= 0) {
            return false;
        }
        to += n, offset += (uint64_t)n, size -= (uint64_t)n;
    }
    return true;
}

static tn_status open_file(ElfFile *file) {
    /* O_NONBLOCK: a FIFO must not make us wait for a writer. */
    file->fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file->fd < 0) {
        return tn_rt_fail(file->error, TN_IO, "%s: cannot open: %s", file->path, strerror(errno));
    }
    struct stat st;
    if (fstat(file->fd, &st) != 0) {
        return tn_rt_fail(file->error, TN_IO, "%s: cannot read: %s", file->path, strerror(errno));
    }
    if (!S_ISREG(st.st_mode)) {
        return tn_rt_fail(file->error, TN_IO, "%s: not a regular file", file->path);
    }
    file->size = (uint64_t)st.st_size;
    return TN_OK;
}

static tn_status read_header(ElfFile *file) {
    Elf64_Ehdr *h = &file->header;
    if (!read_at(file, 0, h, sizeof *h) || memcmp(h->e_ident, ELFMAG, SELFMAG) != 0) {
        return bad(file, "not an ELF shared object");
    }
    if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
        h->e_machine != HOST_MACHINE) {
        return tn_rt_fail(file->error, TN_UNSUPPORTED, "%s: made for another kind of processor",
                          file->path);
    }
    if (h->e_type != ET_DYN) {
        return bad(file, "an ELF file, but not a shared object");
    }
    if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > MAX_SEGMENTS) {
        return bad(file, "damaged program header");
    }
    if (h->e_shentsize != sizeof(Elf64_Shdr) || h->e_shnum == 0 || h->e_shnum > MAX_SECTIONS) {
        return bad(file, "no section headers (cut short, or stripped of them)");
    }
    /* Linkers put this table last: a file cut anywhere lacks some of it. */
    if (!within(file, h->e_shoff, (uint64_t)h->e_shnum * sizeof(Elf64_Shdr))) {
        return bad(file, "cut short: section headers are missing");
    }
    return TN_OK;
}

/* A segment that reaches past the end of the file would raise SIGBUS once loaded. */
static tn_status read_segments(ElfFile *file) {
    uint64_t bytes = (uint64_t)file->header.e_phnum * sizeof(Elf64_Phdr);
    if (!read_at(file, file->header.e_phoff, file->segments, bytes)) {
        return bad(file, "cut short");
    }
    for (int i = 0; i < file->header.e_phnum; i++) {
        const Elf64_Phdr *p = &file->segments[i];
        if (p->p_type == PT_LOAD &&
            (!within(file, p->p_offset, p->p_filesz) || p->p_filesz > p->p_memsz)) {
            return bad(file, "cut short: a segment reaches past the end of the file");
        }
    }
    return TN_OK;
}

static void *read_table(const ElfFile *file, const Elf64_Shdr *section) {
    if (section->sh_size == 0 || section->sh_size > MAX_TABLE_BYTES ||
        !within(file, section->sh_offset, section->sh_size)) {
        return NULL;
    }
    void *table = malloc(section->sh_size);
    if (table && !read_at(file, section->sh_offset, table, section->sh_size)) {
        free(table);
        table = NULL;
    }
    return table;
}

static bool section_at(const ElfFile *file, uint64_t index, Elf64_Shdr *out) {
    return index < file->header.e_shnum &&
           read_at(file, file->header.e_shoff + index * sizeof *out, out, sizeof *out);
}

static tn_status read_symbols(ElfFile *file) {
    Elf64_Shdr symbols = {0}, strings;
    for (uint64_t i = 0; i < file->header.e_shnum && symbols.sh_type != SHT_DYNSYM; i++) {
        if (!section_at(file, i, &symbols)) {
            return bad(file, "damaged section headers");
        }
    }
    if (symbols.sh_type != SHT_DYNSYM || symbols.sh_entsize != sizeof(Elf64_Sym)) {
        return bad(file, "it exports no symbols");
    }
    if (!section_at(file, symbols.sh_link, &strings) || strings.sh_type != SHT_STRTAB) {
        return bad(file, "damaged symbol table");
    }
    file->symbols = read_table(file, &symbols);
    file->strings = read_table(file, &strings);
    if (!file->symbols || !file->strings || file->strings[strings.sh_size - 1] != '\0') {
        return bad(file, "damaged symbol table");
    }
    file->n_symbols = symbols.sh_size / sizeof(Elf64_Sym);
    file->n_strings = strings.sh_size;
    return TN_OK;
}

/* The name of an exported data symbol that ends in "_model", else NULL. */
static const char *model_name(const ElfFile *file, const Elf64_Sym *symbol) {
    static const char suffix[] = "_model";
    if (symbol->st_shndx == SHN_UNDEF || ELF64_ST_TYPE(symbol->st_info) != STT_OBJECT ||
        ELF64_ST_BIND(symbol->st_info) == STB_LOCAL || symbol->st_name >= file->n_strings) {
        return NULL;
    }
    const char *name = file->strings + symbol->st_name;
    size_t n = strlen(name);
    bool fits = n >= sizeof suffix && n < sizeof((ElfModel *)0)->symbol;
    return fits && strcmp(name + n - (sizeof suffix - 1), suffix) == 0 ? name : NULL;
}

static tn_status find_model(const ElfFile *file, const Elf64_Sym **out) {
    *out = NULL;
    for (uint64_t i = 0; i < file->n_symbols; i++) {
        if (!model_name(file, &file->symbols[i])) {
            continue;
        }
        if (*out) {
            return bad(file, "more than one exported symbol ends in \"_model\"");
        }
        *out = &file->symbols[i];
    }
    return *out ? TN_OK : bad(file, "no exported symbol ends in \"_model\"");
}

/* File offset of `size` loaded bytes at `address`. */
static bool file_offset(const ElfFile *file, uint64_t address, uint64_t size, uint64_t *out) {
    for (int i = 0; i < file->header.e_phnum; i++) {
        const Elf64_Phdr *p = &file->segments[i];
        if (p->p_type != PT_LOAD || address < p->p_vaddr) {
            continue;
        }
        uint64_t delta = address - p->p_vaddr;
        if (delta <= p->p_filesz && size <= p->p_filesz - delta) {
            *out = p->p_offset + delta;
            return true;
        }
    }
    return false;
}

static tn_status read_model(ElfFile *file, ElfModel *out) {
    const Elf64_Sym *symbol;
    tn_status status = find_model(file, &symbol);
    if (status != TN_OK) {
        return status;
    }
    uint32_t head[3];
    uint64_t offset;
    if (symbol->st_size < sizeof head ||
        !file_offset(file, symbol->st_value, symbol->st_size, &offset) ||
        !read_at(file, offset, head, sizeof head)) {
        return bad(file, "its describing table is not in the file");
    }
    snprintf(out->symbol, sizeof out->symbol, "%s", model_name(file, symbol));
    out->abi_version = head[0];
    out->desc_size = head[1];
    out->cpu_features = head[2];
    if (out->abi_version == TN_ABI_VERSION && symbol->st_size < sizeof(tn_model_desc)) {
        return bad(file, "its describing table is too small");
    }
    return TN_OK;
}

tn_status tn_elf_probe(const char *path, ElfModel *out, ErrorText error) {
    ElfFile file = {.fd = -1, .path = path, .error = error};
    tn_status status = open_file(&file);
    if (status == TN_OK) {
        status = read_header(&file);
    }
    if (status == TN_OK) {
        status = read_segments(&file);
    }
    if (status == TN_OK) {
        status = read_symbols(&file);
    }
    if (status == TN_OK) {
        status = read_model(&file, out);
    }
    free(file.symbols);
    free(file.strings);
    if (file.fd >= 0) {
        close(file.fd);
    }
    return status;
}
