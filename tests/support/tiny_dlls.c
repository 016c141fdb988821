/* A DLL folder for tests; see tiny_dlls.h. */
#include "tiny_dlls.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "winstub/bytes.h"

enum { CODE_SIZE = 0x110, EXPORTS_SIZE = 0x1c0 };

static const char *const folders[] = {[CPU_I386] = "i386-windows", [CPU_AMD64] = "x86_64-windows"};

static const struct {
    const char *name;
    uint32_t rva;
} exported[] = {
    {"KiUserApcDispatcher", TINY_APC},
    {"KiUserExceptionDispatcher", TINY_EXCEPTION},
    {"LdrInitializeThunk", TINY_LOADER},
    {"NtClose", TINY_STUBS + TINY_STUB_SIZE *(TINY_CLOSE - 1)},
    {"NtContinue", TINY_STUBS + TINY_STUB_SIZE *(TINY_CONTINUE - 1)},
    {"NtTerminateProcess", TINY_STUBS + TINY_STUB_SIZE *(TINY_TERMINATE - 1)},
    {"RtlUserThreadStart", TINY_START},
};
enum { EXPORTED = sizeof exported / sizeof *exported };

/* ---- ntdll ------------------------------------------------------------------------------------ */

static void put_code_64(uint8_t *text)
{
    /* xor edx, edx; mov r10, rcx; mov eax, NtContinue; syscall */
    static const uint8_t loader[] = {0x31,          0xd2, 0x49, 0x89, 0xca, 0xb8,
                                     TINY_CONTINUE, 0,    0,    0,    0x0f, 0x05};
    /* sub rsp, 28h; mov rax, rcx; mov rcx, rdx; call rax; mov edx, eax; or r10, -1; mov eax, NtTerminateProcess; syscall */
    static const uint8_t start[] = {0x48, 0x83,           0xec, 0x28, 0x48, 0x89, 0xc8, 0x48, 0x89,
                                    0xd1, 0xff,           0xd0, 0x89, 0xc2, 0x49, 0x83, 0xca, 0xff,
                                    0xb8, TINY_TERMINATE, 0,    0,    0,    0x0f, 0x05};

    memcpy(text + TINY_LOADER - PB_TEXT, loader, sizeof loader);
    memcpy(text + TINY_START - PB_TEXT, start, sizeof start);
    for (uint8_t n = 1; n < TINY_NUMBERS; n++) {
        /* mov r10, rcx; mov eax, NUMBER; syscall; ret */
        const uint8_t stub[] = {0x4c, 0x8b, 0xd1, 0xb8, n, 0, 0, 0, 0x0f, 0x05, 0xc3};

        memcpy(text + TINY_STUBS - PB_TEXT + TINY_STUB_SIZE * (n - 1), stub, sizeof stub);
    }
}

static void put_code_32(uint8_t *text)
{
    /* lea edx, [esp + 4]; mov eax, NtContinue; int 2eh: the second argument is ntdll's base, whose lowest byte is no alert */
    static const uint8_t loader[] = {0x8d, 0x54, 0x24, 0x04, 0xb8, TINY_CONTINUE,
                                     0,    0,    0,    0xcd, 0x2e};
    /* push ebx; call eax; push eax; push -1; mov edx, esp; mov eax, NtTerminateProcess; int 2eh */
    static const uint8_t start[] = {0x53, 0xff,           0xd0, 0x50, 0x6a, 0xff, 0x89, 0xe2,
                                    0xb8, TINY_TERMINATE, 0,    0,    0,    0xcd, 0x2e};
    static const uint8_t popped[] = {[TINY_CONTINUE] = 8, [TINY_TERMINATE] = 8, [TINY_CLOSE] = 4};
    uint8_t *thunk = text + TINY_THUNK - PB_TEXT;

    memcpy(text + TINY_LOADER - PB_TEXT, loader, sizeof loader);
    memcpy(text + TINY_START - PB_TEXT, start, sizeof start);
    for (uint8_t n = 1; n < TINY_NUMBERS; n++) {
        uint8_t *stub = text + TINY_STUBS - PB_TEXT + TINY_STUB_SIZE * (n - 1);

        stub[0] = 0xb8; /* mov eax, NUMBER; mov edx, THUNK; call edx; ret ARGUMENTS */
        put_u32(stub + 1, n);
        stub[5] = 0xba;
        put_u32(stub + 6, TINY_BASE + TINY_THUNK);
        memcpy(stub + 10, (const uint8_t[]){0xff, 0xd2, 0xc2, popped[n], 0}, 5);
    }
    thunk[0] = 0xff;
    thunk[1] = 0x25;
    put_u32(thunk + 2, TINY_BASE + TINY_POINTER);
}

