/* Text for the guest; the rules are in text.h. Case folding is ASCII's: enough for names of variables and DLLs. */
#include "nt/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "winstub/bytes.h"

#define REPLACEMENT 0xfffdu

/* How many bytes a sequence with this first byte has; 0: none begins so. Its payload bits in *bits. */
static size_t sequence_length(uint8_t first, uint32_t *bits)
{
    if (first < 0x80) {
        *bits = first;
        return 1;
    }
    if (first >= 0xc2 && first < 0xe0) {
        *bits = first & 0x1fu;
        return 2;
    }
    if (first >= 0xe0 && first < 0xf0) {
        *bits = first & 0x0fu;
        return 3;
    }
    if (first >= 0xf0 && first < 0xf5) {
        *bits = first & 0x07u;
        return 4;
    }
    return 0;
}

/* Decode one character at *text and step over it; over one byte when it is no UTF-8. */
static uint32_t next_char(const char **text)
{
    static const uint32_t lowest[] = {0, 0, 0x80, 0x800, 0x10000};
    const uint8_t *p = (const uint8_t *)*text;
    uint32_t c = 0;
    size_t len = sequence_length(p[0], &c);

    *text += 1;
    for (size_t i = 1; i < len; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        c = c << 6 | (p[i] & 0x3fu);
    }
    if (!len || c < lowest[len] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
        return REPLACEMENT;
    *text += len - 1;
    return c;
}

static bool append_unit(struct buf *out, uint32_t unit)
{
    uint8_t raw[2];

    put_u16(raw, (uint16_t)unit);
    return buf_append(out, raw, sizeof raw);
}

bool text_utf16(struct buf *out, const char *utf8)
{
    while (*utf8) {
        uint32_t c = next_char(&utf8);

        if (c >= 0x10000) {
            (void)append_unit(out, 0xd800 + ((c - 0x10000) >> 10));
            c = 0xdc00 + ((c - 0x10000) & 0x3ff);
        }
        (void)append_unit(out, c);
    }
    return !out->failed;
}

static bool append_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80)
        return buf_byte(out, (uint8_t)c);
    if (c < 0x800) {
        (void)buf_byte(out, (uint8_t)(0xc0 | c >> 6));
        return buf_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
    }
    if (c < 0x10000) {
        (void)buf_byte(out, (uint8_t)(0xe0 | c >> 12));
    } else {
        (void)buf_byte(out, (uint8_t)(0xf0 | c >> 18));
        (void)buf_byte(out, (uint8_t)(0x80 | (c >> 12 & 0x3f)));
    }
    (void)buf_byte(out, (uint8_t)(0x80 | (c >> 6 & 0x3f)));
    return buf_byte(out, (uint8_t)(0x80 | (c & 0x3f)));
}

bool text_utf8(struct buf *out, const void *utf16, size_t bytes)
{
    const uint8_t *from = utf16;

    for (size_t i = 0; i + 2 <= bytes; i += 2) {
        uint32_t unit = get_u16(from + i);
        uint32_t low = i + 4 <= bytes ? get_u16(from + i + 2) : 0;

        if ((unit & 0xfc00) == 0xd800 && (low & 0xfc00) == 0xdc00) {
            unit = 0x10000 + ((unit & 0x3ff) << 10) + (low & 0x3ff);
            i += 2;
        } else if ((unit & 0xf800) == 0xd800) {
            unit = REPLACEMENT;
        }
        (void)append_utf8(out, unit);
    }
    return !out->failed;
}

/* Append n backslashes. */
static void append_backslashes(struct buf *out, size_t n)
{
    while (n--)
        (void)buf_byte(out, '\\');
}

/* Append one argument inside quotation marks: backslashes count only before a mark, and are doubled there. */
static void append_quoted(struct buf *out, const char *arg)
{
    size_t slashes = 0;

    (void)buf_byte(out, '"');
    for (; *arg; arg++) {
        if (*arg == '\\') {
            slashes++;
            continue;
        }
        append_backslashes(out, *arg == '"' ? 2 * slashes + 1 : slashes);
        slashes = 0;
        (void)buf_byte(out, (uint8_t)*arg);
    }
    append_backslashes(out, 2 * slashes);
    (void)buf_byte(out, '"');
}

/* The program's name: quotation marks only group, backslashes mean themselves. */
static enum err append_program(struct buf *out, const char *name, struct diag *why)
{
    const char *quote = *name && !strpbrk(name, " \t") ? "" : "\"";

    if (strchr(name, '"'))
        return diag_set(why, ERR_INVALID, "%s: a program's name cannot hold a quotation mark",
                        name);
    (void)buf_printf(out, "%s%s%s", quote, name, quote);
    return ERR_OK;
}

enum err text_command_line(struct buf *out, const char *const *argv, size_t argc, struct diag *why)
{
    enum err e;

