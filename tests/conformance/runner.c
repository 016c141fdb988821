/*
 * A program around one of Wine's test files (TEST_FILE): what the framework (wine/test.h) otherwise
 * imports from Wine's own ntdll, and a stand-in for the other process that some of the tests map memory into.
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

/*
 * winstub has one process. A child that only sleeps, to be mapped into and read from, is therefore the test itself by a
 * handle that is a real one; there are no others.
 */
static BOOL start_process(const char *line, PROCESS_INFORMATION *info)
{
    HANDLE own = GetCurrentProcess();

    memset(info, 0, sizeof *info);
    if (!strstr(line, " sleep")) {
        SetLastError(ERROR_NOT_SUPPORTED);
        return FALSE;
    }
    return DuplicateHandle(own, own, own, &info->hProcess, 0, FALSE, DUPLICATE_SAME_ACCESS) &&
           DuplicateHandle(own, GetCurrentThread(), own, &info->hThread, 0, FALSE,
                           DUPLICATE_SAME_ACCESS);
}

#define CreateProcessA(program, line, ps, ts, inherit, flags, env, dir, startup, info)             \
    start_process(line, info)
#define TerminateProcess(process, code) (TRUE)

#define STANDALONE
#include TEST_FILE
