/*
 * The packet table. It decides which packet goes to which handler, in which state it is allowed, what
 * qSupported announces, and it is where each packet gets its one answer. What packets mean is in the
 * GDB manual, "Remote Protocol"; which ones clients send, and when, in the facts on the protocol.
 */
#include "packets.h"

#include <ctype.h>
#include <string.h>

#include "handlers.h"
#include "stop_reply.h"
#include "winstub/log.h"

#define CONSOLE_CHUNK 4096u /* bytes of text in one O packet */

static bool has_regs(const struct stub *s)
{
    return s->target.ops->regs && s->target.ops->reg_read;
}

static bool has_reg_write(const struct stub *s)
{
    return has_regs(s) && s->target.ops->reg_write;
}

static bool has_read(const struct stub *s)
{
    return s->target.ops->read;
}

static bool has_write(const struct stub *s)
{
    return s->target.ops->write;
}

static bool has_memory(const struct stub *s)
{
    return s->target.ops->memory;
}

static bool has_resume(const struct stub *s)
{
    return s->target.ops->resume && s->target.ops->run;
}

static bool has_thread_events(const struct stub *s)
{
    return has_resume(s) && s->target.ops->thread_events;
}

static bool has_points(const struct stub *s)
{
    return s->target.ops->points && s->target.ops->point;
}

static bool has_libraries(const struct stub *s)
{
    return s->target.ops->library;
}

static bool has_linux_libraries(const struct stub *s)
{
    return has_libraries(s) && session_offers_linux(s);
}

static bool has_memory_map(const struct stub *s)
{
    return s->target.ops->region && s->map != STUB_MAP_NONE;
}

static bool has_regions(const struct stub *s)
{
    return s->target.ops->region;
}

static bool has_kill(const struct stub *s)
{
    return s->target.ops->kill;
}

static bool has_launcher(const struct stub *s)
{
    return s->launcher;
}

static bool is_extended(const struct stub *s)
{
    return s->launcher && s->extended;
}

static bool has_exec_file(const struct stub *s)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return info.exec_path[0];
}

static bool has_image(const struct stub *s)
{
    struct target_info info;

    s->target.ops->info(s->target.ctx, &info);
    return info.exec_first_section;
}

