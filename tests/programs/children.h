/*
 * What programs that start children have in common. Most are their own children: the first argument says what one of them
 * is to be. No output waits in a buffer, so that lines of several processes come in the order in which they are printed.
 */
#ifndef CHILDREN_H
#define CHILDREN_H

#define _WIN32_WINNT 0x0a00
#include <windows.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static inline void print_at_once(void)
{
    (void)setvbuf(stdout, NULL, _IONBF, 0);
}

static inline const char *done(BOOL ok)
{
    return ok ? "done" : "refused";
}

/* What became of a call, and why when it was refused. */
static inline void result(const char *what, BOOL ok)
{
    DWORD error = GetLastError();

    if (ok)
        printf("%s: done\n", what);
    else
        printf("%s: error %lu\n", what, error);
}

/* Start a command line, with what of STARTUPINFO is wanted (NULL: nothing, and no handle is inherited). Or end. */
static inline PROCESS_INFORMATION start_line(char *line, DWORD flags, STARTUPINFOA *with)
{
    STARTUPINFOA plain = {.cb = sizeof plain};
    PROCESS_INFORMATION child;

    if (!CreateProcessA(NULL, line, NULL, NULL, with != NULL, flags, NULL, NULL,
                        with ? with : &plain, &child)) {
        printf("no child for %s: error %lu\n", line, GetLastError());
        exit(99);
    }
    return child;
}

/* Start this program again with these arguments. */
static inline PROCESS_INFORMATION start_again(const char *arguments, DWORD flags,
                                              STARTUPINFOA *with)
{
    char self[MAX_PATH], line[4 * MAX_PATH];

    GetModuleFileNameA(NULL, self, sizeof self);
    snprintf(line, sizeof line, "\"%s\" %s", self, arguments);
    return start_line(line, flags, with);
}

/* Wait for a child's end and close its handles; its exit code. */
static inline DWORD end_of(PROCESS_INFORMATION *child)
{
    DWORD code = 0;

    if (WaitForSingleObject(child->hProcess, INFINITE) != WAIT_OBJECT_0)
        printf("the wait for a child failed: error %lu\n", GetLastError());
    GetExitCodeProcess(child->hProcess, &code);
    CloseHandle(child->hProcess);
    CloseHandle(child->hThread);
    return code;
}

/* The path of a file that lies beside this program. */
static inline void beside(const char *file, char path[MAX_PATH])
{
    GetModuleFileNameA(NULL, path, MAX_PATH);
    *(strrchr(path, '\\') + 1) = 0;
    strncat(path, file, MAX_PATH - 1 - strlen(path));
}

#endif
