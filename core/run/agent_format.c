/*
 * printf on the target's side. Decides what each conversion prints; where the values come from is
 * agent_eval.c's matter. Follows the GDB manual, "Commands for Controlled Output" (printf), and for what it leaves open
 * GDB's own output: %s of 0 is (null), %p of 0 is (nil), l is as wide as a value, whatever the target's long is.
 */
#include "run/agent_format.h"

#include <stdlib.h>
#include <string.h>

enum piece_kind {
    PIECE_TEXT,
    PIECE_SIGNED,
    PIECE_UNSIGNED, /* base says which */
    PIECE_POINTER,
    PIECE_CHAR,
    PIECE_STRING,
    PIECE_WIDE_CHAR, /* UTF-16, as Windows has it */
    PIECE_WIDE_STRING,
};

enum piece_flag { FLAG_LEFT = 1, FLAG_ZERO = 2, FLAG_PLUS = 4, FLAG_SPACE = 8, FLAG_PREFIX = 16 };

struct piece {
    enum piece_kind kind;
    unsigned flags;
    unsigned width;
    int precision; /* -1: none */
    unsigned bits; /* of an integer */
    unsigned base; /* of an unsigned one */
    bool upper;
    size_t text_at, text_len; /* PIECE_TEXT */
};

struct agent_format {
    struct piece *pieces;
    size_t count;
    char *text; /* what stands between the conversions, escapes resolved */
    size_t text_len;
};

/* ---- Parsing ----------------------------------------------------------------------------------------- */

struct parser {
    const uint8_t *at, *end;
    struct agent_format *format;
    struct diag *why;
};

static uint8_t peek(const struct parser *p)
{
    return p->at < p->end ? *p->at : 0;
}

static bool accept(struct parser *p, char c)
{
    if (p->at == p->end || *p->at != (uint8_t)c)
        return false;
    p->at++;
    return true;
}

/* A character between conversions; neighbours share a piece. */
static void add_text(struct agent_format *f, char c)
{
    struct piece *last = f->count ? &f->pieces[f->count - 1] : NULL;

    if (!last || last->kind != PIECE_TEXT) {
        last = &f->pieces[f->count++];
        *last = (struct piece){.kind = PIECE_TEXT, .text_at = f->text_len};
    }
    f->text[f->text_len++] = c;
    last->text_len++;
}

/* Behind a backslash. */
static enum err parse_escape(struct parser *p)
{
    static const char letters[] = "\\\"'abefnrtv";
    static const char values[] = "\\\"'\a\b\033\f\n\r\t\v";
    const char *letter = peek(p) ? strchr(letters, peek(p)) : NULL;
    unsigned octal = 0;
    unsigned digits = 0;

    if (letter) {
        p->at++;
        add_text(p->format, values[letter - letters]);
        return ERR_OK;
    }
    for (; digits < 3 && peek(p) >= '0' && peek(p) <= '7'; digits++)
        octal = octal * 8 + (unsigned)(*p->at++ - '0');
    if (!digits || octal > UINT8_MAX)
        return diag_set(p->why, ERR_FORMAT, "the format has an escape that printf does not know");
    add_text(p->format, (char)octal);
    return ERR_OK;
}

static enum err parse_number(struct parser *p, unsigned *out)
{
    *out = 0;
    while (peek(p) >= '0' && peek(p) <= '9') {
        *out = *out * 10 + (unsigned)(*p->at++ - '0');
        if (*out > AGENT_FIELD_MAX)
            return diag_set(p->why, ERR_LIMIT, "the format has a width or precision over %u",
                            AGENT_FIELD_MAX);
    }
    return ERR_OK;
}

static unsigned parse_flags(struct parser *p)
{
    static const char letters[] = "-0+ #";
    unsigned flags = 0;
    const char *letter;

    while (peek(p) && (letter = strchr(letters, peek(p)))) {
        flags |= 1u << (letter - letters);
        p->at++;
    }
    return flags;
}

