/* RtlCreateUserStack: sizes and alignments (S10, S11). */
#include <windows.h>
#include <winternl.h>

#include <stdio.h>

struct stack { /* INITIAL_TEB */
    void *old_base, *old_limit, *base, *limit, *bottom;
};

typedef NTSTATUS(WINAPI *create_fn)(SIZE_T commit, SIZE_T reserve, ULONG_PTR zero_bits,
                                    SIZE_T commit_align, SIZE_T reserve_align, struct stack *out);
typedef void(WINAPI *free_fn)(void *stack);

static const struct {
    SIZE_T commit, reserve, commit_align, reserve_align;
} inputs[] = {
    {0, 0, 1, 1},
    {0x2000, 0, 1, 1},
    {0x4000, 0, 1, 1},
    {0, 0x200000, 1, 1},
    {0x4000, 0x200000, 1, 1},
    {0x100000, 0x100000, 1, 1},
    {0x20000, 0x20000, 1, 1},
    {0, 0x110000, 1, 1},
    {0, 0x110000, 1, 0x40000},
    {0, 0x140000, 1, 0x40000},
    {0x11000, 0x140000, 1, 0x40000},
    {0x11000, 0x140000, 0x4000, 0x40000},
    {0, 0, 0x4000, 0x400000},
};

static void user_stacks(create_fn create, free_fn release)
{
    struct stack s;

    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        MEMORY_BASIC_INFORMATION m = {0};
        NTSTATUS st = create(inputs[i].commit, inputs[i].reserve, 0, inputs[i].commit_align,
                             inputs[i].reserve_align, &s);

        printf("input %u: status %lx", (unsigned)i, st);
        if (!st) {
            (void)VirtualQuery((char *)s.base - 1, &m, sizeof m);
            printf(", reserve %lx, the top is %s, its limit %s",
                   (unsigned long)((char *)s.base - (char *)s.bottom),
                   m.State == MEM_COMMIT && m.AllocationBase == s.bottom ? "committed" : "not",
                   (char *)s.limit > (char *)s.bottom && (char *)s.limit < (char *)s.base
                       ? "inside"
                       : "outside");
            release(s.bottom);
        }
        putchar('\n');
    }
    printf("no alignment of the reserve: %lx\n", create(0x11000, 0x110000, 0, 1, 0, &s));
    printf("no alignment of the commit: %lx\n", create(0x11000, 0x110000, 0, 0, 1, &s));
}

int main(void)
{
    HMODULE ntdll = GetModuleHandleA("ntdll.dll");

    user_stacks((create_fn)(void *)GetProcAddress(ntdll, "RtlCreateUserStack"),
                (free_fn)(void *)GetProcAddress(ntdll, "RtlFreeUserStack"));
    return 5;
}
