/*
 * A program around one of Wine's test files (TEST_FILE): what the framework (wine/test.h) otherwise
 * imports from Wine's own ntdll.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <ntstatus.h>
#define WIN32_NO_STATUS
#include <windef.h>

#include <winbase.h>
#include <wincon.h>
#undef strncpy /* Wine forbids it to itself, with a definition that does not compile */

/* Texts of one message live until it is printed; a message has a few of them. */
const char *__wine_dbg_strdup(const char *text)
{
    static char texts[16][300];
    static unsigned next;
    char *copy = texts[next++ % 16];

    snprintf(copy, sizeof texts[0], "%s", text);
    return copy;
}

#define STANDALONE
#include TEST_FILE
