/* Pages of a mapped file; see mapped.h. */
#include "broker/mapped.h"

#include <sys/mman.h>
#include <unistd.h>

/* Where it ends is not asked: in a damaged file that may be behind the mapping. */
void mapped_read(struct mapped *m, struct slice bytes)
{
    uintptr_t at = (uintptr_t)bytes.at;

    if (m->size == 0 || at < m->low)
        m->low = at;
    if (at > m->high)
        m->high = at;
    m->size += bytes.size;
}

void mapped_settle(struct mapped *m)
{
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);

    if (m->size <= MAPPED_BYTES)
        return;
    m->low -= m->low % page;
    m->high -= m->high % page;
    if (m->low < m->high)
        madvise((void *)m->low, m->high - m->low, MADV_DONTNEED);
    *m = (struct mapped){0};
}
