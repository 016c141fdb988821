/* What the services about files share: paths, answers, times. How requests begin and end is requests.h's matter. */
#ifndef CORE_NT_IO_H
#define CORE_NT_IO_H

#include <stddef.h>
#include <stdint.h>

#include "nt/files.h"
#include "nt/requests.h"
#include "nt/services.h"

/* FILE_INFORMATION_CLASS */
enum {
    INFO_BASIC = 4,
    INFO_STANDARD = 5,
    INFO_INTERNAL = 6,
    INFO_EA = 7,
    INFO_ACCESS = 8,
    INFO_NAME = 9,
    INFO_RENAME = 10,
    INFO_LINK = 11,
    INFO_DISPOSITION = 13,
    INFO_POSITION = 14,
    INFO_MODE = 16,
    INFO_ALIGNMENT = 17,
    INFO_ALL = 18,
    INFO_ALLOCATION = 19,
    INFO_END_OF_FILE = 20,
    INFO_STREAM = 22,
    INFO_PIPE = 23,
    INFO_PIPE_LOCAL = 24,
    INFO_PIPE_REMOTE = 25,
    INFO_COMPLETION = 30,
    INFO_NETWORK_OPEN = 34,
    INFO_ATTRIBUTE_TAG = 35,
    INFO_VALID_LENGTH = 39,
    INFO_NOTIFICATION = 41,
    INFO_NORMALIZED_NAME = 48,
    INFO_REMOTE_DEVICE = 51,
    INFO_ID = 59,
    INFO_DISPOSITION_EX = 64,
    INFO_RENAME_EX = 65,
    INFO_STAT = 68,
};

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
