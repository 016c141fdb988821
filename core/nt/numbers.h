/*
 * Numbers of system services. They differ between versions of Windows and of Wine, so they are read from the code of
 * the ntdll and win32u that the process runs; never compiled in (NT-PROCESS section 1).
 */
#ifndef CORE_NT_NUMBERS_H
#define CORE_NT_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"
#include "winstub/image.h"

struct service;

struct number {
    char *name;                    /* NULL: no service has this number */
    const struct service *service; /* NULL: winstub has none of that name */
    bool reported;                 /* its absence was logged */
};

/* Table 0 holds ntdll's numbers, table 1 those of win32u, 0x1000 and up. */
#define NUMBERS_TABLE 0x1000u

struct numbers {
    struct number *list[2]; /* NUMBERS_TABLE entries each; NULL: no such DLL was scanned */
};

void numbers_fini(struct numbers *numbers);

/* What a scan found. */
struct numbers_found {
    size_t count;
    bool has_thunk; /* i386: services enter the kernel by code */
    uint32_t thunk; /* at this address */
};

/*
 * Take the number of every export of a laid-out image whose code begins as a service's does. A name beginning with
 * Nt wins over its twin with Zw. ERR_NOMEM, and pe_exports' errors.
 */
MUST_USE enum err numbers_scan(struct numbers *numbers, const struct pe_image *image,
                               struct bytes mapped, struct numbers_found *out, struct diag *why);

/* Give a number to a service of our own. ERR_NOMEM */
MUST_USE enum err numbers_add(struct numbers *numbers, uint32_t number, const char *name);

/* What has this number; NULL when nothing has. */
struct number *numbers_get(const struct numbers *numbers, uint32_t number);

#endif
