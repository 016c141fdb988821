/*
 * The folder with the user-mode DLLs: a Windows tree, or the layout of Wine's packages. Found by name, opened once.
 */
#ifndef CORE_NT_ROOT_H
#define CORE_NT_ROOT_H

#include <limits.h>
#include <stdbool.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"
#include "winstub/err.h"

struct root {
    int system; /* the folder with ntdll.dll, presented as C:\Windows\System32; -1: none */
    int nls;    /* the folder with locale.nls and its kin */
};

/*
 * Open the DLLs for arch below dir.
 * ERR_NOT_FOUND    there are none; why says what was looked for
 * ERR_UNSUPPORTED  there are only those of the other width
 * Other errors: dir itself cannot be opened.
 */
MUST_USE enum err root_open(struct root *root, const char *dir, enum cpu_arch arch,
                            struct diag *why);
void root_close(struct root *root);

/*
 * Is there an entry of that name, without regard to the case of ASCII letters? found receives the name as it is spelled,
 * exactly as given if there is one like that; it may be name itself.
 */
bool root_find_entry(int folder, const char *name, char found[NAME_MAX + 1]);

/*
 * Open an entry of a folder without regard to the case of ASCII letters; symbolic links are not followed. Returns a
 * descriptor, or -1 with errno. name is one component, given as it is to be found at best.
 */
int root_open_entry(int folder, const char *name, int flags);

/* Append the whole file to out. ERR_NOT_FOUND, ERR_IO, ERR_LIMIT, ERR_NOMEM; why begins with the name. */
MUST_USE enum err root_read(int folder, const char *name, struct buf *out, struct diag *why);

#endif
