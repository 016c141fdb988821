/* Process parameters; the contract is in parameters.h. Follows NT-PROCESS section 2, items 4 and 5. */
#include "nt/parameters.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "nt/guest.h"
#include "nt/layout.h"
#include "nt/text.h"
#include "winstub/bytes.h"
#include "winstub/utf.h"

#define ENVIRONMENT_BYTES_MAX (8u << 20)
#define PARAMETERS_BYTES_MAX  (1u << 20)
#define LINE_BYTES_MAX        (1u << 30) /* before it is known to be too long for Windows */
#define DIRECTORY_ROOM        520 /* bytes: MAX_PATH characters, as RtlCreateProcessParameters gives */
#define IS_NORMALIZED         1u

static const enum nt_field text_fields[PARAMETERS_TEXTS] = {
    [PARAMETERS_TEXT_DIRECTORY] = NT_PARAMETERS_DIRECTORY,
    [PARAMETERS_TEXT_DLL_PATH] = NT_PARAMETERS_DLL_PATH,
    [PARAMETERS_TEXT_IMAGE] = NT_PARAMETERS_IMAGE_PATH,
    [PARAMETERS_TEXT_COMMAND_LINE] = NT_PARAMETERS_COMMAND_LINE,
    [PARAMETERS_TEXT_TITLE] = NT_PARAMETERS_TITLE,
    [PARAMETERS_TEXT_DESKTOP] = NT_PARAMETERS_DESKTOP,
    [PARAMETERS_TEXT_SHELL] = NT_PARAMETERS_SHELL,
    [PARAMETERS_TEXT_RUNTIME] = NT_PARAMETERS_RUNTIME,
};

static const enum nt_field number_fields[PARAMETERS_NUMBERS] = {
    [PARAMETERS_STDIN] = NT_PARAMETERS_STDIN,
    [PARAMETERS_STDOUT] = NT_PARAMETERS_STDOUT,
    [PARAMETERS_STDERR] = NT_PARAMETERS_STDERR,
    [PARAMETERS_CONSOLE] = NT_PARAMETERS_CONSOLE,
    [PARAMETERS_CONSOLE_FLAGS] = NT_PARAMETERS_CONSOLE_FLAGS,
    [PARAMETERS_DEBUG_FLAGS] = NT_PARAMETERS_DEBUG_FLAGS,
    [PARAMETERS_X] = NT_PARAMETERS_X,
    [PARAMETERS_Y] = NT_PARAMETERS_Y,
    [PARAMETERS_WIDTH] = NT_PARAMETERS_WIDTH,
    [PARAMETERS_HEIGHT] = NT_PARAMETERS_HEIGHT,
    [PARAMETERS_COLUMNS] = NT_PARAMETERS_COLUMNS,
    [PARAMETERS_ROWS] = NT_PARAMETERS_ROWS,
    [PARAMETERS_FILL] = NT_PARAMETERS_FILL,
    [PARAMETERS_WINDOW_FLAGS] = NT_PARAMETERS_WINDOW_FLAGS,
    [PARAMETERS_SHOW] = NT_PARAMETERS_SHOW,
    [PARAMETERS_GROUP] = NT_PARAMETERS_GROUP,
};

void parameters_init(struct parameters *p)
{
    *p = (struct parameters){0};
    for (size_t i = 0; i < PARAMETERS_TEXTS; i++)
        buf_init(&p->text[i], NT_STRING_MAX);
    buf_init(&p->environment, ENVIRONMENT_BYTES_MAX);
}

void parameters_fini(struct parameters *p)
{
    for (size_t i = 0; i < PARAMETERS_TEXTS; i++)
        buf_fini(&p->text[i]);
    buf_fini(&p->environment);
}

/* ---- From the user ---------------------------------------------------------------------------- */

/* Append text that may take at most `room` bytes in UTF-16. */
static enum err put_utf8(struct buf *out, const char *what, const char *utf8, size_t room,
                         struct diag *why)
{
    struct buf text;
    enum err e = ERR_OK;

    buf_init(&text, 2 * strlen(utf8) + 2); /* a unit takes a byte of UTF-8 or more */
    if (!utf16_append(&text, utf8))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory for the %s", what);
    else if (text.len > room)
        e = diag_set(why, ERR_LIMIT, "the %s has %zu characters; Windows takes %zu", what,
                     text.len / 2, room / 2);
    else if (text.len && !buf_append(out, text.data, text.len))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory for the %s", what);
    buf_fini(&text);
    return e;
}

