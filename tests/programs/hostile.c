/*
 * Calls every system service with hostile arguments: hostile TABLE SEED CALLS. TABLE is a file with a service a line, its name
 * and its arguments' letters as core/nt/services.h has them. A call with a pointer that cannot be good must fail. Prints
 * how many calls succeeded and failed. It may well break itself that way, or the child that it has beside it; winstub must live.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <windows.h>

#define SERVICES_MAX 512
#define ARGS_MAX     17
#define POOL_PAGES   8
#define PAGE         0x1000u
#define ROOM         0x400u /* bytes of a good pointer's block */

struct service {
    char name[48];
    char args[64];
    FARPROC call;
};

static struct service services[SERVICES_MAX];
static size_t service_count;
static uint64_t state;
static uint8_t *pool, *bad[6];
static HANDLE handles[16];
static size_t handle_count;
static unsigned long children;
static HANDLE child[2]; /* process and first thread, which are the last two of handles */

static uint32_t dice(uint32_t sides)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (uint32_t)(state >> 20) % sides;
}

/* Services that may do what they are asked to, if what they are asked for exists: end or hold up the caller, run code anywhere. */
static int is_deadly(const char *name)
{
    static const char *const deadly[] = {
        "NtTerminate",      "NtContinue",       "NtRaiseException", "NtCreateThread", "NtSuspend",
        "NtSetContext",     "NtQueueApc",       "NtAlert",          "NtTestAlert",    "NtDelay",
        "NtCallbackReturn", "NtRaiseHardError", "NtLockFile",       "NtSetTimer"};

    for (size_t i = 0; i < sizeof deadly / sizeof *deadly; i++) {
        if (strncmp(name, deadly[i], strlen(deadly[i])) == 0)
            return 1;
    }
    return strstr(name, "Wait") || strstr(name, "KeyedEvent") || strstr(name, "RemoveIoCompletion");
}

/* Those of the deadly ones that may do it to another process. */
static int may_hit_child(const char *name)
{
    static const char *const remote[] = {"NtTerminate",  "NtCreateThread", "NtSuspend",
                                         "NtSetContext", "NtQueueApc",     "NtAlert"};

    for (size_t i = 0; i < sizeof remote / sizeof *remote; i++) {
        if (strncmp(name, remote[i], strlen(remote[i])) == 0)
            return 1;
    }
    return 0;
}

static const wchar_t *const paths[] = {
    L"\\??\\D:\\a.txt",
    L"\\??\\D:\\..\\outside.txt",
    L"\\??\\D:\\link\\outside.txt",
    L"\\??\\D:\\link",
    L"\\??\\D:/../outside.txt",
    L"\\??\\D:\\sub\\..\\..\\outside.txt",
    L"\\??\\C:\\Windows\\System32\\ntdll.dll",
    L"\\??\\UNC\\server\\share\\x",
    L"\\Device\\HarddiskVolume1\\etc\\passwd",
    L"\\??\\D:\\a.txt:stream",
    L"\\??\\D:\\sub",
    L"\\??\\D:",
    L"\\??\\NUL",
    L"\\BaseNamedObjects\\thing",
    L"\\Registry\\Machine\\Software\\Test",
    L"..\\..\\outside.txt",
    L"",
    L"\xd800\xdc00\xdfff",
    L"*",
};

/* Something in the pool that looks like what services read: text, numbers, pointers into the pool or to nowhere. */
static uintptr_t interesting(void)
{
    static const uint32_t sizes[] = {0,     1,      2,       4,          8,          0x10,
                                     0xfff, 0x1000, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff};

    switch (dice(5)) {
    case 0:
        return sizes[dice(sizeof sizes / sizeof *sizes)];
    case 1:
        return (uintptr_t)(pool + dice(POOL_PAGES * PAGE - ROOM));
    case 2:
        return (uintptr_t)bad[dice(6)];
    case 3:
        return (uintptr_t)handles[dice((uint32_t)handle_count)];
    default:
        return (uintptr_t)state;
    }
}

