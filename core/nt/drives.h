/*
 * The guest's drives: the host folders that the user names, and the program's own folder where none of them holds it.
 */
#ifndef CORE_NT_DRIVES_H
#define CORE_NT_DRIVES_H

#include "nt/volumes.h"
#include "winstub/process.h"

/*
 * Where the program lies in the guest: "C:\folder\hello.exe", malloc'd. Below the drive that holds it, else in the root of
 * drive C:, or of the first letter that is free when C: is a drive of the user's. ERR_NOMEM, ERR_LIMIT (no letter is free)
 */
MUST_USE enum err drives_program(const struct process_options *options, char **out,
                                 struct diag *why);

/* Add them to the volumes; the program's folder read-only. ERR_INVALID  a folder cannot be opened; ERR_NOMEM, ERR_LIMIT */
MUST_USE enum err drives_open(const struct process_options *options, struct volumes *volumes,
                              struct diag *why);

#endif