/* The arguments, the program named as the guest knows it: a host path's slashes would pass for options. malloc'd. */
static const char **guest_arguments(const struct process *p, const struct process_options *options,
                                    size_t *count)
{
    const char **argv = calloc(options->argc + 1, sizeof *argv);

    *count = options->argc ? options->argc : 1;
    for (size_t i = 0; argv && i < options->argc; i++)
        argv[i] = options->argv[i];
    if (argv && (!options->argc || strchr(argv[0], '/')))
        argv[0] = p->image_path;
    return argv;
}

static enum err put_command_line(struct buf *out, const struct process *p,
                                 const struct process_options *options, struct diag *why)
{
    size_t count;
    const char **argv = guest_arguments(p, options, &count);
    struct buf line;
    enum err e;

    buf_init(&line, LINE_BYTES_MAX);
    e = argv ? text_command_line(&line, argv, count, why)
             : diag_set(why, ERR_NOMEM, "the host is out of memory");
    free(argv);
    if (!e)
        e = put_utf8(out, "command line", buf_str(&line), NT_STRING_MAX, why);
    buf_fini(&line);
    return e;
}

enum err parameters_from_options(struct parameters *out, const struct process *p,
                                 const struct process_options *options, struct diag *why)
{
    const struct {
        enum parameters_text which;
        const char *what, *utf8;
        size_t room;
    } texts[] = {
        {PARAMETERS_TEXT_DIRECTORY, "current directory", p->directory, DIRECTORY_ROOM - 2},
        {PARAMETERS_TEXT_IMAGE, "program's path", p->image_path, NT_STRING_MAX},
        {PARAMETERS_TEXT_TITLE, "program's path", p->image_path, NT_STRING_MAX},
        {PARAMETERS_TEXT_DESKTOP, "desktop", "WinSta0\\Default", NT_STRING_MAX},
    };
    enum err e = put_command_line(&out->text[PARAMETERS_TEXT_COMMAND_LINE], p, options, why);

    for (size_t i = 0; !e && i < sizeof texts / sizeof *texts; i++)
        e = put_utf8(&out->text[texts[i].which], texts[i].what, texts[i].utf8, texts[i].room, why);
    out->number[PARAMETERS_STDIN] = HANDLE_STDIN;
    out->number[PARAMETERS_STDOUT] = HANDLE_STDOUT;
    out->number[PARAMETERS_STDERR] = HANDLE_STDERR;
    return e ? e
             : text_environment(&out->environment, p->arch, options->env, options->env_count, why);
}

/* ---- From a guest ----------------------------------------------------------------------------- */

/* A text whose address is, unless they are normalized, an offset from the parameters. */
static nt_status read_text(struct buf *out, struct process *caller, gva_t at, enum nt_field field,
                           gva_t origin)
{
    gva_t string = at + nt_offset(caller->arch, field), text = 0;
    uint64_t length = 0;
    uint8_t *room;
    nt_status st = guest_get(caller, string, NT_STRING_LENGTH, &length);

    if (!st)
        st = guest_get(caller, string, NT_STRING_BUFFER, &text);
    if (st || !length)
        return st;
    if (length % 2 && field != NT_PARAMETERS_RUNTIME)
        return STATUS_INVALID_PARAMETER;
    room = buf_extend(out, (size_t)length);
    return room ? guest_read(caller, origin + text, room, (size_t)length) : STATUS_NO_MEMORY;
}

/* How many bytes of a block, up to and with the two NULs that end it, are in the `len` from `from` on; 0: they do not end it. */
static size_t block_end(const struct buf *block, size_t from)
{
    for (size_t i = from & ~(size_t)1; i + 4 <= block->len; i += 2) {
        if (get_u32(block->data + i) == 0)
            return i + 4;
    }
    return 0;
}

/* A block ends at two NULs; its size is not asked for, older callers do not give it. */
static nt_status read_environment(struct buf *out, struct process *caller, gva_t at)
{
    size_t end = 0;

    while (!end) {
        size_t before = out->len, part = VM_PAGE_SIZE - (size_t)(at + before) % VM_PAGE_SIZE;
        uint8_t *room = buf_extend(out, part);
        nt_status st = room ? guest_read(caller, at + before, room, part) : STATUS_NO_MEMORY;

        if (st)
            return st;
        end = block_end(out, before < 4 ? 0 : before - 4);
    }
    out->len = end;
    return STATUS_SUCCESS;
}

