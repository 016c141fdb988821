/*
 * Text for the guest: UTF-16, the command line, the environment block, guest paths. Knows no guest memory.
 */
#ifndef CORE_NT_TEXT_H
#define CORE_NT_TEXT_H

#include <stdbool.h>
#include <stddef.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"
#include "winstub/err.h"

/* Append UTF-8 text as UTF-16LE without a NUL; every byte that is no UTF-8 becomes U+FFFD. */
bool text_utf16(struct buf *out, const char *utf8);

/* Append UTF-16LE text as UTF-8; half of a pair alone becomes U+FFFD. An odd last byte is left out. */
bool text_utf8(struct buf *out, const void *utf16, size_t bytes);

/*
 * Append, as UTF-8, the command line that Windows' C runtime and CommandLineToArgvW take apart into argv again
 * ("Parsing C++ command-line arguments", Microsoft). argv[0] follows the rule for the program's name.
 * ERR_INVALID  argv[0] holds a quotation mark, which no file name can; ERR_NOMEM
 */
MUST_USE enum err text_command_line(struct buf *out, const char *const *argv, size_t argc,
                                    struct diag *why);

/*
 * Append an environment block in UTF-16: "NAME=value" NUL ... NUL, sorted by name without regard to case as Windows
 * keeps it. Given entries replace built-in ones (SystemRoot, PATH, TEMP, ...); the last of a name wins.
 * ERR_INVALID  an entry has no name or no '='; why names it
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
