/*
 * Suites that walk a fresh process as user code does: an ordinary program in bare mode, of either width. _i of a loop
 * test counts through archs.
 */
#ifndef TESTS_PROCESS_FIXTURE_H
#define TESTS_PROCESS_FIXTURE_H

#include <stdbool.h>
#include <stdint.h>

#include "process_builder.h"

#define ARCHS 2
extern const enum cpu_arch archs[ARCHS];

struct process_fixture {
    struct process *p;
    struct cpu *cpu;
    bool wide;
    gva_t teb, peb;
};
extern struct process_fixture f;

/* The offset or value for the width. */
uint64_t pick(uint64_t narrow, uint64_t wide);

void fixture_adopt(struct process *p);
void fixture_start(int i, const struct process_options *options); /* of archs[i] */
void fixture_teardown(void);

#endif
