/* Both ways of writing a guest path. */
#include "paths.h"

#include <ctype.h>
#include <string.h>

const char *path_name(const char *path)
{
    const char *name = path;

    for (; *path; path++) {
        if (*path == '\\' || *path == '/')
            name = path + 1;
    }
    return name;
}

void unix_path(const char *path, struct buf *out)
{
    if (isalpha((unsigned char)path[0]) && path[1] == ':') {
        buf_printf(out, "/%c", tolower((unsigned char)path[0]));
        path += 2;
    }
    for (; *path; path++)
        buf_byte(out, *path == '\\' ? '/' : (uint8_t)*path);
}

bool dos_path(const char *path, char *out, size_t size)
{
    bool dos = isalpha((unsigned char)path[0]) && path[1] == ':';
    bool posix = path[0] == '/' && isalpha((unsigned char)path[1]) && path[2] == '/';

    if ((!dos && !posix) || strlen(path) >= size)
        return false;
    memcpy(out, path, strlen(path) + 1);
    if (posix) {
        out[0] = (char)toupper((unsigned char)path[1]);
        out[1] = ':';
    }
    for (char *c = out; *c; c++) {
        if (*c == '/')
            *c = '\\';
    }
    return true;
}
