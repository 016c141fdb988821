/*
 * Foreign memory: devices and lent memory, and which allocations show them. Few, so they lie in a table of their
 * own, ordered by address, beside the tree of allocations; an allocation only says that it has a row there.
 */
#ifndef VM_FOREIGN_H
#define VM_FOREIGN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/foreign.h"

struct foreign; /* one device or one piece of lent memory, reference counted */

/* An allocation that shows foreign memory, all of it. */
struct foreign_row {
    gva_t base;
    uint64_t size;
    struct foreign *memory;
    uint64_t skip; /* bytes of lent memory before what is shown */
};

struct foreigns {
    struct foreign_row *rows; /* ascending */
    size_t count;
    size_t devices; /* rows of devices */
    size_t cap;
};

/* Release the table; its rows are gone already. */
void foreigns_fini(struct foreigns *f);

/* Have room for that many rows. False when the host is out of memory. */
bool foreigns_reserve(struct foreigns *f, size_t count);
/* Enter a row, whose reference the table takes over. After foreigns_reserve. */
void foreigns_insert(struct foreigns *f, struct foreign_row row);
/* Drop the row that starts at base. */
void foreigns_remove(struct vm *vm, gva_t base);
/* The row that holds addr, NULL when none does. */
const struct foreign_row *foreigns_find(const struct foreigns *f, gva_t addr);

struct foreign *foreign_ref(struct foreign *m);
/* Drop a reference; the last one tells the owner. */
void foreign_unref(struct vm *vm, struct foreign *m);

bool foreign_is_device(const struct foreign *m);
/* The byte at addr of lent memory and its offset for the CPU; NULL when addr lies in none. */
uint8_t *foreign_bytes(const struct foreigns *f, gva_t addr, uint64_t *offset);

/* Order, and that each row is an allocation of its size. */
bool foreigns_valid(const struct vm *vm);

#endif
