/*
 * Suites of processes that run beside each other: the first one under the target of target_fixture.h, at its entry point, others
 * beside it, all of them programs on tiny_dlls.h's ntdll. What became of the others is told.
 */
#ifndef TESTS_PEERS_H
#define TESTS_PEERS_H

#include "service_caller.h"
#include "target_fixture.h"

#define PEERS_SLICE  1000000u /* turns of a loop of 4 bytes that take a slice of guest time */
#define PEERS_EVENTS 32
#define PEERS_WAIT   0x90 /* number of the service that peer_waits calls */

/* The widths that a loop over them counts: of the first process, of the other one. */
enum cpu_arch mine(int i);
enum cpu_arch theirs(int i);

/* Code of a program, for either width. */
struct peer_code {
    uint8_t bytes[64];
    size_t len;
};
/* Run for that many slices, then end with this code. */
struct peer_code peer_works(unsigned slices, uint8_t exit_code);
/* Run for ever. */
extern const struct peer_code peer_spins;
/* 64-bit: wait for the process that peer_awaits says, then end with what the wait has answered. */
extern const struct peer_code peer_waits;

extern struct target_child told[PEERS_EVENTS]; /* texts are not kept, but for */
extern char told_notes[PEERS_EVENTS][512];
extern size_t told_count;
extern void (*on_told)(const struct target_child *child); /* called as well; NULL */

/* What was told i-th is the end of that process. */
void told_end(size_t i, uint32_t pid, uint32_t exit_code, bool left);

/* Start the first process; host: by the host's time. */
void peers_start(enum cpu_arch arch, struct peer_code code, bool host);
/* One more, which begins. */
struct process *peer_new(enum cpu_arch arch, struct peer_code code);
/* One that has not begun. */
struct process *peer_build(enum cpu_arch arch, struct peer_code code);
/* Let a process's code call a service by this number, which is at least TINY_NUMBERS. */
void peer_service(struct process *p, uint32_t number, const char *service);
/* Give a process that has peer_waits' code the other one to wait for. It has no other handles. */
void peer_awaits(struct process *p, struct process *other);
/* A first process that waits for another one, which begins. */
void peers_start_waiting(struct process **other, struct peer_code code);
void peers_teardown(void);

#endif
