/* An ordinary program in bare mode; the contract is in process_fixture.h. */
#include "process_fixture.h"

const enum cpu_arch archs[ARCHS] = {CPU_I386, CPU_AMD64};
struct process_fixture f;

uint64_t pick(uint64_t narrow, uint64_t wide)
{
    return f.wide ? wide : narrow;
}

void fixture_adopt(struct process *p)
{
    f.p = p;
    f.cpu = process_cpu(p);
    f.wide = cpu_get_arch(f.cpu) == CPU_AMD64;
    f.teb = cpu_get(f.cpu, f.wide ? CPU_GS_BASE : CPU_FS_BASE);
    f.peb = guest_word(p, f.teb + pick(0x30, 0x60));
}

void fixture_start(int i, const struct process_options *options)
{
    struct pe_builder b;

    pe_builder_init(&b, archs[i]);
    fixture_adopt(build_program(&b, options));
}

void fixture_teardown(void)
{
    process_free(f.p);
    f = (struct process_fixture){0};
}
