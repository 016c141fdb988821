/*
 * `monitor teb` and `monitor peb`: the environment blocks as the guest has them now. Offsets are those of winternl.h
 * and of the symbols that Microsoft publishes, for Windows 10.
 */
#include "guest_params.h"
#include "peek.h"
#include "monitor.h"
#include "thread_id.h"

#define PATH_BYTES 0x8000u

/* One member: where it is by width (0: 32 bits), and its size in bytes; 0 is a pointer. */
struct member {
    const char *name;
    uint16_t at[2];
    uint8_t size;
};

static const struct member teb_members[] = {
    {"ExceptionList", {0x00, 0x00}, 0},
    {"StackBase", {0x04, 0x08}, 0},
    {"StackLimit", {0x08, 0x10}, 0},
    {"Self", {0x18, 0x30}, 0},
    {"EnvironmentPointer", {0x1c, 0x38}, 0},
    {"UniqueProcess", {0x20, 0x40}, 0},
    {"UniqueThread", {0x24, 0x48}, 0},
    {"ThreadLocalStoragePointer", {0x2c, 0x58}, 0},
    {"ProcessEnvironmentBlock", {0x30, 0x60}, 0},
    {"LastErrorValue", {0x34, 0x68}, 4},
    {"CurrentLocale", {0xc4, 0x108}, 4},
    {"LastStatusValue", {0xbf4, 0x1250}, 4},
    {"DeallocationStack", {0xe0c, 0x1478}, 0},
    {"GuaranteedStackBytes", {0xf78, 0x1748}, 4},
};

static const struct member peb_members[] = {
    {"InheritedAddressSpace", {0x00, 0x00}, 1},
    {"BeingDebugged", {0x02, 0x02}, 1},
    {"BitField", {0x03, 0x03}, 1},
    {"Mutant", {0x04, 0x08}, 0},
    {"ImageBaseAddress", {0x08, 0x10}, 0},
    {"Ldr", {0x0c, 0x18}, 0},
    {"ProcessParameters", {0x10, 0x20}, 0},
    {"ProcessHeap", {0x18, 0x30}, 0},
    {"FastPebLock", {0x1c, 0x38}, 0},
    {"ApiSetMap", {0x38, 0x68}, 0},
    {"TlsBitmap", {0x40, 0x78}, 0},
    {"NumberOfProcessors", {0x64, 0xb8}, 4},
    {"NtGlobalFlag", {0x68, 0xbc}, 4},
    {"NumberOfHeaps", {0x88, 0xe8}, 4},
    {"ProcessHeaps", {0x90, 0xf0}, 0},
    {"LoaderLock", {0xa0, 0x110}, 0},
    {"OSMajorVersion", {0xa4, 0x118}, 4},
    {"OSMinorVersion", {0xa8, 0x11c}, 4},
    {"OSBuildNumber", {0xac, 0x120}, 2},
    {"ImageSubsystem", {0xb4, 0x128}, 4},
    {"SessionId", {0x1d4, 0x2c0}, 4},
};

#define COUNT_OF(a) (sizeof(a) / sizeof *(a))

static void block_cells(struct stub *s, struct table *t, gva_t block, const struct member *members,
                        size_t count)
{
    unsigned w = peek_width(s);

    for (size_t i = 0; i < count; i++) {
        size_t size = members[i].size ? members[i].size : w ? 8u : 4u;

        table_hex(t, members[i].name, peek_number(s, block + members[i].at[w], size), 0);
    }
}

static void text_cell(struct stub *s, struct table *t, const char *name, enum guest_text which)
{
    struct buf value;

    buf_init(&value, PATH_BYTES);
    guest_text(s, which, &value);
    table_text(t, name, buf_str(&value), 0);
    buf_fini(&value);
}

/* The thread that the word names, or the current one; false after telling the user. */
static bool find_thread(struct stub *s, const struct monitor_line *line,
                        struct target_thread *thread)
{
    uint64_t tid = session_general_thread(s);

    if (line->count > 1 && !monitor_address(s, line, 1, &tid))
        return false;
    if (tid <= UINT32_MAX && !session_thread(s, (uint32_t)tid, thread) && thread->teb)
        return true;
    session_sayf(s, "teb: there is no thread 0x%" PRIx64 "; 'monitor threads' lists them\n", tid);
    return false;
}

MONITOR(monitor_teb)
{
    struct target_thread thread;
    struct table t;
    struct buf text;

    if (!find_thread(s, line, &thread))
        return;
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_hex(&t, "TEB", thread.teb, 0);
    block_cells(s, &t, thread.teb, teb_members, COUNT_OF(teb_members));
    monitor_table_say(s, &t, &text);
}

MONITOR(monitor_peb)
{
    gva_t peb = guest_peb(s);
    struct table t;
    struct buf text;

    if (!peb) {
        session_say(s, "peb: the process has ended, or its TEB names none\n");
        return;
    }
    monitor_table(&t, &text, line, TABLE_RECORD);
    table_row(&t);
    table_hex(&t, "PEB", peb, 0);
    block_cells(s, &t, peb, peb_members, COUNT_OF(peb_members));
    text_cell(s, &t, "CommandLine", GUEST_COMMAND_LINE);
    text_cell(s, &t, "CurrentDirectory", GUEST_CWD);
    monitor_table_say(s, &t, &text);
}
