/* What the two files that read saved memory share: a reader over bytes that nobody vouches for. */
#ifndef VM_SAVED_READ_H
#define VM_SAVED_READ_H

#include "vm/save.h"
#include "vm/saved_format.h"
#include "winstub/bytes.h"
#include "winstub/saved.h"

struct saved_reader {
    struct vm *vm;
    struct bytes in; /* up to the contents */
    size_t at;
    const struct vm_saved_files *files;
    struct diag *why;
    enum err error; /* the first one; nothing is read after it */
    struct vm_saved *saved;
    struct label **texts;
    size_t text_count;
    const uint8_t *contents;
    uint32_t content_count;
    frame_t *
        frames; /* by content, 0 for zeros; FRAME_NONE: not made yet. One reference of each is the reader's */
    uint64_t charge; /* bytes that are committed by what was read so far */
};

/* Remember what is wrong, and return false. */
bool saved_bad(struct saved_reader *r, const char *what);
bool saved_no_memory(struct saved_reader *r);

/* The next number; 0 when there is none, or after an error. */
uint32_t saved_u32(struct saved_reader *r);
uint64_t saved_u64(struct saved_reader *r);
/* Can count records of at least size bytes follow? */
bool saved_fits(struct saved_reader *r, uint64_t count, size_t size);
/* The text whose number is next, with a reference; NULL for none. */
bool saved_label(struct saved_reader *r, struct label **out);
/* A set of the pages of [start, end), whose bits are next; NULL on error. */
struct pageset *saved_set(struct saved_reader *r, gva_t start, gva_t end);
/* Count commitment. */
bool saved_charge(struct saved_reader *r, uint64_t bytes);
/* Enter a page with a content. */
bool saved_page(struct saved_reader *r, struct pagetable *pt, uint64_t page, uint32_t number,
                uint32_t protect);

/* Read foreign memory, allocations, runs and pages. */
bool saved_map_read(struct saved_reader *r);

#endif