static void *block(void)
{
    uintptr_t *words = (uintptr_t *)(pool + (dice(POOL_PAGES * PAGE - ROOM) & ~7u));

    for (size_t i = 0; i < 16; i++)
        words[i] = interesting();
    return words;
}

/* A UNICODE_STRING; now and then of a length that is odd, or longer than its text. */
static void *string(void)
{
    struct {
        USHORT length, room;
        const wchar_t *text;
    } *s = block();
    const wchar_t *text = paths[dice(sizeof paths / sizeof *paths)];

    s->length = (USHORT)(wcslen(text) * 2);
    s->room = s->length;
    s->text = text;
    if (!dice(6))
        s->length = (USHORT)dice(0x10000);
    if (!dice(6))
        s->text = (const wchar_t *)bad[dice(6)];
    return s;
}

static void *attributes(void)
{
    struct {
        ULONG length;
        HANDLE root;
        void *name;
        ULONG flags;
        void *security, *quality;
    } *a = block();

    a->length = dice(8) ? sizeof *a : dice(100);
    a->root = dice(4) ? NULL : handles[dice((uint32_t)handle_count)];
    a->name = dice(8) ? string() : NULL;
    a->flags = dice(4) ? 0x40 : dice(0x10000);
    a->security = a->quality = NULL;
    return a;
}

static uintptr_t good_pointer(char letter)
{
    if (letter == 'S')
        return (uintptr_t)string();
    return (uintptr_t)(letter == 'A' ? attributes() : block());
}

/* Attributes of a process that may be made: its program, this one or something else, and what else there may be to ask for. */
static void *process_attributes(void)
{
    static const uintptr_t which[] = {0x60000, 0x60001, 0x10003, 0x10004, 0x6,
                                      0x2000a, 0x2000b, 0x20013, 0x6001c, 0x20099};
    static wchar_t self[MAX_PATH + 4] = L"\\??\\";
    const wchar_t *path = dice(3) ? self : paths[dice(sizeof paths / sizeof *paths)];
    uintptr_t *list = block();

    if (!self[4])
        GetModuleFileNameW(NULL, self + 4, MAX_PATH);
    list[0] = dice(8) ? 9 * sizeof *list : dice(0x200);
    list[1] = 0x20005;
    list[2] = dice(8) ? wcslen(path) * 2 : interesting();
    list[3] = dice(8) ? (uintptr_t)path : interesting();
    list[4] = 0;
    list[5] = which[dice(sizeof which / sizeof *which)];
    list[8] = dice(3) ? 0 : list[8];
    return list;
}

/* Parameters that are all empty, but for some of their first words. */
static void *process_parameters(void)
{
    uint32_t *parameters = block();

    if (dice(2))
        memset(parameters, 0, ROOM);
    parameters[2] = dice(8) != 0; /* normalized */
    return parameters;
}

/* What may be hit by a call. */
enum harm { ANYBODY, CHILD, NOBODY };

/* One argument; *failing when the call cannot succeed with it. */
static uintptr_t argument(char letter, int optional, enum harm harm, int *failing)
{
    static const uint32_t numbers[] = {0,        1,        2,          3,         4,      5,
                                       8,        0x10,     0x20,       0x40,      0x1000, 0x3000,
                                       0x100000, 0x1f01ff, 0x80000000, 0xffffffff};

    int deadly = harm == NOBODY;

    switch (letter) {
    case 'h':
        if (harm == NOBODY)
            return 0xdead0000u | dice(0x1000);
        if (harm == CHILD)
            return (uintptr_t)child[dice(2)];
        return dice(4) ? (uintptr_t)handles[dice((uint32_t)handle_count)] : interesting();
    case 'd':
    case 'b':
        return dice(3) ? numbers[dice(sizeof numbers / sizeof *numbers)] : dice(80);
    case 'q':
        return interesting();
    case 'p':
        return deadly ? (uintptr_t)bad[1 + dice(3)] : dice(3) ? (uintptr_t)block() : interesting();
    default:
        if (optional && !deadly && !dice(3))
            return 0;
        if (!deadly && dice(5))
            return good_pointer(letter);
        *failing = 1;
        return (uintptr_t)bad[1 + dice(3)];
    }
}

