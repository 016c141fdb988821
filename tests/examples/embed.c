/*
 * A harness without the stub: code runs in an address space of our own, and where it touches memory that is not there,
 * we put some there and let it go on. Shows what a program that embeds libwinstub needs, and nothing else; what it
 * prints is compared with embed.txt by `make check`.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "winstub/buf.h"
#include "winstub/cpu.h"
#include "winstub/extent.h"
#include "winstub/map.h"
#include "winstub/search.h"
#include "winstub/stack.h"
#include "winstub/transfer.h"
#include "winstub/vm.h"

#define TABLE UINT64_C(0x200000) /* where the code writes; nothing is there at first */

/* Stores 3, 2 and 1, each 64 KiB behind the one before, then takes a number from the stack and returns it plus one. */
static const uint8_t code[] = {
    0x48, 0xbf, 0x00, 0x00, 0x20, 0,    0,    0, 0, 0, /* mov rdi, TABLE */
    0xb9, 0x03, 0x00, 0x00, 0x00,                      /* mov ecx, 3 */
    0x48, 0x89, 0x0f,                                  /* next: mov [rdi], rcx */
    0x48, 0x81, 0xc7, 0x00, 0x00, 0x01, 0x00,          /* add rdi, 0x10000 */
    0xff, 0xc9,                                        /* dec ecx */
    0x75, 0xf2,                                        /* jnz next */
    0x58,                                              /* pop rax */
    0x48, 0xff, 0xc0,                                  /* inc rax */
    0x0f, 0x05,                                        /* syscall: to us */
};

struct harness {
    struct vm *vm;
    struct cpu *cpu;
    unsigned faults;
};

/* A harness that cannot go on says why and ends. */
static void need(bool ok, const char *why)
{
    if (ok)
        return;
    (void)fprintf(stderr, "embed: %s\n", why);
    exit(EXIT_FAILURE);
}

/* Code, a stack with one number on it, and a CPU at the first instruction. */
static void set_up(struct harness *h)
{
    struct vm_denial denial = {0};
    struct diag why = {""};
    gva_t at, stack;

    need(vm_new(&(struct vm_config){0}, &h->vm) == ERR_OK, "no memory for an address space");
    need(cpu_new(h->vm, CPU_AMD64, &h->cpu, &why) == ERR_OK, why.text);
    need(vm_commit_anywhere(h->vm, 0x1000, PAGE_EXECUTE_READ, "code", &at) == STATUS_SUCCESS,
         "no room for the code");
    need(vm_commit_anywhere(h->vm, 0x4000, PAGE_READWRITE, "stack", &stack) == STATUS_SUCCESS,
         "no room for the stack");
    need(vm_write_bytes(h->vm, at, code, sizeof code, &denial) == ERR_OK, denial.why.text);
    cpu_set(h->cpu, CPU_RIP, at);
    cpu_set(h->cpu, CPU_RSP, stack + 0x4000);
    need(cpu_stack_push(h->cpu, 41, &denial) == ERR_OK, denial.why.text);
}

/* The code touched memory that is not there. */
static void answer_fault(struct harness *h, const struct cpu_event *event)
{
    struct vm_request req = {.base = event->address,
                             .size = event->size,
                             .type = MEM_RESERVE | MEM_COMMIT,
                             .protect = PAGE_READWRITE,
                             .label = "made on demand"};

    need(event->fault == VM_FAULT_FREE && event->access == VM_WRITE, "an unexpected fault");
    h->faults++;
    printf("0x%" PRIx64 " writes %u bytes at 0x%" PRIx64 ": mapping memory\n", event->pc,
           event->size, event->address);
    need(vm_allocate(h->vm, &req, NULL, NULL) == STATUS_SUCCESS, "no memory on demand");
}

/* Until the code calls the system. */
static void run(struct harness *h)
{
    struct cpu_event event;

    do {
        need(cpu_run(h->cpu, false, &event) == ERR_OK, "the CPU engine failed");
        if (event.kind == CPU_EVENT_FAULT)
            answer_fault(h, &event);
        else
            need(event.kind == CPU_EVENT_SYSCALL, "an unexpected event");
    } while (event.kind != CPU_EVENT_SYSCALL);
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

    printf("rax is %" PRIu64 " after %u faults\n", cpu_get(h->cpu, CPU_RAX), h->faults);
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
    run(&h);
    print_results(&h);
    cpu_free(h.cpu);
    vm_free(h.vm);
    return EXIT_SUCCESS;
}
