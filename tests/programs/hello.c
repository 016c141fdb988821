/* What the README's first session debugs. */
#include <stdio.h>

static int add_up(int last)
{
    int sum = 0;

    for (int i = 1; i <= last; i++)
        sum += i;
    return sum;
}

int main(int argc, char **argv)
{
    int sum = add_up(6);

    printf("hello from %s: %d\n", argc ? argv[0] : "?", sum);
    fflush(stdout);
    return sum * 2;
}
