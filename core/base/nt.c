/* The names of NT status codes. */
#include "winstub/nt.h"

#include <stddef.h>

const char *nt_text(nt_status st)
{
    static const struct {
        nt_status value;
        const char *name;
    } names[] = {
#define NT_STATUS_NAME(name, value, win32) {(nt_status)(value), #name},
        NT_STATUS_LIST(NT_STATUS_NAME)
#undef NT_STATUS_NAME
    };

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].value == st)
            return names[i].name;
    }
    return "NTSTATUS";
}
