/* What the fake target's operating system is asked: memory, handles, to start the program anew. */
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "winstub/bytes.h"
#include "winstub/nt.h"

/* Only says what it was asked, and that it is done; what is not at a page's start is refused. */
uint32_t fake_memory(void *ctx, struct target_memory *m)
{
    struct fake_target *f = ctx;

    buf_printf(&f->log, "memory %d 0x%" PRIx64 " 0x%" PRIx64 " 0x%x\n", (int)m->kind, m->base,
               m->size, (unsigned)m->protect);
    if (m->base % 0x1000)
        return STATUS_INVALID_PARAMETER;
    if (!m->base)
        m->base = FAKE_MADE;
    m->size = (m->size + 0xfff) & ~UINT64_C(0xfff);
    if (m->kind == MEMORY_PROTECT)
        m->protect = PAGE_READWRITE;
    return STATUS_SUCCESS;
}

enum err fake_process(void *ctx, size_t i, struct target_process *out)
{
    const struct fake_target *f = ctx;
    const struct target_process processes[] = {
        {FAKE_PID, 0, "debugged", f->program_path, "prog.exe -q"},
        {FAKE_CHILD, FAKE_PID, "suspended", "C:\\app\\child.exe", "child \"a b\""},
    };

    if (i >= sizeof processes / sizeof *processes)
        return ERR_RANGE;
    *out = processes[i];
    return ERR_OK;
}

enum err fake_handle(void *ctx, uint64_t after, struct target_handle *out)
{
    static const struct target_handle handles[] = {
        {4, 0x100020, "File", "C:\\app\\"},
        {12, 0xf003f, "Key", "\\REGISTRY\\MACHINE"},
    };

    (void)ctx;
    for (size_t i = 0; i < sizeof handles / sizeof *handles; i++) {
        if (handles[i].value > after) {
            *out = handles[i];
            return ERR_OK;
        }
    }
    return ERR_RANGE;
}

/* ---- files ---- */

void fake_files_init(struct fake_target *f)
{
    static const char text[] = "MZ #$}* fake";

    f->program = (struct fake_file){.exists = true, .len = sizeof text};
    memcpy(f->program.data, text, sizeof text);
    f->note = (struct fake_file){.writable = true};
}

static struct fake_file *file_at(struct fake_target *f, const char *path)
{
    if (strcmp(path, f->program_path) == 0)
        return &f->program;
    return strcmp(path, "C:\\app\\note.txt") == 0 ? &f->note : NULL;
}

enum err fake_file_open(void *ctx, const char *path, unsigned flags, void **file)
{
    struct fake_file *found = file_at(ctx, path);

    if (strcmp(path, "C:\\app") == 0)
        return ERR_INVALID;
    if (!found || (!found->exists && !(flags & TARGET_FILE_CREATE)))
        return ERR_NOT_FOUND;
    if (flags && !found->writable)
        return ERR_STATE;
    if (found->exists && flags & TARGET_FILE_NEW)
        return ERR_EXISTS;
    if (flags & TARGET_FILE_EMPTY)
        found->len = 0;
    found->exists = true;
    found->opened++;
    *file = found;
    return ERR_OK;
}

void fake_file_close(void *ctx, void *file)
{
    (void)ctx;
    ((struct fake_file *)file)->opened--;
}

enum err fake_file_read(void *ctx, void *file, uint64_t offset, void *dst, size_t len, size_t *got,
                        uint64_t *size)
{
    const struct fake_file *f = file;

    (void)ctx;
    *size = f->len;
    *got = offset >= *size ? 0 : len < *size - offset ? len : (size_t)(*size - offset);
    if (*got)
        memcpy(dst, f->data + offset, *got);
    return ERR_OK;
}

enum err fake_file_write(void *ctx, void *file, uint64_t offset, const void *src, size_t len)
{
    struct fake_file *f = file;

    (void)ctx;
    if (offset > FAKE_FILE_BYTES || len > FAKE_FILE_BYTES - offset)
        return ERR_IO;
    if (len)
        memcpy(f->data + offset, src, len);
    if (offset + len > f->len)
        f->len = (size_t)offset + len;
    return ERR_OK;
}

enum err fake_file_remove(void *ctx, const char *path)
{
    struct fake_file *found = file_at(ctx, path);

    if (!found || !found->exists)
        return ERR_NOT_FOUND;
    if (!found->writable)
        return ERR_STATE;
    *found = (struct fake_file){.writable = true, .opened = found->opened};
    return ERR_OK;
}

/* The new process has a line in its data that says how it was started. */
enum err fake_launch(void *ctx, const struct stub_launch *what, struct target *out,
                     struct diag *why)
{
    struct fake_target *f = ctx;
    struct buf line;

    if (strcmp(what->cwd, "C:\\nowhere") == 0)
        return diag_set(why, ERR_INVALID, "there is no C:\\nowhere");
    buf_init(&line, FAKE_REGION_BYTES - 1);
    for (size_t i = 0; i < what->arg_count; i++)
        buf_printf(&line, "%s|", what->args[i]);
    for (size_t i = 0; i < what->env_count; i++)
        buf_printf(&line, "%s;", what->env[i]);
    buf_printf(&line, "%s%s", what->cwd, what->elsewhere ? " elsewhere" : "");
    f->stop = (struct target_stop){.kind = STOP_STEP, .tid = FAKE_TID};
    f->point_count = 0;
    f->catch_count = 0;
    f->last_catch = 0;
    f->resumed = false;
    fake_target_set_reg(f, "rip", FAKE_CODE);
    fake_target_poke(f, FAKE_DATA, buf_str(&line), line.len + 1);
    buf_fini(&line);
    *out = fake_target_ref(f);
    return ERR_OK;
}

/* A register of either thread. */
static void set_reg(struct fake_target *f, uint32_t tid, const char *name, uint64_t value)
{
    size_t count;
    const struct target_reg *regs = f->ops.regs(f, &count);
    uint8_t raw[8];

    put_u64(raw, value);
    for (size_t i = 0; i < count; i++) {
        if (strcmp(regs[i].name, name) == 0 && f->ops.reg_write(f, tid, i, raw, regs[i].bits / 8u))
            abort();
    }
}

void fake_target_scene(struct fake_target *f)
{
    static const uint8_t code[] = {0x90, 0x90, 0x75, 0x90, 0xaa, 0x90, 0xc3};

    f->real_registers = true;
    for (size_t i = 0; i < 2; i++) {
        memset(f->threads[i].regs, 0, sizeof f->threads[i].regs);
        set_reg(f, f->threads[i].tid, "rip", FAKE_CODE);
        set_reg(f, f->threads[i].tid, "rsp", 0x31800);
        set_reg(f, f->threads[i].tid, "eflags", 0x202);
    }
    set_reg(f, FAKE_TID, "rcx", 3);
    fake_target_poke(f, FAKE_CODE, code, sizeof code);
}