/* How wide the integer is; *wide is for characters. */
static unsigned parse_size(struct parser *p, bool *wide)
{
    *wide = false;
    if (accept(p, 'h'))
        return accept(p, 'h') ? 8 : 16;
    if (accept(p, 'l')) {
        *wide = !accept(p, 'l');
        return 64;
    }
    return accept(p, 'j') || accept(p, 'z') || accept(p, 't') ? 64 : 32;
}

static enum err parse_letter(struct parser *p, struct piece *piece, bool wide)
{
    uint8_t letter = peek(p);

    piece->kind = PIECE_UNSIGNED;
    piece->base = 10;
    switch (letter) {
    case 'd':
    case 'i':
        piece->kind = PIECE_SIGNED;
        break;
    case 'u':
        break;
    case 'o':
        piece->base = 8;
        break;
    case 'x':
    case 'X':
        piece->base = 16;
        piece->upper = letter == 'X';
        break;
    case 'p':
        piece->kind = PIECE_POINTER;
        break;
    case 'c':
        piece->kind = wide ? PIECE_WIDE_CHAR : PIECE_CHAR;
        break;
    case 's':
        piece->kind = wide ? PIECE_WIDE_STRING : PIECE_STRING;
        break;
    default:
        return diag_set(p->why, letter ? ERR_UNSUPPORTED : ERR_FORMAT,
                        letter ? "the target cannot print %%%c" : "the format ends in a %%",
                        letter);
    }
    p->at++;
    return ERR_OK;
}

/* Behind a percent sign that is not followed by another. */
static enum err parse_conversion(struct parser *p)
{
    struct piece piece = {.flags = parse_flags(p), .precision = -1};
    unsigned precision;
    bool wide;
    enum err e = parse_number(p, &piece.width);

    if (!e && accept(p, '.')) {
        e = parse_number(p, &precision);
        piece.precision = (int)precision;
    }
    if (e)
        return e;
    piece.bits = parse_size(p, &wide);
    e = parse_letter(p, &piece, wide);
    if (!e)
        p->format->pieces[p->format->count++] = piece;
    return e;
}

static enum err parse(struct parser *p)
{
    enum err e = ERR_OK;

    while (!e && p->at < p->end) {
        if (accept(p, '\\'))
            e = parse_escape(p);
        else if (!accept(p, '%'))
            add_text(p->format, (char)*p->at++);
        else if (accept(p, '%'))
            add_text(p->format, '%');
        else
            e = parse_conversion(p);
    }
    return e;
}

static size_t conversions(const struct agent_format *f)
{
    size_t count = 0;

    for (size_t i = 0; i < f->count; i++)
        count += f->pieces[i].kind != PIECE_TEXT;
    return count;
}

enum err agent_format_parse(struct bytes text, size_t arg_count, struct agent_format **out,
                            struct diag *why)
{
    struct parser p = {.at = text.data, .end = text.data + text.len, .why = why};
    struct agent_format *f = calloc(1, sizeof *f);
    enum err e = ERR_NOMEM;

    if (!f)
        return ERR_NOMEM;
    p.format = f;
    /* Each piece takes a byte at least; the conversions, two, and only they part texts. */
    f->pieces = calloc(text.len + 1, sizeof *f->pieces);
    f->text = malloc(text.len + 1);
    if (f->pieces && f->text)
        e = parse(&p);
    if (!e && conversions(f) != arg_count)
        e = diag_set(why, ERR_FORMAT, "the format takes %zu values, and there are %zu",
                     conversions(f), arg_count);
    if (e) {
        agent_format_free(f);
        return e;
    }
    *out = f;
    return ERR_OK;
}

void agent_format_free(struct agent_format *format)
{
    if (!format)
        return;
    free(format->pieces);
    free(format->text);
    free(format);
}

/* ---- Printing ---------------------------------------------------------------------------------------- */

static void pad(struct buf *out, char c, size_t count)
{
    uint8_t *room = count ? buf_extend(out, count) : NULL;

    if (room)
        memset(room, c, count);
}

/* A text in its field. */
static void put_field(struct buf *out, const struct piece *p, const char *text, size_t len)
{
    size_t fill = p->width > len ? p->width - len : 0;

    if (!(p->flags & FLAG_LEFT))
        pad(out, ' ', fill);
    (void)buf_append(out, text, len);
    if (p->flags & FLAG_LEFT)
        pad(out, ' ', fill);
}

