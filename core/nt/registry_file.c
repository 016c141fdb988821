/* The text of a .reg file; the contract is in registry_file.h. Form: Microsoft's article 310516. */
#include "nt/registry_file.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

#include "nt/token.h"
#include "winstub/utf.h"

#define HEADER     "Windows Registry Editor Version 5.00"
#define NAME_BYTES 4096u

/* A text without NULs, in UTF-8, read line by line. */
struct reader {
    struct registry *registry;
    const char *at;
    unsigned line;
    const char *name;
    struct diag *why;
    struct key *key; /* of the section; NULL: none yet, or it has been deleted */
    bool deleted;
};

static enum err fail(struct reader *r, const char *what)
{
    return diag_set(r->why, ERR_FORMAT, "%.200s: line %u: %s", r->name, r->line, what);
}

/* What the registry answered to a change. */
static enum err result(struct reader *r, nt_status st)
{
    if (!st)
        return ERR_OK;
    if (st == STATUS_NO_MEMORY)
        return diag_set(r->why, ERR_NOMEM, "the host is out of memory");
    if (st == STATUS_INSUFFICIENT_RESOURCES)
        return diag_set(r->why, ERR_LIMIT, "%.200s: line %u: the registry is full", r->name,
                        r->line);
    return fail(r, "a key's name is empty or too long");
}

static void skip_blanks(struct reader *r)
{
    while (*r->at == ' ' || *r->at == '\t')
        r->at++;
}

/* To the line behind this one. */
static void next_line(struct reader *r)
{
    r->at += strcspn(r->at, "\n");
    r->at += *r->at == '\n';
    r->line++;
}

/* Nothing but blanks up to the end of the line. */
static bool at_end(struct reader *r)
{
    skip_blanks(r);
    return !*r->at || *r->at == '\n' || *r->at == '\r';
}

static bool skip_word(struct reader *r, const char *word)
{
    size_t len = strlen(word);

    if (strncasecmp(r->at, word, len) != 0)
        return false;
    r->at += len;
    return true;
}

/* ---- Keys ------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *path;
} roots[] = {
    {"HKEY_LOCAL_MACHINE", "\\Registry\\Machine"},
    {"HKEY_CURRENT_USER", "\\Registry\\User\\" TOKEN_USER_SID},
    {"HKEY_USERS", "\\Registry\\User"},
    {"HKEY_CLASSES_ROOT", "\\Registry\\Machine\\Software\\Classes"},
};

/* The kernel's name of the key in the brackets that end at `end`. */
static bool put_path(struct buf *path, const char *text, const char *end)
{
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++) {
        size_t len = strlen(roots[i].name);

        if ((size_t)(end - text) >= len && strncasecmp(text, roots[i].name, len) == 0 &&
            (text + len == end || text[len] == '\\'))
            return buf_text(path, roots[i].path) &&
                   buf_append(path, text + len, (size_t)(end - text) - len);
    }
    return false;
}

/* The key and all below it, from the leaves up; nothing when it may not go. */
static nt_status delete_tree(struct registry *registry, struct key *top)
{
    struct key *key = top;

    if (!top->parent || !top->parent->parent)
        return STATUS_CANNOT_DELETE;
    for (;;) {
        struct key *parent = key->parent;
        bool last = key == top;
        nt_status st;

        if (key->key_count) {
            key = key->keys[key->key_count - 1];
            continue;
        }
        st = registry_delete(registry, key);
        if (st || last)
            return st;
        key = parent;
    }
}

static enum err open_section(struct reader *r, const char *path, bool remove)
{
    struct key *key = NULL;
    bool created;
    nt_status st = registry_find(r->registry, NULL, path,
                                 remove ? REGISTRY_OPEN : REGISTRY_CREATE_DEEP, &key, &created);

    r->key = remove ? NULL : key;
    r->deleted = remove;
    if (remove && st == STATUS_OBJECT_NAME_NOT_FOUND)
        return ERR_OK;
    if (!st && remove)
        st = delete_tree(r->registry, key);
    return st == STATUS_CANNOT_DELETE ? fail(r, "this key cannot be deleted") : result(r, st);
}

/* [KEY], or [-KEY], which deletes it. */
static enum err read_section(struct reader *r)
{
    size_t len = strcspn(r->at, "\r\n");
    const char *end = r->at + len;
    bool remove = r->at[1] == '-';
    struct buf path;
    enum err e;

    while (end > r->at && (end[-1] == ' ' || end[-1] == '\t'))
        end--;
    if (end[-1] != ']')
        return fail(r, "a key's name ends with ']'");
    buf_init(&path, NAME_BYTES);
    if (put_path(&path, r->at + 1 + remove, end - 1))
        e = open_section(r, buf_str(&path), remove);
    else
        e = fail(r, "a key begins with HKEY_LOCAL_MACHINE, HKEY_CURRENT_USER, HKEY_USERS or "
                    "HKEY_CLASSES_ROOT and is not too long");
    buf_fini(&path);
    return e;
}

/* ---- Values ----------------------------------------------------------------------------------- */

/* A text in quotation marks, with \\ and \" for these; it may hold line ends. */
static bool read_quoted(struct reader *r, struct buf *out)
{
    for (r->at++; *r->at && *r->at != '"'; r->at++) {
        if (*r->at == '\\' && (r->at[1] == '\\' || r->at[1] == '"'))
            r->at++;
        r->line += *r->at == '\n';
        if (!buf_byte(out, (uint8_t)*r->at))
            return false;
    }
    if (*r->at != '"')
        return false;
    r->at++;
    return true;
}

