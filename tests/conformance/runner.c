/*
 * What Wine's test framework (wine/test.h, compiled here with STANDALONE) wants from the program around one test
 * file: the list of tests, and a function that it otherwise imports from Wine's own ntdll.
 */
#include <stdarg.h>

#include <windef.h>

#include <winbase.h>
#include <wincon.h>

#define STANDALONE
#include "wine/test.h"

#include <string.h>

extern void func_virtual(void);

const struct test winetest_testlist[] = {{"virtual", func_virtual}, {0, 0}};

/* Texts of one message live until it is printed; a message has a few of them. */
const char *__wine_dbg_strdup(const char *text)
{
    static char texts[16][300];
    static unsigned next;
    char *copy = texts[next++ % 16];

    strncpy(copy, text, sizeof texts[0] - 1);
    return copy;
}
