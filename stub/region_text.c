/* The words of winnt.h for states, types and protections, without their MEM_ and PAGE_. */
#include "region_text.h"

#include <stdio.h>
#include <string.h>

#include "winstub/nt.h"

const char *region_state(uint32_t state)
{
    switch (state) {
    case MEM_FREE:
        return "FREE";
    case MEM_RESERVE:
        return "RESERVE";
    case MEM_COMMIT:
        return "COMMIT";
    default:
        return "?";
    }
}

const char *region_type(uint32_t type)
{
    switch (type) {
    case MEM_PRIVATE:
        return "PRIVATE";
    case MEM_MAPPED:
        return "MAPPED";
    case MEM_IMAGE:
        return "IMAGE";
    default:
        return "";
    }
}

void region_protect(uint32_t protect, char *out, size_t size)
{
    static const struct {
        uint32_t bit;
        const char *name;
    } bits[] = {
        {PAGE_NOACCESS, "NOACCESS"},
        {PAGE_READONLY, "READONLY"},
        {PAGE_READWRITE, "READWRITE"},
        {PAGE_WRITECOPY, "WRITECOPY"},
        {PAGE_EXECUTE, "EXECUTE"},
        {PAGE_EXECUTE_READ, "EXECUTE_READ"},
        {PAGE_EXECUTE_READWRITE, "EXECUTE_READWRITE"},
        {PAGE_EXECUTE_WRITECOPY, "EXECUTE_WRITECOPY"},
        {PAGE_GUARD, "GUARD"},
        {PAGE_NOCACHE, "NOCACHE"},
        {PAGE_WRITECOMBINE, "WRITECOMBINE"},
    };
    size_t len = 0;

    out[0] = 0;
    for (size_t i = 0; i < sizeof bits / sizeof *bits; i++) {
        if (!(protect & bits[i].bit))
            continue;
        (void)snprintf(out + len, size - len, "%s%s", len ? "|" : "", bits[i].name);
        len = strlen(out);
    }
}

const char *region_permissions(uint32_t protect)
{
    if (protect & PAGE_GUARD)
        return "";
    switch (protect & 0xff) {
    case PAGE_READONLY:
        return "r";
    case PAGE_READWRITE:
    case PAGE_WRITECOPY:
        return "rw";
    case PAGE_EXECUTE:
        return "x";
    case PAGE_EXECUTE_READ:
        return "rx";
    case PAGE_EXECUTE_READWRITE:
    case PAGE_EXECUTE_WRITECOPY:
        return "rwx";
    default:
        return "";
    }
}

void region_words(const struct target_region *region, char *out, size_t size)
{
    char protect[96];

    switch (region->state) {
    case MEM_FREE:
        (void)snprintf(out, size, "free");
        break;
    case MEM_RESERVE:
        (void)snprintf(out, size, "reserved, not committed");
        break;
    default:
        region_protect(region->protect, protect, sizeof protect);
        (void)snprintf(out, size, "committed %s", protect);
    }
}
