/* Bytes at a place of a host file, all of them. */
#ifndef CORE_NT_HOST_IO_H
#define CORE_NT_HOST_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* Read up to len bytes; *got is less only at the file's end. False: the host refuses. */
static inline bool host_read(int fd, uint64_t offset, uint8_t *dst, size_t len, size_t *got)
{
    for (*got = 0; *got < len;) {
        ssize_t n = pread(fd, dst + *got, len - *got, (off_t)(offset + *got));

        if (n < 0)
            return false;
        if (n == 0)
            break;
        *got += (size_t)n;
    }
    return true;
}

/* Write all. False: the host refuses; some may have been written. */
static inline bool host_write(int fd, uint64_t offset, const uint8_t *src, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, src + done, len - done, (off_t)(offset + done));

        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

#endif
