/*
 * A saved moment (vm_save) as bytes, and back: in this process or another, in this vm or one like it. Complete: the map,
 * contents, protections, labels, paths, guards, placeholders, write watch, sections with their views, copy-on-write
 * states, DEP and the default base.
 *
 * What bytes cannot hold is bound anew when they are read:
 *   - devices and lent memory: the vm must have one of the same kind, size and place at that time (vm_map_device,
 *     vm_map_host); what is in lent memory is its owner's;
 *   - files behind sections: all their pages are among the bytes. A reader may give the file back (vm_saved_files), which
 *     later writes then go to; without it the section keeps its pages and writes nothing back;
 *   - handles of sections: a section that no view shows is left out, and those read are new ones, which share nothing with
 *     sections that the vm has already.
 *
 * The format, version 1. Numbers are little-endian and lie one behind the other without gaps; texts and contents are
 * referred to by their number, counted from 1, with 0 for none.
 *   header      8 bytes "winstub" 1a, u32 version, u32 flags (1: DEP is on), u64 bytes in all, u64 user limit, u64 default
 *               base, u32 texts, u32 sections, u32 foreign, u32 allocations, u32 contents, u64 pages
 *   text        u32 length, its bytes without NUL. Each text is there once
 *   section     u64 size, u32 type (MEM_*), u32 protect, u32 flags (1: of a file, 2: SEC_RESERVE),
 *               u32 path; u32 parts, each u64 start, u64 end, u32 protect, u32 label; with flag 2 one bit for each page
 *               that is committed, lowest first, in whole bytes; u64 pages, each u64 number, u32 content (0: zeros),
 *               u32 flags (1: as in the file). Of a file all pages are there
 *   foreign     u64 base, u64 size, u32 kind (1: device, 2: lent memory), u32 label
 *   allocation  u64 base, u64 end, u32 type, u32 protect, u32 flags (1: placeholder, 2: foreign, 4: write watch), u32
 *               label, u32 section (from 1), u64 first page in it; with flag 4 one bit for each page that was written; u32
 *               runs, each u64 end, u32 protect (0: reserved), u32 label, u32 flags (1: private page of a view)
 *   page        u64 number, u32 content. Pages of zeros are left out unless a view's page became private by being written
 *   content     4096 bytes. Frames that several pages share are there once
 *   end         u32 CRC-32 (IEEE 802.3) of all before
 */
#ifndef WINSTUB_SAVED_H
#define WINSTUB_SAVED_H

#include <stddef.h>

#include "winstub/buf.h"
#include "winstub/err.h"
#include "winstub/section.h"
#include "winstub/vm.h"

/*
 * Append a moment to out. Pages of files that nobody has touched are read now, and are as the file is now.
 * ERR_NOMEM, ERR_LIMIT (out is full), ERR_IO (a file); out holds what it held. O(allocations + runs + pages).
 */
MUST_USE enum err vm_saved_write(const struct vm_saved *saved, struct buf *out, struct diag *why);

/* Where the files behind sections are found again. */
struct vm_saved_files {
    void *ctx;
    /* The file with that guest path, of size bytes, for a new section; false: do without it. */
    bool (*open)(void *ctx, const char *path, uint64_t size, struct vm_backing *out);
};

/*
 * Make a moment of vm's from bytes; vm_restore makes it the present, vm_saved_free frees it. vm itself does not change, but for
 * the frames and tables that the moment needs.
 * files  may be NULL: none
 * ERR_FORMAT       no saved memory, or damaged: which is said in why, with the place
 * ERR_TRUNCATED    ends too early
 * ERR_UNSUPPORTED  another version, or another user limit than vm's
 * ERR_NOT_FOUND    a device or lent memory is not there
 * ERR_LIMIT        more is committed than vm's limit
 * ERR_NOMEM        the host or the arena has no memory
 */
MUST_USE enum err vm_saved_read(struct vm *vm, const void *bytes, size_t len,
                                const struct vm_saved_files *files, struct vm_saved **out,
                                struct diag *why);

#endif
