/*
 * The files that a client has open (vFile): the synthetic /proc, and what the target opens by the paths that the guest
 * knows; nothing else of the host.
 */
#ifndef STUB_VFILE_H
#define STUB_VFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"

#define VFILE_COUNT    32u
#define VFILE_PATH     512u
#define VFILE_TEXT_MAX (64u << 20)

struct target;

struct vfile {
    bool open;
    bool made;             /* text holds it, else the target has it */
    char path[VFILE_PATH]; /* as the target knows it: C:\app\prog.exe */
    unsigned flags;        /* TARGET_FILE_*, when it is opened again */
    void *file;            /* the target's; NULL: to be opened again, the process is another one */
    uint64_t size;
    struct buf text;
};

struct vfiles {
    struct vfile list[VFILE_COUNT];
};

void vfiles_close_all(struct vfiles *files, const struct target *target);
/* The target goes, and another one will have the same files: let go of them until they are wanted again. */
void vfiles_let_go(struct vfiles *files, const struct target *target);

#endif