/* The longest name wins, so order carries no meaning. */
static const struct packet packets[] = {
    /* name, match, handler, allowed, has, words in the qSupported answer */
    {"qSupported", P_EXACT, cmd_supported, WHEN_ANY, NULL, NULL},
    {"qSupported:", P_PREFIX, cmd_supported, WHEN_ANY, NULL, NULL},
    {"QStartNoAckMode", P_EXACT, cmd_start_no_ack, WHEN_ANY, NULL, "QStartNoAckMode+"},
    {"qAttached", P_EXACT, cmd_attached, WHEN_ANY, NULL, NULL},
    {"qAttached:", P_PREFIX, cmd_attached, WHEN_ANY, NULL, NULL},
    {"D", P_EXACT, cmd_detach, WHEN_ANY, NULL, NULL},
    {"D;", P_PREFIX, cmd_detach_pid, WHEN_ANY, NULL, NULL},
    {"k", P_EXACT, cmd_kill, WHEN_ANY, has_kill, NULL},
    {"vKill;", P_PREFIX, cmd_vkill, WHEN_ANY, has_kill, NULL},

    {"!", P_EXACT, cmd_extended, WHEN_ANY, has_launcher, NULL},
    {"vRun;", P_PREFIX, cmd_run_program, WHEN_ANY, is_extended, NULL},
    {"R", P_PREFIX, cmd_restart, WHEN_ANY, is_extended, NULL},
    {"vAttach;", P_PREFIX, cmd_attach, WHEN_ANY, is_extended, NULL},
    {"QEnvironmentHexEncoded:", P_PREFIX, cmd_environment_set, WHEN_ANY, has_launcher,
     "QEnvironmentHexEncoded+"},
    {"QEnvironmentUnset:", P_PREFIX, cmd_environment_unset, WHEN_ANY, has_launcher,
     "QEnvironmentUnset+"},
    {"QEnvironmentReset", P_EXACT, cmd_environment_reset, WHEN_ANY, has_launcher,
     "QEnvironmentReset+"},
    {"QSetWorkingDir:", P_PREFIX, cmd_working_dir, WHEN_ANY, has_launcher, "QSetWorkingDir+"},
    {"QStartupWithShell:", P_PREFIX, cmd_startup_shell, WHEN_ANY, has_launcher,
     "QStartupWithShell+"},
    {"QDisableRandomization:", P_PREFIX, cmd_randomization, WHEN_ANY, has_launcher,
     "QDisableRandomization+"},

    {"g", P_PREFIX, cmd_regs_read, WHEN_STOPPED, has_regs, NULL},
    {"G", P_PREFIX, cmd_regs_write, WHEN_STOPPED, has_reg_write, NULL},
    {"p", P_PREFIX, cmd_reg_read, WHEN_STOPPED, has_regs, NULL},
    {"P", P_PREFIX, cmd_reg_write, WHEN_STOPPED, has_reg_write, NULL},

    {"m", P_PREFIX, cmd_mem_read, WHEN_STOPPED, has_read, NULL},
    {"x", P_PREFIX, cmd_mem_read_binary, WHEN_STOPPED, has_read, "binary-upload+"},
    {"qSearch:memory:", P_PREFIX, cmd_search, WHEN_STOPPED, has_read, NULL},
    {"qCRC:", P_PREFIX, cmd_crc, WHEN_STOPPED, has_read, NULL},
    {"M", P_PREFIX, cmd_mem_write_hex, WHEN_STOPPED, has_write, NULL},
    {"X", P_PREFIX, cmd_mem_write_binary, WHEN_STOPPED, has_write, NULL},

    {"?", P_EXACT, cmd_why, WHEN_ANY, NULL, NULL},
    {"c", P_PREFIX, cmd_continue, WHEN_STOPPED, has_resume, NULL},
    {"C", P_PREFIX, cmd_continue_signal, WHEN_STOPPED, has_resume, NULL},
    {"s", P_PREFIX, cmd_step, WHEN_STOPPED, has_resume, NULL},
    {"S", P_PREFIX, cmd_step_signal, WHEN_STOPPED, has_resume, NULL},
    {"QPassSignals:", P_PREFIX, cmd_pass_signals, WHEN_ANY, has_resume, "QPassSignals+"},
    {"vCont?", P_EXACT, cmd_vcont_ask, WHEN_ANY, has_resume, "vContSupported+"},
    {"vCont;", P_PREFIX, cmd_vcont, WHEN_STOPPED, has_resume, NULL},

    {"Z", P_PREFIX, cmd_point_set, WHEN_STOPPED, has_points, NULL},
    {"z", P_PREFIX, cmd_point_clear, WHEN_ANY, has_points, NULL},

    {"qC", P_EXACT, cmd_current_thread, WHEN_STOPPED, NULL, NULL},
    {"H", P_PREFIX, cmd_select_thread, WHEN_ANY, NULL, NULL},
    {"T", P_PREFIX, cmd_thread_alive, WHEN_STOPPED, NULL, NULL},
    {"qfThreadInfo", P_EXACT, cmd_threads_first, WHEN_ANY, NULL, NULL},
    {"qsThreadInfo", P_EXACT, cmd_threads_next, WHEN_ANY, NULL, NULL},
    {"QThreadEvents:", P_PREFIX, cmd_thread_events, WHEN_ANY, has_thread_events, "QThreadEvents+"},
    {"qThreadExtraInfo,", P_PREFIX, cmd_thread_extra, WHEN_STOPPED, NULL, NULL},

    {"qOffsets", P_EXACT, cmd_offsets, WHEN_STOPPED, has_image, NULL},
    {"qGetTIBAddr:", P_PREFIX, cmd_tib, WHEN_STOPPED, NULL, NULL},

    {"qHostInfo", P_EXACT, cmd_host_info, WHEN_ANY, NULL, NULL},
    {"qProcessInfo", P_EXACT, cmd_process_info, WHEN_STOPPED, NULL, NULL},
    {"qGDBServerVersion", P_EXACT, cmd_server_version, WHEN_ANY, NULL, NULL},
    {"QEnableErrorStrings", P_EXACT, cmd_error_strings, WHEN_ANY, NULL, NULL},
    {"QThreadSuffixSupported", P_EXACT, cmd_thread_suffix, WHEN_ANY, NULL, NULL},
    {"QListThreadsInStopReply", P_EXACT, cmd_list_threads, WHEN_ANY, NULL, NULL},
    {"QSetDetachOnError:", P_PREFIX, cmd_detach_on_error, WHEN_ANY, NULL, NULL},
    {"qSupportsDetachAndStayStopped:", P_EXACT, cmd_can_stay_stopped, WHEN_ANY, NULL, NULL},
    {"D1", P_EXACT, cmd_detach_stopped, WHEN_ANY, NULL, NULL},
    {"qVAttachOrWaitSupported", P_EXACT, cmd_can_attach_by_name, WHEN_ANY, NULL, NULL},
    {"vAttachName;", P_PREFIX, cmd_attach_name, WHEN_ANY, NULL, NULL},
    {"vAttachWait;", P_PREFIX, cmd_attach_name, WHEN_ANY, NULL, NULL},
    {"vAttachOrWait;", P_PREFIX, cmd_attach_name, WHEN_ANY, NULL, NULL},
    {"qWatchpointSupportInfo:", P_EXACT, cmd_watchpoint_info, WHEN_ANY, has_points, NULL},
    {"jThreadsInfo", P_EXACT, cmd_threads_info, WHEN_STOPPED, has_regs, NULL},
    {"qThreadStopInfo", P_PREFIX, cmd_thread_stop_info, WHEN_STOPPED, NULL, NULL},
    {"QSaveRegisterState", P_PREFIX, cmd_save_registers, WHEN_STOPPED, has_reg_write, NULL},
    {"QRestoreRegisterState:", P_PREFIX, cmd_restore_registers, WHEN_STOPPED, has_reg_write, NULL},
    {"_M", P_PREFIX, cmd_allocate, WHEN_STOPPED, has_memory, NULL},
    {"_m", P_PREFIX, cmd_deallocate, WHEN_STOPPED, has_memory, NULL},
    {"qFileLoadAddress:", P_PREFIX, cmd_load_address, WHEN_STOPPED, NULL, NULL},
    {"qModuleInfo:", P_PREFIX, cmd_module_info, WHEN_STOPPED, NULL, NULL},
    {"qMemoryRegionInfo:", P_PREFIX, cmd_region_info, WHEN_STOPPED, has_regions, NULL},

    {"qXfer:features:read:", P_PREFIX, xfer_features, WHEN_ANY, has_regs, "qXfer:features:read+"},
    {"qXfer:threads:read:", P_PREFIX, xfer_threads, WHEN_ANY, NULL, "qXfer:threads:read+"},
    {"qXfer:libraries:read:", P_PREFIX, xfer_libraries, WHEN_ANY, has_libraries,
     "qXfer:libraries:read+"},
    {"qXfer:libraries-svr4:read:", P_PREFIX, xfer_libraries_svr4, WHEN_ANY, has_linux_libraries,
     "qXfer:libraries-svr4:read+"},
    {"qXfer:auxv:read:", P_PREFIX, xfer_auxv, WHEN_ANY, session_offers_linux, "qXfer:auxv:read+"},
    {"qXfer:exec-file:read:", P_PREFIX, xfer_exec_file, WHEN_ANY, has_exec_file,
     "qXfer:exec-file:read+"},
    {"qXfer:memory-map:read:", P_PREFIX, xfer_memory_map, WHEN_ANY, has_memory_map,
     "qXfer:memory-map:read+"},
    {"qXfer:siginfo:read:", P_PREFIX, xfer_siginfo, WHEN_STOPPED, has_resume,
     "qXfer:siginfo:read+"},
    {"qXfer:osdata:read:", P_PREFIX, xfer_osdata, WHEN_ANY, NULL, "qXfer:osdata:read+"},

    {"vFile:setfs:", P_PREFIX, cmd_vfile_setfs, WHEN_ANY, NULL, NULL},
    {"vFile:open:", P_PREFIX, cmd_vfile_open, WHEN_ANY, NULL, NULL},
    {"vFile:close:", P_PREFIX, cmd_vfile_close, WHEN_ANY, NULL, NULL},
    {"vFile:pread:", P_PREFIX, cmd_vfile_pread, WHEN_ANY, NULL, NULL},
    {"vFile:pwrite:", P_PREFIX, cmd_vfile_pwrite, WHEN_ANY, NULL, NULL},
    {"vFile:fstat:", P_PREFIX, cmd_vfile_fstat, WHEN_ANY, NULL, NULL},
    {"vFile:stat:", P_PREFIX, cmd_vfile_stat, WHEN_ANY, NULL, NULL},
    {"vFile:lstat:", P_PREFIX, cmd_vfile_stat, WHEN_ANY, NULL, NULL},
    {"vFile:readlink:", P_PREFIX, cmd_vfile_readlink, WHEN_ANY, NULL, NULL},
    {"vFile:unlink:", P_PREFIX, cmd_vfile_unlink, WHEN_ANY, NULL, NULL},

    {"qRcmd,", P_PREFIX, cmd_monitor, WHEN_ANY, NULL, NULL},
};

