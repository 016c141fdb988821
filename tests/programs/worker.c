/*
 * What launch starts for a debugger to look at: worker add A B..., worker spin (until a debugger lets it go), worker wait MS.
 */
#include "children.h"

static volatile int go_on;

static int add(int sum, int n)
{
    return sum + n;
}

static int add_all(int argc, char **argv)
{
    int sum = 0;

    for (int i = 2; i < argc; i++)
        sum = add(sum, (int)strtol(argv[i], NULL, 10));
    printf("the sum is %d\n", sum);
    return sum;
}

static int spin(void)
{
    unsigned turns = 0;

    while (!go_on)
        turns++;
    return turns ? 11 : 12;
}

int main(int argc, char **argv)
{
    print_at_once();
    if (argc > 1 && strcmp(argv[1], "spin") == 0)
        return spin();
    if (argc > 2 && strcmp(argv[1], "wait") == 0)
        Sleep((DWORD)strtoul(argv[2], NULL, 10));
    return argc > 2 && strcmp(argv[1], "add") == 0 ? add_all(argc, argv) : 0;
}