/* Hexadecimal digits, one to `most`. */
static bool read_hex(struct reader *r, unsigned most, uint32_t *out)
{
    static const char digits[] = "0123456789abcdef";
    unsigned count = 0;

    for (*out = 0; count < most && isxdigit((unsigned char)*r->at); count++, r->at++)
        *out = *out << 4 | (uint32_t)(strchr(digits, tolower((unsigned char)*r->at)) - digits);
    return count && !isxdigit((unsigned char)*r->at);
}

/* Bytes with commas between them; a '\' before the end of a line goes on in the next. */
static bool read_bytes(struct reader *r, struct buf *out)
{
    uint32_t byte;

    while (!at_end(r)) {
        if (*r->at == '\\') {
            r->at++;
            if (!at_end(r))
                return false;
            next_line(r);
            continue;
        }
        if (!read_hex(r, 2, &byte) || !buf_byte(out, (uint8_t)byte))
            return false;
        skip_blanks(r);
        if (*r->at == ',')
            r->at++;
        else
            return at_end(r);
    }
    return true;
}

/* Type and data. */
static bool read_data(struct reader *r, uint32_t *type, struct buf *data)
{
    struct buf text;
    uint8_t raw[4];
    uint32_t number = 0;
    bool good;

    if (*r->at == '"') {
        *type = REG_SZ;
        buf_init(&text, REGISTRY_VALUE_MAX);
        good = read_quoted(r, &text) && utf16_append(data, buf_str(&text)) &&
               buf_append(data, "\0", 2);
        buf_fini(&text);
        return good;
    }
    if (skip_word(r, "dword:")) {
        *type = REG_DWORD;
        good = read_hex(r, 8, &number);
        put_u32(raw, number);
        return good && buf_append(data, raw, sizeof raw);
    }
    *type = REG_BINARY;
    if (skip_word(r, "hex("))
        return read_hex(r, 8, type) && skip_word(r, "):") && read_bytes(r, data);
    return skip_word(r, "hex:") && read_bytes(r, data);
}

static enum err set_value(struct reader *r, const char *name)
{
    struct buf data;
    uint32_t type;
    enum err e;

    buf_init(&data, REGISTRY_VALUE_MAX);
    if (!read_data(r, &type, &data) || !at_end(r))
        e = fail(r, "a value is \"text\", dword:12345678, hex:12,34 or hex(7):12,34");
    else
        e = result(r, registry_set(r->registry, r->key, name, type, data.data, (uint32_t)data.len));
    buf_fini(&data);
    return e;
}

/* "name"=data or @=data, the key's own value; data `-` deletes it. */
static enum err read_value(struct reader *r)
{
    bool own = *r->at == '@', remove;
    struct buf name;
    enum err e = ERR_OK;

    buf_init(&name, NAME_BYTES);
    r->at += own;
    if (!r->key)
        e = fail(r, r->deleted ? "a deleted key has no values" : "a value stands below its key");
    else if (!own && !read_quoted(r, &name))
        e = fail(r, "a value's name has no end, or is too long");
    skip_blanks(r);
    if (!e && *r->at != '=')
        e = fail(r, "'=' stands between a value's name and its data");
    if (e)
        goto out;
    r->at++;
    skip_blanks(r);
    remove = *r->at == '-';
    r->at += remove;
    if (!remove)
        e = set_value(r, buf_str(&name));
    else if (!at_end(r))
        e = fail(r, "nothing stands behind '-'");
    else if (registry_value(r->key, buf_str(&name)))
        e = result(r, registry_unset(r->registry, r->key, buf_str(&name)));
out:
    buf_fini(&name);
    return e;
}

/* ---- The whole -------------------------------------------------------------------------------- */

static enum err read_lines(struct reader *r)
{
    enum err e = ERR_OK;

    if (!skip_word(r, HEADER) || !at_end(r))
        return fail(r, "it does not begin with '" HEADER "'");
    while (!e && *r->at) {
        next_line(r);
        if (at_end(r) || *r->at == ';')
            continue;
        if (*r->at == '[')
            e = read_section(r);
        else if (*r->at == '"' || *r->at == '@')
            e = read_value(r);
        else
            e = fail(r, "a line is a [key], a \"value\"= of it, or a ; comment");
    }
    return e;
}

/* The text in UTF-8. */
static bool decode(struct bytes text, struct buf *out)
{
    if (text.len >= 2 && text.data[0] == 0xff && text.data[1] == 0xfe)
        return utf8_append_utf16(out, text.data + 2, (text.len - 2) / 2);
    if (text.len >= 3 && memcmp(text.data, "\xef\xbb\xbf", 3) == 0)
        return buf_append(out, text.data + 3, text.len - 3);
    return buf_append(out, text.data, text.len);
}

enum err registry_file_apply(struct registry *registry, struct bytes text, const char *name,
                             struct diag *why)
{
    struct reader r = {.registry = registry, .line = 1, .name = name, .why = why};
    struct buf utf8;
    enum err e;

    buf_init(&utf8, 2 * REGISTRY_FILE_MAX);
    r.at = "";
    if (text.len && !decode(text, &utf8))
        e = diag_set(why, ERR_NOMEM, "the host is out of memory");
    else if (memchr(buf_str(&utf8), 0, utf8.len))
        e = fail(&r, "there is a NUL in the file");
    else {
        r.at = buf_str(&utf8);
        e = read_lines(&r);
    }
    buf_fini(&utf8);
    return e;
}

enum err registry_file_load(struct registry *registry, const char *path, struct diag *why)
{
    struct buf file;
    enum err e;

    buf_init(&file, REGISTRY_FILE_MAX);
    e = buf_read_file(&file, path, why);
    if (!e)
        e = registry_file_apply(registry, (struct bytes){file.data, file.len}, path, why);
    buf_fini(&file);
    return e;
}