_Static_assert(sizeof packets / sizeof *packets <= SESSION_PACKETS, "the stub has a flag for each");

const struct packet *packets_row(size_t i)
{
    return i < sizeof packets / sizeof *packets ? &packets[i] : NULL;
}

static bool row_matches(const struct packet *p, const uint8_t *body, size_t len, size_t name_len)
{
    if (len < name_len || (p->match == P_EXACT && len != name_len))
        return false;
    return memcmp(body, p->name, name_len) == 0;
}

const struct packet *packets_find(const uint8_t *body, size_t len)
{
    const struct packet *found = NULL;
    const struct packet *p;
    size_t longest = 0;

    for (size_t i = 0; len && (p = packets_row(i)); i++) {
        size_t name_len = (uint8_t)p->name[0] == body[0] ? strlen(p->name) : 0;

        if (name_len > longest && row_matches(p, body, len, name_len)) {
            found = p;
            longest = name_len;
        }
    }
    return found;
}

bool packets_has(const struct stub *s, const struct packet *p)
{
    return !s->disabled[p - packets] && (!p->has || p->has(s));
}

/* Is it the name of the packet, or of a family that it belongs to: vFile for vFile:open? */
static bool is_named(const struct packet *p, const char *name)
{
    size_t len = strlen(name);

    return len && strncmp(p->name, name, len) == 0 && !isalnum((unsigned char)p->name[len]);
}