/* The digits of value, written backwards from end; where they begin. */
static char *put_digits(char *end, uint64_t value, unsigned base, bool upper)
{
    const char *digits = upper ? "0123456789ABCDEF" : "0123456789abcdef";

    for (; value; value /= base)
        *--end = digits[value % base];
    return end;
}

/* prefix, zeros, digits, in a field. */
static void put_number(struct buf *out, const struct piece *p, const char *prefix, uint64_t value,
                       unsigned base)
{
    char digits[24]; /* 64 bits in base 8 */
    char *at = put_digits(digits + sizeof digits, value, base, p->upper);
    size_t len = (size_t)(digits + sizeof digits - at);
    size_t before = strlen(prefix);
    size_t least = p->precision < 0 ? 1 : (size_t)p->precision;
    size_t zeros = len < least ? least - len : 0;
    size_t fill;

    if (p->precision < 0 && (p->flags & FLAG_ZERO) && !(p->flags & FLAG_LEFT) &&
        p->width > before + len + zeros)
        zeros = p->width - before - len;
    fill = p->width > before + zeros + len ? p->width - before - zeros - len : 0;
    if (!(p->flags & FLAG_LEFT))
        pad(out, ' ', fill);
    (void)buf_text(out, prefix);
    pad(out, '0', zeros);
    (void)buf_append(out, at, len);
    if (p->flags & FLAG_LEFT)
        pad(out, ' ', fill);
}

static void put_signed(struct buf *out, const struct piece *p, uint64_t value)
{
    unsigned unused = 64 - p->bits;
    int64_t number = (int64_t)(value << unused) / ((int64_t)1 << unused);
    const char *prefix = number < 0              ? "-"
                         : p->flags & FLAG_PLUS  ? "+"
                         : p->flags & FLAG_SPACE ? " "
                                                 : "";

    put_number(out, p, prefix, number < 0 ? 0 - (uint64_t)number : (uint64_t)number, 10);
}

static void put_unsigned(struct buf *out, const struct piece *p, uint64_t value)
{
    uint64_t number = value & (UINT64_MAX >> (64 - p->bits));
    const char *prefix = "";

    if ((p->flags & FLAG_PREFIX) && number)
        prefix = p->base == 8 ? "0" : p->base == 16 ? p->upper ? "0X" : "0x" : "";
    put_number(out, p, prefix, number, p->base);
}

/* A byte of the guest's that a terminal may see. */
static char shown(uint64_t c)
{
    return (c >= 0x20 && c != 0x7f) || c == '\n' || c == '\t' ? (char)c : '?';
}

/* A character as UTF-8, which has room for 4 bytes; how many it took. */
static size_t put_utf8(char *to, uint32_t c)
{
    if (c < 0x80) {
        to[0] = shown(c);
        return 1;
    }
    if (c < 0x800) {
        to[0] = (char)(0xc0 | c >> 6);
        to[1] = (char)(0x80 | (c & 0x3f));
        return 2;
    }
    if (c < 0x10000) {
        to[0] = (char)(0xe0 | c >> 12);
        to[1] = (char)(0x80 | (c >> 6 & 0x3f));
        to[2] = (char)(0x80 | (c & 0x3f));
        return 3;
    }
    to[0] = (char)(0xf0 | c >> 18);
    to[1] = (char)(0x80 | (c >> 12 & 0x3f));
    to[2] = (char)(0x80 | (c >> 6 & 0x3f));
    to[3] = (char)(0x80 | (c & 0x3f));
    return 4;
}

static bool is_surrogate(uint64_t unit, uint64_t first)
{
    return (unit & 0xfc00) == first;
}

static void put_character(struct buf *out, const struct piece *p, uint64_t value)
{
    char text[4];
    size_t len = 1;

    if (p->kind == PIECE_CHAR)
        text[0] = shown(value & 0xff);
    else if (is_surrogate(value, 0xd800) || is_surrogate(value, 0xdc00))
        text[0] = '?';
    else
        len = put_utf8(text, value & 0xffff);
    put_field(out, p, text, len);
}