    if (!argc)
        return ERR_OK;
    e = append_program(out, argv[0], why);
    if (e)
        return e;
    for (size_t i = 1; i < argc; i++) {
        (void)buf_byte(out, ' ');
        if (*argv[i] && !strpbrk(argv[i], " \t\n\v\""))
            (void)buf_text(out, argv[i]);
        else
            append_quoted(out, argv[i]);
    }
    if (out->failed)
        return diag_set(why, ERR_LIMIT, "the command line is too long");
    return ERR_OK;
}

/* ---- Environment ------------------------------------------------------------------------------ */

/* What a process on an English Windows 10 has, cut to what programs ask for. */
static const char *const built_in[] = {
    "ALLUSERSPROFILE=C:\\ProgramData",
    "APPDATA=C:\\Users\\user\\AppData\\Roaming",
    "CommonProgramFiles=C:\\Program Files\\Common Files",
    "COMPUTERNAME=WINSTUB",
    "ComSpec=C:\\Windows\\system32\\cmd.exe",
    "HOMEDRIVE=C:",
    "HOMEPATH=\\Users\\user",
    "LOCALAPPDATA=C:\\Users\\user\\AppData\\Local",
    "NUMBER_OF_PROCESSORS=1",
    "OS=Windows_NT",
    "Path=C:\\Windows\\system32;C:\\Windows",
    "PATHEXT=.COM;.EXE;.BAT;.CMD",
    "ProgramData=C:\\ProgramData",
    "ProgramFiles=C:\\Program Files",
    "PUBLIC=C:\\Users\\Public",
    "SystemDrive=C:",
    "SystemRoot=C:\\Windows",
    "TEMP=C:\\Users\\user\\AppData\\Local\\Temp",
    "TMP=C:\\Users\\user\\AppData\\Local\\Temp",
    "USERDOMAIN=WINSTUB",
    "USERNAME=user",
    "USERPROFILE=C:\\Users\\user",
    "windir=C:\\Windows",
};

#define BUILT_IN_COUNT (sizeof built_in / sizeof *built_in)

struct variable {
    const char *text;
    size_t name_len; /* a leading '=' belongs to the name: "=C:=C:\dir" */
    size_t order;    /* a later one wins */
};

static int compare_names(const struct variable *a, const struct variable *b)
{
    size_t shorter = a->name_len < b->name_len ? a->name_len : b->name_len;
    int order = strncasecmp(a->text, b->text, shorter);

    return order ? order : (a->name_len > b->name_len) - (a->name_len < b->name_len);
}

static int compare_variables(const void *a, const void *b)
{
    const struct variable *left = a, *right = b;
    int order = compare_names(left, right);

    return order ? order : (left->order > right->order) - (left->order < right->order);
}

/* Take one "NAME=value". False when it is none. */
static bool add_variable(struct variable *list, size_t *count, const char *text)
{
    const char *equals = *text ? strchr(text + 1, '=') : NULL;

    if (!equals)
        return false;
    list[*count] = (struct variable){text, (size_t)(equals - text), *count};
    ++*count;
    return true;
}

/* Append the sorted list, the last of each name. */
static void append_variables(struct buf *out, const struct variable *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare_names(&list[i], &list[i + 1]) == 0)
            continue;
        (void)text_utf16(out, list[i].text);
        (void)append_unit(out, 0);
    }
    (void)append_unit(out, 0);
}

enum err text_environment(struct buf *out, enum cpu_arch arch, const char *const *env,
                          size_t env_count, struct diag *why)
{
    struct variable *list = calloc(BUILT_IN_COUNT + 1 + env_count, sizeof *list);
    enum err e = ERR_OK;
    size_t count = 0;

    if (!list)
        return diag_set(why, ERR_NOMEM, "the environment: the host is out of memory");
    for (size_t i = 0; i < BUILT_IN_COUNT; i++)
        (void)add_variable(list, &count, built_in[i]);
    (void)add_variable(list, &count,
                       arch == CPU_AMD64 ? "PROCESSOR_ARCHITECTURE=AMD64"
                                         : "PROCESSOR_ARCHITECTURE=x86");
    for (size_t i = 0; i < env_count && !e; i++) {
        if (!add_variable(list, &count, env[i]))
            e = diag_set(why, ERR_INVALID, "environment entry '%s': not of the form NAME=value",
                         env[i]);
    }
    if (!e) {
        qsort(list, count, sizeof *list, compare_variables);
        append_variables(out, list, count);
        if (out->failed)
            e = diag_set(why, ERR_LIMIT, "the environment is too long");
    }
    free(list);
    return e;
}

/* ---- Paths and names -------------------------------------------------------------------------- */

bool text_is_dos_path(const char *text)
{
    bool letter = (text[0] >= 'A' && text[0] <= 'Z') || (text[0] >= 'a' && text[0] <= 'z');

    return letter && text[1] == ':' && text[2] == '\\';
}

const char *text_base_name(const char *path)
{
    const char *base = path;

    for (; *path; path++) {
        if (*path == '\\' || *path == '/')
            base = path + 1;
    }
    return base;
}

bool text_same(const char *a, const char *b)
{
    return strcasecmp(a, b) == 0;
}