bool packets_disable(struct stub *s, const char *name)
{
    const struct packet *p;
    bool found = false;

    for (size_t i = 0; (p = packets_row(i)); i++) {
        if (is_named(p, name))
            s->disabled[i] = found = true;
    }
    return found;
}

static enum verdict packets_handle(struct stub *s, const uint8_t *body, size_t len,
                                   struct reply *out)
{
    const struct packet *p = packets_find(body, len);
    struct rsp_reader in;
    size_t name_len;

    if (!p || !packets_has(s, p))
        return UNSUPPORTED;
    if (p->allowed == WHEN_STOPPED && session_exited(s))
        return reply_error(out, RSP_ESRCH);
    name_len = strlen(p->name);
    rsp_reader_init(&in, body + name_len, len - name_len);
    return p->handler(s, &in, out);
}

static void send_console(struct stub *s, const void *text, size_t len)
{
    uint8_t body[1 + CONSOLE_CHUNK * 2];
    struct reply out;

    reply_init(&out, body, sizeof body, false);
    reply_byte(&out, 'O');
    reply_hex(&out, text, len);
    rsp_link_send(&s->link, out.data, out.len);
}

void packets_say(struct stub *s)
{
    static const char cut[] = "\n(cut here: the text is too long)\n";

    for (size_t done = 0; done < s->console.len; done += CONSOLE_CHUNK) {
        size_t left = s->console.len - done;

        send_console(s, s->console.data + done, left < CONSOLE_CHUNK ? left : CONSOLE_CHUNK);
    }
    if (s->console.failed)
        send_console(s, cut, sizeof cut - 1);
    buf_clear(&s->console);
}

/* Act on a verdict. The one place that answers. */
static void packets_close(struct stub *s, enum verdict verdict, struct reply *out)
{
    if (out->over) {
        LOG(rsp, "an answer longer than %u bytes", STUB_PACKET_MAX);
        verdict = reply_error(out, RSP_E2BIG);
    }
    switch (verdict) {
    case ANSWER:
        packets_say(s); /* goes first */
        rsp_link_send(&s->link, out->data, out->len);
        break;
    case UNSUPPORTED:
        rsp_link_send(&s->link, out->data, 0);
        break;
    case RESUMED:
        s->guest = GUEST_RESUMED;
        session_drop_document(s);
        break;
    case SILENT:
        break;
    }
}

static void packets_open(struct stub *s, struct reply *out)
{
    reply_init(out, s->reply, sizeof s->reply, s->features.error_message);
    out->hex_texts = s->features.error_strings;
}

void packets_answer(struct stub *s, const uint8_t *body, size_t len)
{
    struct reply out;

    packets_open(s, &out);
    packets_close(s, packets_handle(s, body, len, &out), &out);
}

void packets_refuse(struct stub *s, enum rsp_errno code)
{
    struct reply out;

    packets_open(s, &out);
    packets_close(s, reply_error(&out, code), &out);
}

void packets_answer_stop(struct stub *s)
{
    struct reply out;

    packets_open(s, &out);
    stop_say(s);
    packets_close(s, stop_reply(s, &out), &out);
}