/* What a string reader has so far. */
struct reading {
    const struct agent_env *env;
    gva_t at;
    bool broken; /* the memory ends before the string */
    size_t len;
    char text[AGENT_FIELD_MAX + 8];
};

/* Bytes up to a NUL or max of them; no read crosses 64 bytes, so none fails for a page that is not needed. */
static void read_bytes(struct reading *r, size_t max)
{
    uint8_t piece[64];

    while (r->len < max) {
        size_t want = sizeof piece - (r->at & (sizeof piece - 1));

        if (!r->env->read(r->env->ctx, r->at, piece, want)) {
            r->broken = true;
            return;
        }
        for (size_t i = 0; i < want && r->len < max; i++) {
            if (!piece[i])
                return;
            r->text[r->len++] = shown(piece[i]);
        }
        r->at += want;
    }
}

static bool read_unit(struct reading *r, uint32_t *unit)
{
    uint8_t raw[2];

    if (!r->env->read(r->env->ctx, r->at, raw, sizeof raw)) {
        r->broken = true;
        return false;
    }
    *unit = get_u16(raw);
    r->at += 2;
    return *unit != 0;
}

/* UTF-16 up to a NUL or max units. */
static void read_wide(struct reading *r, size_t max)
{
    uint32_t unit, low;
    bool have = max && read_unit(r, &unit);

    for (size_t units = 1; have && units <= max && r->len < AGENT_FIELD_MAX; units++) {
        uint32_t c = is_surrogate(unit, 0xd800) || is_surrogate(unit, 0xdc00) ? '?' : unit;
        bool more = units < max && read_unit(r, &low);

        if (more && is_surrogate(unit, 0xd800) && is_surrogate(low, 0xdc00)) {
            c = 0x10000 + ((unit & 0x3ff) << 10 | (low & 0x3ff));
            units++;
            more = units < max && read_unit(r, &low);
        }
        r->len += put_utf8(r->text + r->len, c);
        have = more;
        unit = low;
    }
}

static void put_string(struct buf *out, const struct piece *p, uint64_t value,
                       const struct agent_env *env)
{
    size_t max = p->precision < 0 ? AGENT_FIELD_MAX : (size_t)p->precision;
    struct reading r; /* large: only what is used is set */

    if (!value) {
        put_field(out, p, "(null)", 6);
        return;
    }
    r.env = env;
    r.at = value;
    r.broken = false;
    r.len = 0;
    if (p->kind == PIECE_STRING)
        read_bytes(&r, max);
    else
        read_wide(&r, max);
    put_field(out, p, r.text, r.len);
    if (r.broken)
        (void)buf_printf(out, "<no memory at 0x%" PRIx64 ">", r.at);
    else if (p->precision < 0 && r.len >= AGENT_FIELD_MAX)
        (void)buf_text(out, "...");
}

static void put_piece(struct buf *out, const struct piece *p, uint64_t value,
                      const struct agent_env *env)
{
    switch (p->kind) {
    case PIECE_SIGNED:
        put_signed(out, p, value);
        break;
    case PIECE_UNSIGNED:
        put_unsigned(out, p, value);
        break;
    case PIECE_POINTER:
        if (value)
            put_number(out, p, "0x", value, 16);
        else
            put_field(out, p, "(nil)", 5);
        break;
    case PIECE_CHAR:
    case PIECE_WIDE_CHAR:
        put_character(out, p, value);
        break;
    case PIECE_STRING:
    case PIECE_WIDE_STRING:
        put_string(out, p, value, env);
        break;
    case PIECE_TEXT:
        break;
    }
}

void agent_format_print(const struct agent_format *format, const uint64_t *args,
                        const struct agent_env *env, struct buf *out)
{
    for (size_t i = 0; i < format->count; i++) {
        const struct piece *p = &format->pieces[i];

        if (p->kind == PIECE_TEXT)
            (void)buf_append(out, format->text + p->text_at, p->text_len);
        else
            put_piece(out, p, *args++, env);
    }
}
