/* Output, arguments, environment and input by way of the C runtime. */
#include <stdio.h>
#include <stdlib.h>

int main(int argc, char **argv)
{
    char line[100];

    for (int i = 1; i < argc; i++)
        printf("argument %d: %s\n", i, argv[i]);
    printf("GREETING is %s\n", getenv("GREETING"));
    while (fgets(line, sizeof line, stdin))
        printf("line: %s", line);
    fprintf(stderr, "to the error stream\n");
    return argc;
}
