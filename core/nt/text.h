/*
 * Text for the guest: the command line, the environment block, guest paths. Knows no guest memory.
 */
#ifndef CORE_NT_TEXT_H
#define CORE_NT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"
#include "winstub/err.h"

/*
 * Append, as UTF-8, the command line that Windows' C runtime and CommandLineToArgvW take apart into argv again
 * ("Parsing C++ command-line arguments", Microsoft). argv[0] follows the rule for the program's name.
 * ERR_INVALID  argv[0] holds a quotation mark, which no file name can; ERR_NOMEM  also when out is full
 */
MUST_USE enum err text_command_line(struct buf *out, const char *const *argv, size_t argc,
                                    struct diag *why);

/*
 * Append an environment block in UTF-16: "NAME=value" NUL ... NUL, sorted by name without regard to case as Windows
 * keeps it. Given entries replace built-in ones (SystemRoot, PATH, TEMP, ...); the last of a name wins.
 * ERR_INVALID  an entry has no name or no '='; why names it; ERR_NOMEM  also when out is full
 */
MUST_USE enum err text_environment(struct buf *out, enum cpu_arch arch, const char *const *env,
                                   size_t env_count, struct diag *why);

/* Is it "X:\..."? */
bool text_is_dos_path(const char *text);

/* The part behind the last '\' or '/'. Never NULL; points into path. */
const char *text_base_name(const char *path);

/* Compare without regard to ASCII case. */
bool text_same(const char *a, const char *b);

#endif
