/*
 * System services as a guest calls them, without DLLs: a process over raw code whose kernel knows the services that a
 * test asks for. Numbers, arguments, checks and status go the way of every call.
 */
#ifndef TESTS_SERVICE_CALLER_H
#define TESTS_SERVICE_CALLER_H

#include <stddef.h>
#include <stdint.h>

#include "nt/kernel.h"
#include "nt/layout.h"
#include "nt/machine.h"
#include "nt/parts.h"
#include "nt/processes.h"
#include "tiny_dlls.h"
#include "winstub/process.h"

/* Pointers for arguments: slot i is 128 bytes of committed memory of the guest's. */
#define CALLER_SLOTS     32u
#define CALLER_SLOT_SIZE 128u

struct caller {
    struct process *p;
    struct vm *vm;
    struct kernel kernel;
    struct machine *machine;
    gva_t memory;             /* of the slots */
    uint32_t before, numbers; /* the last number that was there before, and the last one */
    struct tiny_dlls dlls;    /* what others of the machine run on, once there are some */
};

/* Raw code of that width; code NULL: one that is never run. The registry is a fresh one. Ends the test when it cannot. */
void caller_init(struct caller *c, enum cpu_arch arch, const void *code, size_t len);
void caller_fini(struct caller *c); /* takes one of zeros */

/* From now on the machine has DLLs: tiny_dlls.h's ntdll, of either width. */
void caller_dlls(struct caller *c);
/*
 * A child of the caller's, in the same machine: that program, or a width's ordinary one, on tiny_dlls.h's ntdll. It has not begun
 * and goes with the machine. Ends the test when it cannot.
 */
struct process *caller_child(struct caller *c, const struct pe_builder *program);
struct process *caller_beside(struct caller *c, enum cpu_arch arch);

/*
 * Call services as another process, one of caller_child, from its thread that is on its CPU, and never run it. Nothing is to be
 * done about it in the end.
 */
void caller_over(struct caller *c, struct process *p);

/* The number of a service, for guests that call it themselves. */
uint32_t caller_number(struct caller *c, const char *service);

gva_t caller_slot(const struct caller *c, unsigned i);
/* A pointer-sized number in a slot. */
gva_t caller_set(struct caller *c, unsigned i, uint64_t value);
uint64_t caller_get(struct caller *c, unsigned i);

/* Call that number with arguments, if any, where they are. */
nt_status caller_serve(struct caller *c, uint32_t number);
/* Call it: args are count slots of the width's size. */
nt_status caller_call(struct caller *c, const char *service, const uint64_t *args, size_t count);
/* The same, which must answer so and leave all memory as it was. */
void caller_refused(struct caller *c, const char *service, const uint64_t *args, size_t count,
                    nt_status status);

/* One more thread, with room for arguments on its stack; never run. */
struct thread *caller_thread(struct caller *c);
/* From now on it is this thread that calls. */
void caller_as(struct caller *c, struct thread *thread);
/* What the service answered that the thread has waited in; ends the test when it still waits. */
nt_status caller_result(struct caller *c, struct thread *thread);

/* A UNICODE_STRING in slot i, with its text behind it: 55 ASCII characters at the most. */
gva_t caller_text(struct caller *c, unsigned i, const char *text);
/* OBJECT_ATTRIBUTES in slot i, whose name is in slot i + 1; NULL: none. */
gva_t caller_attributes(struct caller *c, unsigned i, uint64_t root, const char *name,
                        uint32_t flags);

#define CALL(c, service, ...)                                                                      \
    caller_call(c, service, (const uint64_t[]){__VA_ARGS__},                                       \
                sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t))
#define REFUSED(c, status, service, ...)                                                           \
    caller_refused(c, service, (const uint64_t[]){__VA_ARGS__},                                    \
                   sizeof((const uint64_t[]){__VA_ARGS__}) / sizeof(uint64_t), status)

#define THIS_PROCESS UINT64_MAX /* the pseudo handle */

#endif
