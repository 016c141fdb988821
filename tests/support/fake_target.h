/*
 * A target over nothing, for tests of the stub: a few regions, two threads, and a machine whose
 * instructions are one byte each, so that a transcript can write its own program with M and run it.
 *
 *   90 nop        c3 exit, code rax       aa store al at [rcx], rcx + 1
 *   cc int3       0f illegal              eb jump to itself (for ever)
 *   f4 privileged f6 divide by zero       75 rcx - 1; back by one byte while it is not 0
 *   a0 read of [rcx] faults               e8 a library is loaded
 *   ff call of a missing import           06 the engine gives up
 *   ed a C++ throw, with handlers that catch it
 *
 * Any other byte is a nop. A breakpoint's condition is true when one of its bytes is not 0, a command prints its
 * bytes; an expression that begins with ff is refused. `pass` of a pending exception ends the process, for it has no handlers.
 */
#ifndef SUPPORT_FAKE_TARGET_H
#define SUPPORT_FAKE_TARGET_H

#include <stdatomic.h>

#include "winstub/buf.h"
#include "winstub/stub.h"
#include "winstub/target.h"

#define FAKE_PID          0x1234u
#define FAKE_CHILD        0x1240u
#define FAKE_TID          0x4cu /* "main", the current thread at first */
#define FAKE_TID2         0x50u /* "worker" */
#define FAKE_CODE         0x1000u
#define FAKE_DATA         0x10000u
#define FAKE_USER_LIMIT   0x7fff0000u
#define FAKE_MADE         0x20000u /* where memory is made that may be anywhere */
#define FAKE_REGS_MAX     80
#define FAKE_REGION_BYTES 0x2000u
#define FAKE_THROW        0xe06d7363u
#define FAKE_POINTS_MAX   64
#define FAKE_TEXT_MAX     256
#define FAKE_CATCHES_MAX  16

struct fake_region {
    struct target_region r;
    uint8_t bytes[FAKE_REGION_BYTES]; /* of committed ones */
};

struct fake_thread {
    uint32_t tid;
    uint8_t regs[FAKE_REGS_MAX][TARGET_REG_MAX_BYTES];
};

struct fake_point {
    enum point_kind kind;
    gva_t addr;
    size_t len;
    size_t conditions, commands;
    bool holds; /* one of the conditions is true */
    char text[FAKE_TEXT_MAX];
    size_t text_len;
};

#define FAKE_FILE_BYTES 64u

/* The program's file, which is not to be written, and C:\app\note.txt, which is not there at first. */
struct fake_file {
    bool exists, writable;
    unsigned opened; /* how often, now */
    uint8_t data[FAKE_FILE_BYTES];
    size_t len;
};

struct fake_target {
    struct fake_file program, note;
    enum target_arch arch;
    struct fake_region regions[8];
    size_t region_count;
    struct fake_thread threads[2];
    struct fake_point points[FAKE_POINTS_MAX];
    size_t point_count;
    struct target_action act; /* of the next run */
    bool resumed;
    struct target_stop stop;
    size_t library_count;
    struct target_catch catches[FAKE_CATCHES_MAX];
    char patterns[FAKE_CATCHES_MAX][64];
    size_t catch_count;
    unsigned last_catch; /* its number */
    void (*console)(void *arg, const char *text, size_t len);
    void *console_arg;
    atomic_bool interrupted;
    atomic_bool running;

    /* for the test to change */
    unsigned point_bits;   /* what points() says; at first break- and watchpoints of all kinds */
    uint64_t budget;       /* instructions of one run, then it stops as if interrupted; 0 endless */
    enum err run_result;   /* run fails with this */
    struct target_ops ops; /* the stub's; set one to NULL to take it away */
    struct buf log; /* calls of resume, point, point_agent, kill and the like, one line each */
    const char *program_path; /* exec_path */
    bool real_registers;      /* the table of a real target */
};

struct fake_target *fake_target_new(enum target_arch arch); /* aborts without memory */
void fake_target_free(struct fake_target *f);
struct target fake_target_ref(struct fake_target *f);

/* Ops of it. */
uint32_t fake_memory(void *ctx, struct target_memory *m);
enum err fake_process(void *ctx, size_t i, struct target_process *out);
enum err fake_handle(void *ctx, uint64_t after, struct target_handle *out);
enum err fake_catch_add(void *ctx, const struct target_catch *what, unsigned *id, struct diag *why);
enum err fake_catch_remove(void *ctx, unsigned id);
enum err fake_catch_at(void *ctx, size_t i, struct target_catch *out);
enum err fake_hits(void *ctx, size_t i, struct target_hits *out);
enum err fake_writer(void *ctx, size_t i, struct target_writer *out);
enum err fake_trace(void *ctx, unsigned tables);
enum err fake_coverage(void *ctx, bool on, const char *at_end, struct diag *why);
enum err fake_coverage_save(void *ctx, const char *file, struct diag *why);
void fake_where(void *ctx, gva_t addr, struct buf *out);

void fake_files_init(struct fake_target *f);
enum err fake_file_open(void *ctx, const char *path, unsigned flags, void **file);
void fake_file_close(void *ctx, void *file);
enum err fake_file_read(void *ctx, void *file, uint64_t offset, void *dst, size_t len, size_t *got,
                        uint64_t *size);
enum err fake_file_write(void *ctx, void *file, uint64_t offset, const void *src, size_t len);
enum err fake_file_remove(void *ctx, const char *path);

/* A stub_launcher over a fake target. */
enum err fake_launch(void *ctx, const struct stub_launch *what, struct target *out,
                     struct diag *why);

/* Shorthands for the current thread. */
uint64_t fake_target_reg(struct fake_target *f, const char *name);
void fake_target_set_reg(struct fake_target *f, const char *name, uint64_t value);
/*
 * What clients were recorded with: all registers of a real target, which GDB insists on, a few instructions at FAKE_CODE that
 * write to memory, and rcx for them. For an amd64 one that has just been made.
 */
void fake_target_scene(struct fake_target *f);
/* Write a program (or data) at addr. */
void fake_target_poke(struct fake_target *f, gva_t addr, const void *data, size_t len);

#endif
