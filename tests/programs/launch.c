/*
 * Start a program that lies beside this one and wait for its end: launch [--leave] PROGRAM [ARGUMENTS...]. With --leave it does
 * not wait. What a debugger looks at is the parent: it ticks while the child runs.
 */
#include "children.h"

static volatile unsigned ticks;

static void tick(void)
{
    ticks++;
}

/* The rest of the command line, with the program's whole path. */
static void command(int argc, char **argv, int first, char *line, size_t size)
{
    char path[MAX_PATH];
    size_t len;

    beside(argv[first], path);
    len = (size_t)snprintf(line, size, "\"%s\"", path);
    for (int i = first + 1; i < argc && len < size; i++)
        len += (size_t)snprintf(line + len, size - len, " %s", argv[i]);
}

int main(int argc, char **argv)
{
    bool leave = argc > 1 && strcmp(argv[1], "--leave") == 0;
    PROCESS_INFORMATION child;
    char line[4 * MAX_PATH];
    DWORD code;

    print_at_once();
    if (argc < 2 + leave)
        return 2;
    command(argc, argv, 1 + leave, line, sizeof line);
    child = start_line(line, 0, NULL);
    if (leave)
        return 4;
    while (WaitForSingleObject(child.hProcess, 10) == WAIT_TIMEOUT)
        tick();
    code = end_of(&child);
    printf("%s ended with %lx\n", argv[1], code);
    return (int)code + 1;
}
