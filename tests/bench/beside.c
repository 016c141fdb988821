/*
 * What beside.py runs under winstub, gdbserver and QEMU: compiled once for Windows and once for Linux. A debugger sets
 * scenario and turns while it stands in ready.
 */
enum scenario { CALLS, NEIGHBOUR, WATCHED };

volatile int scenario;
volatile long long turns;

struct {
    long long hot;  /* written in every turn of NEIGHBOUR, */
    long long cold; /* and this in every turn of WATCHED */
    char large[64]; /* more than the debug registers of a processor can watch */
} volatile page __attribute__((aligned(4096)));

void called(long long n)
{
    (void)n;
}

void ready(void)
{
}

void done(void)
{
}

static void work(void)
{
    for (long long n = 0; n < turns; n++) {
        if (scenario == CALLS)
            called(n);
        else if (scenario == NEIGHBOUR)
            page.hot = n;
        else
            page.cold = n + 1;
    }
}

int main(void)
{
    ready();
    work();
    done();
    return 0;
}

#ifdef _WIN32
void __main(void)
{
}

int start(void)
{
    return main();
}
#endif
