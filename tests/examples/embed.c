/*
 * A harness without the stub: code runs in an address space of our own. Where it touches memory that is not there, a hook
 * puts some there and lets it go on; at one place it speaks to a device of ours. All of it was saved to bytes before, and is
 * brought back from them for every round. Shows what a program that embeds libwinstub needs, and nothing else; what it
 * prints is compared with embed.txt by `make check`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "winstub/buf.h"
#include "winstub/bytes.h"
#include "winstub/cpu.h"
#include "winstub/extent.h"
#include "winstub/foreign.h"
#include "winstub/hook.h"
#include "winstub/map.h"
#include "winstub/saved.h"
#include "winstub/search.h"
#include "winstub/stack.h"
#include "winstub/transfer.h"
#include "winstub/vm.h"

#define TABLE  UINT64_C(0x200000) /* where the code writes; nothing is there at first */
#define DEVICE UINT64_C(0x40000000)
#define ROUNDS 3

/*
 * Stores 3, 2 and 1, each 64 KiB behind the one before, then takes a number from the stack, adds one that the device says,
 * and sends the lowest byte of the sum to it.
 */
static const uint8_t code[] = {
    0x48, 0xbf, 0x00, 0x00, 0x20, 0,    0,    0, 0, 0, /* mov rdi, TABLE */
    0xb9, 0x03, 0x00, 0x00, 0x00,                      /* mov ecx, 3 */
    0x48, 0x89, 0x0f,                                  /* next: mov [rdi], rcx */
    0x48, 0x81, 0xc7, 0x00, 0x00, 0x01, 0x00,          /* add rdi, 0x10000 */
    0xff, 0xc9,                                        /* dec ecx */
    0x75, 0xf2,                                        /* jnz next */
    0x58,                                              /* pop rax */
    0x48, 0xbe, 0x00, 0x00, 0x00, 0x40, 0,    0, 0, 0, /* mov rsi, DEVICE */
    0x48, 0x03, 0x06,                                  /* add rax, [rsi] */
    0x88, 0x46, 0x08,                                  /* mov [rsi + 8], al */
    0x0f, 0x05,                                        /* syscall: to us */
};

struct harness {
    struct vm *vm;
    struct cpu *cpu;
    uint64_t round;
    struct cpu_context *start; /* the registers at the first instruction, */
    struct buf moment;         /* and the memory */
};

/* A harness that cannot go on says why and ends. */
static void need(bool ok, const char *why)
{
    if (ok)
        return;
    (void)fprintf(stderr, "embed: %s\n", why);
    exit(EXIT_FAILURE);
}

/* ---- The device ------------------------------------------------------------------------------ */

/* Its first eight bytes are a number: which round this is. */
static bool device_read(void *ctx, uint64_t offset, void *bytes, size_t len)
{
    const struct harness *h = ctx;
    uint8_t number[8];

    if (offset + len > sizeof number)
        return false; /* the guest gets an access violation */
    put_u64(number, h->round);
    memcpy(bytes, number + offset, len);
    return true;
}

/* A byte that is written behind it is a character to print. */
static bool device_write(void *ctx, uint64_t offset, const void *bytes, size_t len)
{
    (void)ctx;
    if (offset != 8 || len != 1)
        return false;
    printf("the device gets %c\n", *(const char *)bytes);
    return true;
}

/* ---- Memory on demand ------------------------------------------------------------------------ */

/* The code touched memory that it may not: put some where nothing is. */
static bool on_refused(void *ctx, struct cpu *cpu, const struct cpu_access *access)
{
    const struct harness *h = ctx;
    struct vm_request req = {.base = access->address,
                             .size = access->size,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_READWRITE,
                             .label = "made on demand"};

    (void)cpu;
    if (access->fault != VM_FAULT_FREE || access->access != VM_WRITE || !access->value)
        return false;
    printf("0x%" PRIx64 " writes %" PRIu64 " at 0x%" PRIx64 ": mapping memory\n", access->pc,
           get_u64(access->value), access->address);
    return vm_allocate(h->vm, &req, NULL, NULL) == STATUS_SUCCESS;
}

/* ---- The harness ----------------------------------------------------------------------------- */

