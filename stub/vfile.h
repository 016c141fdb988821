/*
 * The files that a client has open (vFile). Read-only: the synthetic /proc, and the program's and its DLLs' own
 * files by the paths that the guest knows; nothing else of the host.
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

struct vfile {
    bool open;
    bool made;             /* text holds it, else the target reads it by path */
    char path[VFILE_PATH]; /* as the target knows it: C:\app\prog.exe */
    uint64_t size;
    struct buf text;
};

struct vfiles {
    struct vfile list[VFILE_COUNT];
};

void vfiles_close_all(struct vfiles *files);

#endif
