/*
 * Keys and values from a text of the form that regedit exports and imports ("Windows Registry Editor Version 5.00"), with
 * which a user furnishes the registry before the program starts. The file may be anybody's: what it cannot mean is refused by
 * line, and nothing in it names a place outside the registry.
 */
#ifndef CORE_NT_REGISTRY_FILE_H
#define CORE_NT_REGISTRY_FILE_H

#include "nt/registry.h"
#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/err.h"

#define REGISTRY_FILE_MAX (16u << 20) /* bytes */

/*
 * Do what the text says, in UTF-16 with a byte order mark or in UTF-8: make keys, set values, delete both. name: what errors call
 * it. ERR_FORMAT names the line, in front of which all has been done; ERR_LIMIT; ERR_NOMEM
 */
MUST_USE enum err registry_file_apply(struct registry *registry, struct bytes text,
                                      const char *name, struct diag *why);

/* The same of a host file. ERR_IO and what buf_read_file answers as well. */
MUST_USE enum err registry_file_load(struct registry *registry, const char *path, struct diag *why);

#endif
