/* Processes beside each other; the contract is in peers.h. */
#include "peers.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

#include "nt/processes.h"
#include "winstub/bytes.h"
#include "winstub/nt.h"

struct target_child told[PEERS_EVENTS];
char told_notes[PEERS_EVENTS][512];
size_t told_count;
void (*on_told)(const struct target_child *child);

const struct peer_code peer_spins = {.bytes = {0xeb, 0xfe}, .len = 2};

const struct peer_code peer_waits = {
    /* mov r10d, 4; xor edx, edx; xor r8d, r8d; mov eax, PEERS_WAIT; syscall; ret */
    .bytes = {0x41, 0xba, 4, 0, 0, 0, 0x31, 0xd2, 0x45, 0x31, 0xc0, 0xb8, PEERS_WAIT, 0, 0, 0, 0x0f,
              0x05, 0xc3},
    .len = 19,
};

static struct caller maker; /* of processes: only what caller_child needs */

struct peer_code peer_works(unsigned slices, uint8_t exit_code)
{
    /* mov ecx, COUNT; dec ecx; jnz back; mov eax, CODE; ret */
    struct peer_code code = {
        .bytes = {0xb9, 0, 0, 0, 0, 0xff, 0xc9, 0x75, 0xfc, 0xb8, exit_code, 0, 0, 0, 0xc3},
        .len = 15};

    put_u32(code.bytes + 1, slices * PEERS_SLICE);
    return code;
}

enum cpu_arch mine(int i)
{
    return (enum cpu_arch)(i & 1);
}

enum cpu_arch theirs(int i)
{
    return (enum cpu_arch)(i >> 1);
}

void told_end(size_t i, uint32_t pid, uint32_t exit_code, bool left)
{
    ck_assert_uint_lt(i, told_count);
    ck_assert(!told[i].begun);
    ck_assert_uint_eq(told[i].pid, pid);
    ck_assert_uint_eq(told[i].exit_code, exit_code);
    ck_assert_int_eq(told[i].left, left);
}

static void tell(void *ctx, const struct target_child *child)
{
    (void)ctx;
    if (told_count == PEERS_EVENTS) /* not ck_assert: memory may be failing */
        abort();
    told[told_count] = *child;
    (void)snprintf(told_notes[told_count], sizeof told_notes[0], "%s", child->note);
    told_count++;
    if (on_told)
        on_told(child);
}

static void program_of(struct pe_builder *b, enum cpu_arch arch, struct peer_code code)
{
    pe_builder_init(b, arch);
    pe_builder_code(b, code.bytes, code.len);
}

void peers_start(enum cpu_arch arch, struct peer_code code, bool host)
{
    struct process_options options = {.host_time = host};
    struct pe_builder b;

    told_count = 0;
    on_told = NULL;
    tiny_dlls_make(&maker.dlls);
    options.root = maker.dlls.folder;
    program_of(&b, arch, code);
    adopt(build_program(&b, &options));
    maker.p = process;
    maker.machine = process->machine;
    target_watch_children(&target, tell, NULL);
    ck_assert_int_eq(target_start(&target, PLACE_ENTRY, &stop), ERR_OK);
    ck_assert_int_eq(stop.kind, STOP_STEP);
}

struct process *peer_build(enum cpu_arch arch, struct peer_code code)
{
    struct pe_builder b;

    program_of(&b, arch, code);
    return caller_child(&maker, &b);
}

struct process *peer_new(enum cpu_arch arch, struct peer_code code)
{
    struct process *p = peer_build(arch, code);

    process_begin(p);
    return p;
}

void peer_service(struct process *p, uint32_t number, const char *service)
{
    ck_assert_int_eq(numbers_add(&p->kernel->numbers, number, service), ERR_OK);
}

void peer_awaits(struct process *p, struct process *other)
{
    uint64_t handle;

    peer_service(p, PEERS_WAIT, "NtWaitForSingleObject");
    handles_fini(&p->kernel->handles);
    ck_assert_uint_eq(handles_add(&p->kernel->handles, &other->object->object, 0x1fffff, &handle),
                      STATUS_SUCCESS);
    ck_assert_uint_eq(handle, 4);
}

void peers_start_waiting(struct process **other, struct peer_code code)
{
    peers_start(CPU_AMD64, peer_waits, false);
    *other = peer_new(CPU_I386, code);
    peer_awaits(process, *other);
}

void peers_teardown(void)
{
    teardown();
    tiny_dlls_remove(&maker.dlls);
    maker = (struct caller){0};
}