#ifdef _WIN64
typedef LONG any_call(uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                      uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t, uintptr_t,
                      uintptr_t, uintptr_t, uintptr_t);

static LONG invoke(FARPROC call, const uintptr_t *a, size_t count)
{
    (void)count;
    return ((any_call *)(void *)call)(a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9],
                                      a[10], a[11], a[12], a[13], a[14], a[15], a[16]);
}
#else
/* The callee takes its arguments off the stack, however many. */
static LONG invoke(FARPROC call, const uintptr_t *a, size_t count)
{
    LONG result;

    __asm__ volatile("movl %%esp, %%ebx\n"
                     "1: testl %%ecx, %%ecx\n"
                     "jz 2f\n"
                     "decl %%ecx\n"
                     "pushl (%%esi,%%ecx,4)\n"
                     "jmp 1b\n"
                     "2: call *%%edi\n"
                     "movl %%ebx, %%esp\n"
                     : "=a"(result), "+c"(count)
                     : "S"(a), "D"(call)
                     : "ebx", "edx", "memory", "cc");
    return result;
}
#endif

static char not_there[1024];

static void missing(const char *name)
{
    size_t len = strlen(not_there);

    snprintf(not_there + len, sizeof not_there - len, " %s", name);
}

static void read_table(const char *path)
{
    HMODULE ntdll = GetModuleHandleA("ntdll");
    FILE *file = fopen(path, "r");
    char line[128];

    while (file && fgets(line, sizeof line, file) && service_count < SERVICES_MAX) {
        struct service *s = &services[service_count];
        char *space = strchr(line, ' ');

        line[strcspn(line, "\r\n")] = 0;
        if (!space)
            continue;
        *space = 0;
        snprintf(s->name, sizeof s->name, "%s", line);
        snprintf(s->args, sizeof s->args, "%s", space + 1);
        if (strncmp(s->name, "Nt", 2) != 0)
            continue;
        s->call = GetProcAddress(ntdll, s->name);
        if (s->call)
            service_count++;
        else
            missing(s->name);
    }
    if (file)
        fclose(file);
    printf("%lu services, not in ntdll:%s\n", (unsigned long)service_count, not_there);
}

/* Objects of each kind, and addresses that are no good in several ways. */
static void prepare(void)
{
    HKEY key = NULL;
    uint8_t *hole;

    pool = VirtualAlloc(NULL, POOL_PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    hole = VirtualAlloc(NULL, 16 * PAGE, MEM_RESERVE, PAGE_NOACCESS);
    VirtualFree(hole, 0, MEM_RELEASE);
    bad[0] = NULL;
    bad[1] = (uint8_t *)1;
    bad[2] = (uint8_t *)(uintptr_t)0xffff800000001000ull;
    bad[3] = (uint8_t *)UINTPTR_MAX - 7;
    bad[4] = hole + 4;                     /* which a call may yet allocate */
    bad[5] = pool + POOL_PAGES * PAGE - 4; /* its end */
    RegCreateKeyExA(HKEY_CURRENT_USER, "Software\\Hostile", 0, NULL, 0, KEY_ALL_ACCESS, NULL, &key,
                    NULL);
    CreateDirectoryA("D:\\sub", NULL);
    handles[handle_count++] =
        CreateFileA("D:\\a.txt", GENERIC_READ | GENERIC_WRITE, 7, NULL, CREATE_ALWAYS, 0, NULL);
    handles[handle_count++] = CreateFileA("D:\\o.txt", GENERIC_READ | GENERIC_WRITE, 7, NULL,
                                          CREATE_ALWAYS, FILE_FLAG_OVERLAPPED, NULL);
    handles[handle_count++] =
        CreateFileA("D:\\", GENERIC_READ, 7, NULL, OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    handles[handle_count++] = CreateFileMappingA(handles[0], NULL, PAGE_READWRITE, 0, 0x2000, NULL);
    handles[handle_count++] =
        CreateFileMappingA(INVALID_HANDLE_VALUE, NULL, PAGE_READWRITE, 0, 0x2000, NULL);
    handles[handle_count++] = CreateEventA(NULL, TRUE, TRUE, NULL);
    handles[handle_count++] = (HANDLE)key;
    handles[handle_count++] = GetCurrentProcess();
    handles[handle_count++] = GetCurrentThread();
    handles[handle_count++] = NULL;
    handles[handle_count++] = (HANDLE)(uintptr_t)0x7ffffff0;
    handle_count += 2;
}

/* Have a child that lives, suspended at first. */
static void have_child(void)
{
    STARTUPINFOA startup = {.cb = sizeof startup};
    PROCESS_INFORMATION info;
    char line[MAX_PATH + 8];
    DWORD len;

    if (child[0] && WaitForSingleObject(child[0], 0) == WAIT_TIMEOUT)
        return;
    len = GetModuleFileNameA(NULL, line, MAX_PATH);
    memcpy(line + len, " child", 7);
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE, CREATE_SUSPENDED, NULL, NULL, &startup,
                        &info))
        return;
    children++;
    handles[handle_count - 2] = child[0] = info.hProcess;
    handles[handle_count - 1] = child[1] = info.hThread;
}