nt_status parameters_from_guest(struct parameters *out, struct process *caller, gva_t at)
{
    uint64_t flags = 0;
    gva_t environment = 0;
    nt_status st = guest_get(caller, at, NT_PARAMETERS_FLAGS, &flags);

    for (size_t i = 0; !st && i < PARAMETERS_TEXTS; i++)
        st = read_text(&out->text[i], caller, at, text_fields[i], flags & IS_NORMALIZED ? 0 : at);
    for (size_t i = 0; !st && i < PARAMETERS_NUMBERS; i++)
        st = guest_get(caller, at, number_fields[i], &out->number[i]);
    if (!st)
        st = guest_get(caller, at, NT_PARAMETERS_ENVIRONMENT, &environment);
    if (st)
        return st;
    if (environment)
        return read_environment(&out->environment, caller, environment);
    return buf_append(&out->environment, "\0\0\0", 4) ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

/* ---- For the process -------------------------------------------------------------------------- */

/* Begin a block of at most limit bytes at the lowest free place above the plan's. */
static enum err begin(const struct process *p, struct nt_block *block, size_t limit,
                      struct diag *why)
{
    gva_t base = 0;
    enum err e = process_find(p, p->plan.heap, limit, &base, why);

    nt_block_init(block, p->arch, base, limit);
    return e;
}

static enum err store_environment(const struct parameters *parameters, struct process *p, gva_t *at,
                                  struct diag *why)
{
    const struct buf *text = &parameters->environment;
    struct nt_block block;
    enum err e = begin(p, &block, ENVIRONMENT_BYTES_MAX, why);

    if (!e)
        (void)buf_append(&block.bytes, text->data, text->len);
    if (!e)
        e = nt_block_store(&block, p->vm, "environment", why);
    *at = block.base;
    nt_block_fini(&block);
    return e;
}

/* The current directory has room to change in place. */
static void put_directory(struct nt_block *block, const struct buf *text)
{
    size_t room = text->len + 2 > DIRECTORY_ROOM ? text->len + 2 : DIRECTORY_ROOM;
    size_t at = nt_block_take(block, room);

    if (!block->bytes.failed && text->len)
        memcpy(block->bytes.data + at, text->data, text->len);
    nt_put_string(block, 0, NT_PARAMETERS_DIRECTORY, at, text->len, room);
}

static void fill(const struct parameters *parameters, struct nt_block *block)
{
    (void)nt_block_take(block, nt_size(block->arch, NT_STRUCT_PARAMETERS));
    nt_put(block, 0, NT_PARAMETERS_FLAGS, IS_NORMALIZED);
    for (size_t i = 0; i < PARAMETERS_NUMBERS; i++)
        nt_put(block, 0, number_fields[i], parameters->number[i]);
    put_directory(block, &parameters->text[PARAMETERS_TEXT_DIRECTORY]);
    for (size_t i = PARAMETERS_TEXT_DIRECTORY + 1; i < PARAMETERS_TEXTS; i++) {
        if (parameters->text[i].len)
            nt_put_text(block, 0, text_fields[i], &parameters->text[i]);
    }
}

enum err parameters_store(const struct parameters *parameters, struct process *p, gva_t *at,
                          struct diag *why)
{
    struct nt_block block;
    gva_t environment;
    enum err e = store_environment(parameters, p, &environment, why);

    if (e)
        return e;
    e = begin(p, &block, PARAMETERS_BYTES_MAX, why);
    if (!e) {
        fill(parameters, &block);
        nt_put(&block, 0, NT_PARAMETERS_ENVIRONMENT, environment);
        nt_put(&block, 0, NT_PARAMETERS_ENVIRONMENT_SIZE, parameters->environment.len);
        nt_put(&block, 0, NT_PARAMETERS_MAXIMUM_LENGTH, block.bytes.len);
        nt_put(&block, 0, NT_PARAMETERS_LENGTH, block.bytes.len);
        e = nt_block_store(&block, p->vm, "process parameters", why);
    }
    *at = block.base;
    nt_block_fini(&block);
    return e;
}
