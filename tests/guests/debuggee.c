/*
 * The program that the gdb tests debug. It needs no DLL: its own entry point calls main, whose result
 * is the exit status. A test picks what happens by setting `scenario` while stopped at the entry point. Lines that
 * tests stop at carry a mark (MARK name), instructions that fault a label of their own (fault_read, ...).
 */
#include <stdint.h>

#define TEXT_OF(x) #x
#define TEXT(x)    TEXT_OF(x)
#define LABEL(name)                                                                                \
    ".globl " TEXT(__USER_LABEL_PREFIX__) #name "\n" TEXT(__USER_LABEL_PREFIX__) #name ": "

#define NOWHERE 0x66660000 /* an address where nothing is */

enum scenario {
    COMPUTE,
    SPIN,
    FOREVER,
    FAULT_READ,
    FAULT_JUMP,
    FAULT_WRITE,
    FAULT_UD2,
    FAULT_INT3,
    FAULT_DIVIDE,
    FAULT_HLT,
};

struct pair {
    int first;
    int second;
};

volatile int scenario = COMPUTE;
int ticks;
int *volatile clock = &ticks; /* a pointer that moving the image must correct */
const int constant = 11;

int square(int n)
{
    int result = n * n; /* MARK square */

    return result;
}

int sum_of_squares(int count)
{
    struct pair bounds = {1, count};
    int sum = 0;

    for (int i = bounds.first; i <= bounds.second; i++)
        sum += square(i); /* MARK call */
    return sum;           /* MARK sum */
}

/* Called by debuggers only: each digit of the result is an argument. */
double digits_of(int a, double b, float c, long long d, double e, short f, int *g)
{
    return a + b * 10 + c * 100 + (double)d * 1000 + e * 10000 + f * 100000 + *g * 1000000;
}

/* So is this one: its result is where text has the letter. */
const char *find_letter(const char *text, char letter)
{
    while (*text && *text != letter)
        text++;
    return text;
}

int compute(void)
{
    int count = 3;
    int sum = sum_of_squares(count); /* MARK compute */

    return sum * 3; /* MARK computed */
}

int spin(void)
{
    int n = 0;
    /* clang-format off */
    for (int i = 0; i < 64; i++) n += i; /* MARK loop */
    /* clang-format on */
    return n; /* MARK after loop */
}

void forever(void)
{
    for (;;)
        ++*clock; /* MARK tick */
}

int fault(enum scenario which)
{
    volatile int *nowhere = (volatile int *)(uintptr_t)NOWHERE;
    int value = 0;

    switch (which) {
    case FAULT_READ:
        __asm__ volatile(LABEL(fault_read) "movl (%1), %0" : "=r"(value) : "r"(nowhere));
        break;
    case FAULT_JUMP:
        __asm__ volatile(LABEL(fault_jump) "jmp *%0" : : "r"(nowhere));
        break;
    case FAULT_WRITE:
        __asm__ volatile(LABEL(fault_write) "movl $1, (%0)" : : "r"(&constant) : "memory");
        break;
    case FAULT_UD2:
        __asm__ volatile(LABEL(fault_ud2) "ud2");
        break;
    case FAULT_INT3:
        __asm__ volatile(LABEL(fault_int3) "int3");
        break;
    case FAULT_DIVIDE:
        __asm__ volatile("xorl %%ecx, %%ecx\n" LABEL(fault_divide) "divl %%ecx"
                         : "+a"(value)
                         :
                         : "ecx", "edx");
        break;
    case FAULT_HLT:
        __asm__ volatile(LABEL(fault_hlt) "hlt");
        break;
    default:
        break;
    }
    return value;
}

int main(void)
{
    switch (scenario) {
    case COMPUTE:
        return compute();
    case SPIN:
        return spin();
    case FOREVER:
        forever();
        return 0;
    default:
        return fault((enum scenario)scenario);
    }
}

/* What gcc calls at the start of main, usually from the C runtime. */
void __main(void)
{
}

int start(void)
{
    return main();
}
