/* A process with a target over it; the contract is in target_fixture.h. */
#include "target_fixture.h"

#include <check.h>

struct process *process;
struct target target;
struct target_stop stop;
struct buf console;

static void listen_to(void *arg, const char *text, size_t len)
{
    ck_assert(buf_append(arg, text, len));
}

void adopt(struct process *p)
{
    process = p;
    buf_init(&console, 1u << 26);
    ck_assert_int_eq(target_init(&target, process), ERR_OK);
    target.ops->set_console(target.ctx, listen_to, &console);
}

void start(int arch, const void *code, size_t len)
{
    const struct process_options options = {.base = BASE};

    adopt(build_code((enum cpu_arch)arch, code, len, &options));
}

void teardown(void)
{
    if (!process)
        return;
    target_fini(&target);
    process_free(process);
    buf_fini(&console);
    process = NULL;
}

void go(struct target_action action)
{
    ck_assert_int_eq(target.ops->resume(target.ctx, &action, 1), ERR_OK);
    ck_assert_int_eq(target.ops->run(target.ctx, &stop), ERR_OK);
}

void go_on(void)
{
    go((struct target_action){.kind = ACTION_CONTINUE});
}

gva_t pc(void)
{
    return cpu_get(process_cpu(process), CPU_RIP);
}

void ends_with(uint32_t code)
{
    ck_assert_int_eq(stop.kind, STOP_EXIT);
    ck_assert_uint_eq(stop.exit_code, code);
}
