/* Paths of the guest, as Windows and as a debugger on Linux writes them. */
#ifndef STUB_PATHS_H
#define STUB_PATHS_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/buf.h"

/* What follows the last separator, of either kind. */
const char *path_name(const char *path);
/* "/c/app/prog.exe" for "C:\app\prog.exe", which a debugger on Linux takes for absolute. */
void unix_path(const char *path, struct buf *out);
/* "C:\app\prog.exe" for "C:/app/prog.exe" and "/c/app/prog.exe"; false for any other path, or one that does not fit. */
bool dos_path(const char *path, char *out, size_t size);

#endif
