/* Text for the guest; the rules are in text.h. Case folding is ASCII's: enough for names of variables and DLLs. */
#include "nt/text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "winstub/utf.h"

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
        return diag_set(why, ERR_NOMEM, "no memory for a command line of %zu arguments", argc);
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

/* Take one "NAME=value", or a NAME to take away. False when it is neither. */
static bool add_variable(struct variable *list, size_t *count, const char *text)
{
    const char *equals = *text ? strchr(text + 1, '=') : NULL;

    if (!*text || (!equals && *text == '='))
        return false;
    list[*count] = (struct variable){text, equals ? (size_t)(equals - text) : strlen(text), *count};
    ++*count;
    return true;
}

/* Append a NUL in UTF-16. */
static void end_text(struct buf *out)
{
    (void)buf_append(out, "\0", 2);
}

/* Append the sorted list, the last of each name. */
static void append_variables(struct buf *out, const struct variable *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (i + 1 < count && compare_names(&list[i], &list[i + 1]) == 0)
            continue;
        if (!list[i].text[list[i].name_len]) /* taken away */
            continue;
        (void)utf16_append(out, list[i].text);
        end_text(out);
    }
    end_text(out);
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
            e = diag_set(why, ERR_NOMEM, "no memory for an environment of %zu variables", count);
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
