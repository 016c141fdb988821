/* Questions about the session that several handlers ask, answered once. */
#include "session.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "thread_id.h"

#define LINUX_FEATURE "org.gnu.gdb.i386.linux" /* of the last registers, if of any */

bool session_exited(const struct stub *s)
{
    return s->stop.kind == STOP_EXIT;
}

bool session_module(const struct stub *s, size_t i, struct target_library *out)
{
    struct target_info info;

    if (i)
        return s->target.ops->library && !s->target.ops->library(s->target.ctx, i - 1, out);
    s->target.ops->info(s->target.ctx, &info);
    *out = (struct target_library){
        .path = info.exec_path, .base = info.exec_base, .size = info.exec_size};
    return true;
}

bool session_has_agent(const struct stub *s)
{
    const struct target_ops *ops = s->target.ops;

    return !s->no_agent && ops->points && ops->point && ops->point_agent && ops->set_console;
}

bool session_offers_linux(const struct stub *s)
{
    return s->persona != STUB_PERSONA_WINDOWS && !s->features.lldb;
}

bool session_is_linux(const struct stub *s)
{
    return s->persona == STUB_PERSONA_LINUX || s->asked_svr4;
}

const struct target_reg *session_regs(const struct stub *s, size_t *count)
{
    const struct target_reg *regs = s->target.ops->regs(s->target.ctx, count);

    while (!session_offers_linux(s) && *count &&
           strcmp(regs[*count - 1].feature, LINUX_FEATURE) == 0)
        --*count;
    return regs;
}

uint32_t session_current_thread(const struct stub *s)
{
    struct target_thread first;

    if (s->stop.tid && s->stop.kind != STOP_ENDED)
        return s->stop.tid;
    return s->target.ops->thread(s->target.ctx, 0, &first) ? 0 : first.tid;
}

uint32_t session_general_thread(const struct stub *s)
{
    return s->general_tid ? s->general_tid : session_current_thread(s);
}

uint32_t session_suffix_thread(const struct stub *s, struct rsp_reader *in)
{
    struct thread_id id;

    if (!s->features.thread_suffix || !rsp_accept_text(in, ";thread:"))
        return session_general_thread(s);
    id = thread_id_read(s, in);
    (void)rsp_accept(in, ';');
    if (id.which != THREAD_ONE || id.foreign)
        (void)rsp_fail(in);
    return id.tid;
}

void session_drop_saved(struct stub *s)
{
    for (size_t i = 0; i < SESSION_SAVED; i++) {
        free(s->saved[i].bytes);
        s->saved[i] = (struct saved_registers){0};
    }
}

enum err session_thread(const struct stub *s, uint32_t tid, struct target_thread *out)
{
    for (size_t i = 0; s->target.ops->thread(s->target.ctx, i, out) == ERR_OK; i++) {
        if (out->tid == tid)
            return ERR_OK;
    }
    return ERR_NOT_FOUND;
}

bool session_next_region(const struct stub *s, struct target_region *run)
{
    gva_t end = run->base + run->size;

    return end > run->base && s->target.ops->region(s->target.ctx, end, run) == ERR_OK;
}

void session_say(struct stub *s, const char *text)
{
    size_t from = s->console.len;

    buf_text(&s->console, text);
    for (size_t i = from; i < s->console.len; i++) {
        uint8_t c = s->console.data[i];

        if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
            s->console.data[i] = '?';
    }
}

void session_sayf(struct stub *s, const char *fmt, ...)
{
    char text[1024]; /* longer lines are cut */
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    session_say(s, text);
}

void session_drop_document(struct stub *s)
{
    s->document.make = NULL;
}