/* Code, a stack with one number on it, a device, and a CPU at the first instruction. */
static void set_up(struct harness *h)
{
    struct vm_device device = {h, device_read, device_write, NULL};
    struct cpu_hook hook = {.access = VM_WRITE,
                            .refused = true,
                            .first = 0,
                            .last = UINT64_MAX,
                            .fn = on_refused,
                            .ctx = h};
    struct vm_denial denial = {0};
    struct diag why = {""};
    gva_t at, stack;
    unsigned id;

    need(vm_new(&(struct vm_config){0}, &h->vm) == ERR_OK, "no memory for an address space");
    need(cpu_new(h->vm, CPU_AMD64, &h->cpu, &why) == ERR_OK, why.text);
    need(vm_commit_anywhere(h->vm, 0x1000, PAGE_EXECUTE_READ, "code", &at) == STATUS_SUCCESS,
         "no room for the code");
    need(vm_commit_anywhere(h->vm, 0x4000, PAGE_READWRITE, "stack", &stack) == STATUS_SUCCESS,
         "no room for the stack");
    need(vm_map_device(h->vm, DEVICE, 0x1000, &device, "counter", NULL) == STATUS_SUCCESS,
         "no room for the device");
    need(cpu_hook_add(h->cpu, &hook, &id) == ERR_OK, "no memory for a hook");
    need(vm_write_bytes(h->vm, at, code, sizeof code, &denial) == ERR_OK, denial.why.text);
    cpu_set(h->cpu, CPU_RIP, at);
    cpu_set(h->cpu, CPU_RSP, stack + 0x4000);
    need(cpu_stack_push(h->cpu, 'A' - 1, &denial) == ERR_OK, denial.why.text);
}

/* Write everything down; the bytes could as well go to a file. */
static void save(struct harness *h)
{
    struct vm_saved *saved = vm_save(h->vm);
    struct diag why = {""};

    buf_init(&h->moment, 1u << 20);
    h->start = cpu_context_new(h->cpu);
    need(h->start && saved, "no memory to save");
    need(vm_saved_write(saved, &h->moment, &why) == ERR_OK, why.text);
    vm_saved_free(saved);
}

/* Everything is as it was: what the code wrote and what was mapped for it is gone. */
static void restore(struct harness *h)
{
    struct vm_saved *saved;
    struct diag why = {""};

    need(vm_saved_read(h->vm, h->moment.data, h->moment.len, NULL, &saved, &why) == ERR_OK,
         why.text);
    need(vm_restore(h->vm, saved), "no memory to restore");
    vm_saved_free(saved);
    cpu_context_load(h->cpu, h->start);
}

/* Until the code calls the system. */
static void run(struct harness *h)
{
    struct cpu_event event;

    need(cpu_run(h->cpu, false, &event) == ERR_OK, "the CPU engine failed");
    need(event.kind == CPU_EVENT_SYSCALL, "an unexpected event");
    printf("round %" PRIu64 ": rax is %" PRIu64 "\n", h->round, cpu_get(h->cpu, CPU_RAX));
}

static bool print_hit(void *ctx, gva_t addr)
{
    (void)ctx;
    printf("found at 0x%" PRIx64 "\n", addr);
    return true;
}

static void print_results(const struct harness *h)
{
    struct vm_denial denial = {0};
    struct vm_pattern *pattern;
    struct diag why = {""};
    struct buf map;
    uint64_t value;

    need(vm_read_unsigned(h->vm, TABLE + 0x10000, 8, &value, &denial) == ERR_OK, denial.why.text);
    printf("the second number is %" PRIu64 "\n", value);
    if (vm_read_unsigned(h->vm, TABLE + 0x30000, 8, &value, &denial) == ERR_FAULT)
        printf("%s\n", denial.why.text);
    need(vm_pattern_parse("ff c? 75 ??", &pattern, &why) == ERR_OK, why.text);
    need(vm_search(h->vm, pattern, 0, 0, print_hit, NULL, &why) == ERR_OK, why.text);
    vm_pattern_free(pattern);
    buf_init(&map, 1u << 20);
    need(vm_map_text(h->vm, &map), "no memory for the map");
    printf("%s", buf_str(&map));
    buf_fini(&map);
}

int main(void)
{
    struct harness h = {0};

    set_up(&h);
    save(&h);
    for (h.round = 1; h.round <= ROUNDS; h.round++) {
        restore(&h);
        run(&h);
    }
    print_results(&h);
    cpu_context_free(h.start);
    buf_fini(&h.moment);
    cpu_free(h.cpu);
    vm_free(h.vm);
    return EXIT_SUCCESS;
}