/* A call may have freed or protected the pool. */
static int restore_pool(void)
{
    DWORD old;

    if (VirtualProtect(pool, POOL_PAGES * PAGE, PAGE_READWRITE, &old))
        return 1;
    VirtualAlloc(pool, POOL_PAGES * PAGE, MEM_COMMIT, PAGE_READWRITE);
    VirtualAlloc(pool, POOL_PAGES * PAGE, MEM_RESERVE | MEM_COMMIT, PAGE_READWRITE);
    return VirtualProtect(pool, POOL_PAGES * PAGE, PAGE_READWRITE, &old);
}

/* One call. 1: it succeeded; 0: it failed; -1: it succeeded although it could not. */
static int attempt(const struct service *s)
{
    uintptr_t args[2 * ARGS_MAX] = {0};
    enum harm harm = ANYBODY;
    int failing = 0;
    size_t count = 0;
    LONG status;

    if (is_deadly(s->name))
        harm = may_hit_child(s->name) && dice(2) ? CHILD : NOBODY;
    for (const char *c = s->args; *c && count < ARGS_MAX; c++) {
        int optional = *c == '?';

        c += optional;
        if (*c == ' ')
            continue;
        args[count] = argument(*c, optional, harm, &failing);
        count++;
        if (sizeof(void *) == 4 && *c == 'q')
            args[count++] = 0;
    }
    if (strcmp(s->name, "NtCreateUserProcess") == 0 && dice(8)) {
        args[8] = (uintptr_t)process_parameters();
        args[10] = (uintptr_t)process_attributes();
    }
    status = invoke(s->call, args, count);
    if (failing && status >= 0) {
        printf("%s succeeded with 0x%08lx on a pointer that is none\n", s->name, status);
        return -1;
    }
    return status >= 0;
}

int main(int argc, char **argv)
{
    unsigned long sums[3] = {0}, calls = argc > 3 ? strtoul(argv[3], NULL, 0) : 0;

    if (argc == 2) { /* the child */
        Sleep(1000);
        return 0;
    }
    if (argc < 4)
        return 2;
    state = strtoull(argv[2], NULL, 0) * 0x9e3779b97f4a7c15ull + 1;
    setvbuf(stdout, NULL, _IONBF, 0);
    read_table(argv[1]);
    prepare();
    for (unsigned long i = 0; i < calls && service_count && restore_pool(); i++) {
        if (i % 5000 == 0)
            printf("call %lu\n", i);
        if (i % 1000 == 0)
            have_child();
        sums[attempt(&services[i % service_count]) + 1]++;
    }
    printf("%lu calls of %lu services: %lu succeeded, %lu failed, %lu should have failed; %lu "
           "children\n",
           calls, (unsigned long)service_count, sums[2], sums[1], sums[0], children);
    fflush(stdout);
    TerminateProcess(child[0], 0);
    TerminateProcess(GetCurrentProcess(), sums[0] ? 1 : 0);
    return 3;
}