static void put_exports(struct pe_builder *b)
{
    enum {
        FUNCTIONS = PB_EXPORTS + 0x28,
        NAMES = FUNCTIONS + 4 * EXPORTED,
        ORDINALS = NAMES + 4 * EXPORTED
    };
    uint32_t text = ORDINALS + 2 * EXPORTED;

    memset(b->dirs, 0, sizeof b->dirs);
    b->dirs[0].rva = PB_EXPORTS;
    b->dirs[0].size = EXPORTS_SIZE;
    pe_builder_u32(b, PB_EXPORTS + 20, EXPORTED);
    pe_builder_u32(b, PB_EXPORTS + 24, EXPORTED);
    pe_builder_u32(b, PB_EXPORTS + 28, FUNCTIONS);
    pe_builder_u32(b, PB_EXPORTS + 32, NAMES);
    pe_builder_u32(b, PB_EXPORTS + 36, ORDINALS);
    for (uint32_t i = 0; i < EXPORTED; i++) {
        pe_builder_u32(b, FUNCTIONS + 4 * i, exported[i].rva);
        pe_builder_u32(b, NAMES + 4 * i, text);
        pe_builder_u16(b, ORDINALS + 2 * i, (uint16_t)i);
        pe_builder_text(b, text, exported[i].name);
        text += (uint32_t)strlen(exported[i].name) + 1;
    }
}

void tiny_ntdll(struct pe_builder *b, enum cpu_arch arch)
{
    static const uint8_t loop[] = {0xeb, 0xfe};
    uint8_t text[CODE_SIZE] = {0};

    pe_builder_init(b, arch);
    b->image_base = TINY_BASE;
    b->dll_characteristics = 0x100; /* NX_COMPAT */
    b->characteristics |= 0x2000;   /* a DLL */
    memcpy(text + TINY_EXCEPTION - PB_TEXT, loop, sizeof loop);
    memcpy(text + TINY_APC - PB_TEXT, loop, sizeof loop);
    if (arch == CPU_AMD64)
        put_code_64(text);
    else
        put_code_32(text);
    pe_builder_code(b, text, sizeof text);
    put_exports(b);
}

/* ---- The folder ------------------------------------------------------------------------------- */

static void path_of(const struct tiny_dlls *dlls, const char *name, char path[160])
{
    (void)snprintf(path, 160, "%s/%s", dlls->folder, name);
}

static void make_folder(const struct tiny_dlls *dlls, const char *name)
{
    char path[160];

    path_of(dlls, name, path);
    ck_assert_int_eq(mkdir(path, 0700), 0);
}

static void make_file(const struct tiny_dlls *dlls, const char *name, const struct buf *bytes)
{
    char path[160];
    FILE *f;

    path_of(dlls, name, path);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes->data, 1, bytes->len, f), bytes->len);
    ck_assert_int_eq(fclose(f), 0);
}

void tiny_dlls_replace(const struct tiny_dlls *dlls, const struct pe_builder *ntdll)
{
    char name[64];
    struct buf file;

    buf_init(&file, 1 << 20);
    pe_builder_write(ntdll, &file);
    (void)snprintf(name, sizeof name, "%s/ntdll.dll", folders[ntdll->arch]);
    make_file(dlls, name, &file);
    buf_fini(&file);
}

void tiny_dlls_make(struct tiny_dlls *dlls)
{
    const struct buf none = {.data = (uint8_t[]){0}};
    struct pe_builder ntdll;

    strcpy(dlls->folder, "/tmp/winstub-dlls-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(dlls->folder));
    make_folder(dlls, "nls");
    make_file(dlls, "nls/locale.nls", &none);
    for (int arch = CPU_I386; arch <= CPU_AMD64; arch++) {
        make_folder(dlls, folders[arch]);
        tiny_ntdll(&ntdll, (enum cpu_arch)arch);
        tiny_dlls_replace(dlls, &ntdll);
    }
}

void tiny_dlls_remove(struct tiny_dlls *dlls)
{
    char command[100];

    if (!*dlls->folder)
        return;
    (void)snprintf(command, sizeof command, "rm -r '%s'", dlls->folder);
    ck_assert_int_eq(system(command), 0);
    *dlls->folder = 0;
}
