/* Processes for tests: made from bytes in memory, read as the guest would read them. */
#ifndef TESTS_PROCESS_BUILDER_H
#define TESTS_PROCESS_BUILDER_H

#include <stddef.h>
#include <stdint.h>

#include "pe_builder.h"
#include "winstub/process.h"

/* A temporary file that holds these bytes and is called name; the folder goes with it. Ends the test when it cannot. */
struct guest_file {
    char folder[64];
    char path[128];
};
void guest_file_make(struct guest_file *file, const char *name, const void *bytes, size_t len);
void guest_file_remove(const struct guest_file *file);

/*
 * Start a process from the builder's file ("test.exe"), or from raw code ("code.bin"). options may be NULL;
 * its path is set here. The result, and why, are process_new's.
 */
enum err try_program(const struct pe_builder *b, const struct process_options *options,
                     struct process **out, struct diag *why);
enum err try_code(enum cpu_arch arch, const void *code, size_t len,
                  const struct process_options *options, struct process **out, struct diag *why);

/* The same, ending the test when it fails. */
struct process *build_program(const struct pe_builder *b, const struct process_options *options);
struct process *build_code(enum cpu_arch arch, const void *code, size_t len,
                           const struct process_options *options);

/* Numbers of guest memory; word is pointer-sized. End the test when the memory is not there. */
uint16_t guest_u16(struct process *p, gva_t addr);
uint32_t guest_u32(struct process *p, gva_t addr);
uint64_t guest_word(struct process *p, gva_t addr);
/* The text of a UNICODE_STRING at addr, all ASCII; valid until the next call with this buffer. */
const char *guest_string(struct process *p, gva_t addr, char text[512]);

#endif
