/* memory.c: large regions: arenas and states.
 *
 * A region is never larger than what the machine has, whatever an overcommitting system would
 * grant, and it is backed by huge pages where it is large enough for one.
 */
#include "runtime/rt.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { HUGE_PAGE = 2 << 20 };

/* More than the machine has would be granted by an overcommitting system, then kill us. */
static bool machine_holds(uint64_t bytes) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    return pages <= 0 || page <= 0 || bytes / (uint64_t)page < (uint64_t)pages;
}

void *tn_region_get(uint64_t bytes, size_t *size) {
    size_t align = bytes >= HUGE_PAGE ? HUGE_PAGE : RT_ALIGN;
    uint64_t wanted = bytes > 0 ? bytes : RT_ALIGN;
    *size = 0;
    if (wanted > SIZE_MAX - align || !machine_holds(wanted)) {
        return NULL;
    }
    size_t rounded = ((size_t)wanted + align - 1) / align * align;
    void *region = aligned_alloc(align, rounded);
    if (!region) {
        return NULL;
    }
    if (align == HUGE_PAGE) {
        madvise(region, rounded, MADV_HUGEPAGE); /* a wish; refusal does no harm */
    }
    *size = rounded;
    return region;
}
