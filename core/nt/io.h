/* What the services about files share: paths, answers, times. How requests begin and end is requests.h's matter. */
#ifndef CORE_NT_IO_H
#define CORE_NT_IO_H

#include <stddef.h>
#include <stdint.h>

#include "nt/files.h"
#include "nt/requests.h"
#include "nt/services.h"

/* Write the IO_STATUS_BLOCK, if there is one (Wine locks files without); returns st, or why it cannot be written. */
MUST_USE nt_status io_finish(struct call *call, gva_t iosb, nt_status st, uint64_t information);
/* Answer a query with size bytes of raw. arg: 1 IO_STATUS_BLOCK, 2 buffer, 3 its length. STATUS_INFO_LENGTH_MISMATCH */
MUST_USE nt_status io_answer(struct call *call, const uint8_t *raw, size_t size);

/* Absolute NT path of a name below an opened folder (root, 0: none), or of an absolute one; malloc'd. */
MUST_USE nt_status io_path(struct call *call, uint64_t root, const char *name, char **out);
/* The same of OBJECT_ATTRIBUTES at a guest address. */
MUST_USE nt_status io_attributes_path(struct call *call, gva_t at, char **out);

/* A host's time in 100 ns since 1601, and back. */
uint64_t io_time(struct timespec t);
struct timespec io_timespec(uint64_t time);

/* What its contents take of the guest's disk, in bytes. */
uint64_t io_allocated(const struct stat *host);
/* Of every volume. */
#define IO_VOLUME_SERIAL 0x57535442u

/* The five numbers FILE_BASIC_INFORMATION begins with: three times, change time, attributes. */
void io_put_basic(uint8_t raw[40], const struct stat *host);

#endif
