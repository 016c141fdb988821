/* The lists of well-known exports: sorted, without repeats, with the sizes that import libraries give. */
#include <check.h>
#include <string.h>

#include "nt/names.h"
#include "suite.h"

static const char *const dlls[] = {"ntdll.dll",   "kernel32.dll", "kernelbase.dll",
                                   "user32.dll",  "advapi32.dll", "ws2_32.dll",
                                   "shell32.dll", "wininet.dll",  "urlmon.dll"};

#define DLL_COUNT (sizeof dlls / sizeof *dlls)

/* The entry of a name, NULL when no list of the DLL has it. *seen counts how often it occurs. */
static const struct nt_name *find(const char *dll, enum cpu_arch arch, const char *name, int *seen)
{
    const struct nt_name *list, *found = NULL;
    size_t count;

    *seen = 0;
    for (size_t part = 0; (list = nt_names(dll, arch, part, &count)) != NULL; part++) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(list[i].name, name) == 0) {
                found = &list[i];
                ++*seen;
            }
        }
    }
    return found;
}

START_TEST(lists_are_sorted_and_share_nothing)
{
    const char *dll = dlls[_i / 2];
    enum cpu_arch arch = _i % 2 ? CPU_AMD64 : CPU_I386;
    const struct nt_name *list;
    size_t count, parts = 0;

    for (; (list = nt_names(dll, arch, parts, &count)) != NULL; parts++) {
        ck_assert_uint_gt(count, 0);
        for (size_t i = 0; i < count; i++) {
            int seen;

            ck_assert_msg(i == 0 || strcmp(list[i - 1].name, list[i].name) < 0, "%s: %s", dll,
                          list[i].name);
            (void)find(dll, arch, list[i].name, &seen);
            ck_assert_msg(seen == 1, "%s: %s is there %d times", dll, list[i].name, seen);
            ck_assert_msg(list[i].args % 4 == 0, "%s", list[i].name);
        }
    }
    ck_assert_uint_gt(parts, 0);
}
END_TEST

static const struct {
    const char *dll, *name;
    int args32, args64; /* -1: not there */
} samples[] = {
    {"kernel32.dll", "CreateFileA", 28, 28},
    {"kernel32.dll", "WinExec", 8, 8},
    {"kernel32.dll", "GetProcAddress", 8, 8},
    {"kernel32.dll", "ExitProcess", 4, 4},
    {"kernel32.dll", "BaseThreadInitThunk", 4, 4},
    {"kernelbase.dll", "VirtualProtect", 16, 16},
    {"kernelbase.dll", "WinExec", -1, -1},
    {"ntdll.dll", "NtAllocateVirtualMemory", 24, 24},
    {"ntdll.dll", "LdrLoadDll", 16, 16},
    {"ntdll.dll", "memcpy", 0, 0},
    {"ntdll.dll", "_alldiv", 16, -1},
    {"ntdll.dll", "RtlVirtualUnwind", -1, 0},
    {"user32.dll", "MessageBoxA", 16, 16},
    {"user32.dll", "wsprintfA", 0, 0},
    {"nosuch.dll", "CreateFileA", -1, -1},
};

START_TEST(samples_are_there)
{
    for (int arch = CPU_I386; arch <= CPU_AMD64; arch++) {
        int want = arch == CPU_I386 ? samples[_i].args32 : samples[_i].args64, seen;
        const struct nt_name *name =
            find(samples[_i].dll, (enum cpu_arch)arch, samples[_i].name, &seen);

        ck_assert_msg((name != NULL) == (want >= 0), "%s", samples[_i].name);
        if (name)
            ck_assert_int_eq(name->args, want);
    }
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("names");
    TCase *tc = tcase_create("names");

    tcase_add_loop_test(tc, lists_are_sorted_and_share_nothing, 0, 2 * DLL_COUNT);
    tcase_add_loop_test(tc, samples_are_there, 0, sizeof samples / sizeof *samples);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
