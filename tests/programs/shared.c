/*
 * What processes share: named events and sections, duplicated handles, a mutex whose owner ends, code that one writes and
 * the other runs.
 */
#include "children.h"

#include <stdint.h>

#define NAME "shared memory"
#define ROOM 0x2000

/* What lies in the section: words, and code in the second page. */
struct board {
    char parent_says[64], child_says[64];
    uint64_t handle; /* of the child's, for the parent to take */
    int results[2];
};
#define CODE 0x1000

enum { GO, DONE, TAKEN, EVENTS };
static const char *const names[EVENTS] = {"shared go", "shared done", "shared taken"};
static HANDLE events[EVENTS];

typedef int code_fn(void);

static void give_turn(int event)
{
    SetEvent(events[event]);
}

static void take_turn(int event)
{
    if (WaitForSingleObject(events[event], INFINITE) != WAIT_OBJECT_0)
        printf("the wait for %s failed\n", names[event]);
}

/* ---- As a child ------------------------------------------------------------------------------- */

/* Run what the parent has written, before and after it has written something else. */
static void run_code(struct board *board, const char *code)
{
    for (int i = 0; i < 2; i++) {
        take_turn(GO);
        board->results[i] = ((code_fn *)(void *)code)();
        give_turn(DONE);
    }
}

static int use_board(char **argv)
{
    HANDLE section = OpenFileMappingA(FILE_MAP_ALL_ACCESS | FILE_MAP_EXECUTE, FALSE, NAME);
    struct board *board = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    const char *code = MapViewOfFile(section, FILE_MAP_READ | FILE_MAP_EXECUTE, 0, 0, 0);
    HANDLE given, own = CreateEventA(NULL, TRUE, FALSE, NULL);
    MEMORY_BASIC_INFORMATION m;

    (void)argv;
    for (int i = 0; i < EVENTS; i++)
        events[i] = OpenEventA(EVENT_ALL_ACCESS, FALSE, names[i]);
    VirtualQuery(code, &m, sizeof m);
    printf("  the child reads: %s; its code: protect %lx, type %lx\n", board->parent_says,
           m.Protect, m.Type);
    snprintf(board->child_says, sizeof board->child_says, "from the child");
    given = (HANDLE)(ULONG_PTR)board->handle;
    board->handle = (ULONG_PTR)own;
    printf("  the event that it was given: %s\n", done(SetEvent(given)));
    give_turn(DONE);
    take_turn(TAKEN);
    printf("  the handle that was taken: %s\n", done(SetEvent(own)));
    give_turn(DONE);
    run_code(board, code + CODE);
    return 8;
}

static int leave_mutex(void)
{
    HANDLE mutex = OpenMutexA(SYNCHRONIZE, FALSE, "shared mutex");

    return (int)WaitForSingleObject(mutex, INFINITE);
}

/* ---- As the parent ---------------------------------------------------------------------------- */

/* mov eax, value; ret */
static void write_code(char *at, int value)
{
    at[0] = (char)0xb8;
    memcpy(at + 1, &value, sizeof value);
    at[5] = (char)0xc3;
}

static void write_and_run(struct board *board, char *code)
{
    for (int i = 0; i < 2; i++) {
        write_code(code, 1000 + 234 * i);
        give_turn(GO);
        take_turn(DONE);
        printf("code that the parent wrote: %d\n", board->results[i]);
    }
}

/* Give one handle, take one away. */
static void pass_handles(HANDLE child, struct board *board, HANDLE own)
{
    HANDLE taken = NULL;

    take_turn(DONE);
    printf("the parent reads: %s; its event: wait %lu\n", board->child_says,
           WaitForSingleObject(own, 0));
    printf("take the child's event: %s\n",
           done(DuplicateHandle(child, (HANDLE)(ULONG_PTR)board->handle, GetCurrentProcess(),
                                &taken, 0, FALSE, DUPLICATE_SAME_ACCESS | DUPLICATE_CLOSE_SOURCE)));
    give_turn(TAKEN);
    take_turn(DONE);
    printf("which is not set: wait %lu\n", WaitForSingleObject(taken, 0));
    CloseHandle(taken);
}

static void share_board(void)
{
    HANDLE section =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_EXECUTE_READWRITE, 0, ROOM, NAME);
    struct board *board = MapViewOfFile(section, FILE_MAP_WRITE, 0, 0, 0);
    HANDLE own = CreateEventA(NULL, TRUE, FALSE, NULL), given = NULL;
    PROCESS_INFORMATION child;

    for (int i = 0; i < EVENTS; i++)
        events[i] = CreateEventA(NULL, FALSE, FALSE, names[i]);
    snprintf(board->parent_says, sizeof board->parent_says, "from the parent");
    child = start_again("board", CREATE_SUSPENDED, NULL);
    printf("give the child an event: %s\n",
           done(DuplicateHandle(GetCurrentProcess(), own, child.hProcess, &given, 0, FALSE,
                                DUPLICATE_SAME_ACCESS)));
    board->handle = (ULONG_PTR)given;
    ResumeThread(child.hThread);
    pass_handles(child.hProcess, board, own);
    write_and_run(board, (char *)board + CODE);
    printf("the child ended with %lu\n", end_of(&child));
}

static void share_mutex(void)
{
    HANDLE mutex = CreateMutexA(NULL, FALSE, "shared mutex");
    PROCESS_INFORMATION child = start_again("mutex", 0, NULL);

    printf("the child got the mutex: %lu\n", end_of(&child));
    printf("the parent gets it after it: %lx\n", WaitForSingleObject(mutex, INFINITE));
    CloseHandle(mutex);
    printf("its name is gone: %s\n", done(OpenMutexA(SYNCHRONIZE, FALSE, "shared mutex") == NULL));
}

int main(int argc, char **argv)
{
    print_at_once();
    if (argc > 1)
        return strcmp(argv[1], "board") == 0 ? use_board(argv) : leave_mutex();
    share_board();
    share_mutex();
    return 22;
}
