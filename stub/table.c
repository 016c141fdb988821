/*
 * Tables in their forms. Numbers are hexadecimal texts in JSON where they are addresses, since JSON readers
 * lose digits of large numbers. Follows RFC 8259 and the GDB manual, "General Query Packets", qXfer:osdata.
 */
#include "table.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "json.h"
#include "xml.h"

#define LINE_MAX_BYTES 4096u

void table_begin(struct table *t, struct buf *out, enum table_form form, const char *name)
{
    *t = (struct table){.out = out, .form = form};
    buf_init(&t->names, LINE_MAX_BYTES);
    buf_init(&t->line, LINE_MAX_BYTES);
    if (form == TABLE_JSON)
        buf_text(out, "[");
    if (form == TABLE_OSDATA)
        buf_printf(out, "<?xml version=\"1.0\"?>\n<osdata type=\"%s\">\n", name);
}

/* What is left of TABLE_TEXT's row, and the names before the first. */
static void text_row_end(struct table *t)
{
    if (t->rows == 1)
        buf_printf(t->out, "%s\n", buf_str(&t->names));
    buf_printf(t->out, "%s\n", buf_str(&t->line));
    buf_clear(&t->names);
    buf_clear(&t->line);
}

static void row_end(struct table *t)
{
    if (!t->rows)
        return;
    switch (t->form) {
    case TABLE_TEXT:
        text_row_end(t);
        break;
    case TABLE_RECORD:
        break;
    case TABLE_JSON:
    case TABLE_OBJECT:
        buf_text(t->out, "}");
        break;
    case TABLE_OSDATA:
        buf_text(t->out, "</item>\n");
        break;
    }
}

void table_row(struct table *t)
{
    row_end(t);
    if (t->form == TABLE_JSON || t->form == TABLE_OBJECT)
        buf_text(t->out, t->rows ? ",\n{" : "{");
    if (t->form == TABLE_OSDATA)
        buf_text(t->out, "<item>");
    t->rows++;
    t->cells = 0;
    t->gap = 0;
}

/* A cell of a line: the spaces that the one before left open, then the text. */
static void text_cell(struct buf *line, size_t gap, const char *text)
{
    buf_printf(line, "%*s%s", (int)gap, "", text);
}

static size_t gap_behind(int width, const char *text)
{
    size_t len = strlen(text);

    return ((size_t)width > len ? (size_t)width - len : 0) + 1;
}

static void cell(struct table *t, const char *name, const char *text, int width, bool quoted)
{
    size_t names_len = t->names.len;

    switch (t->form) {
    case TABLE_TEXT:
        if (t->rows == 1) /* a name may be wider than its column, a value may be too */
            text_cell(&t->names,
                      t->line.len + t->gap > names_len ? t->line.len + t->gap - names_len
                                                       : names_len != 0,
                      name);
        text_cell(&t->line, t->gap, text);
        t->gap = gap_behind(width, text);
        break;
    case TABLE_RECORD:
        buf_printf(t->out, "%-25s %s\n", name, text);
        break;
    case TABLE_JSON:
    case TABLE_OBJECT:
        buf_text(t->out, t->cells ? ", " : "");
        json_text(t->out, name);
        buf_text(t->out, ": ");
        if (quoted)
            json_text(t->out, text);
        else
            buf_text(t->out, text);
        break;
    case TABLE_OSDATA:
        buf_printf(t->out, "<column name=\"%s\">", name);
        xml_text(t->out, text);
        buf_text(t->out, "</column>");
        break;
    }
    t->cells++;
}

void table_text(struct table *t, const char *name, const char *text, int width)
{
    cell(t, name, text, width, true);
}

void table_hex(struct table *t, const char *name, uint64_t value, int digits)
{
    char text[32];

    (void)snprintf(text, sizeof text, "0x%0*" PRIx64, t->form == TABLE_TEXT ? digits : 1, value);
    cell(t, name, text, digits + 2, true);
}

void table_number(struct table *t, const char *name, uint64_t value, int width)
{
    char text[32];

    (void)snprintf(text, sizeof text, "%" PRIu64, value);
    cell(t, name, text, width, false);
}

void table_end(struct table *t)
{
    row_end(t);
    if (t->form == TABLE_JSON)
        buf_text(t->out, "]\n");
    if (t->form == TABLE_OBJECT)
        buf_text(t->out, "\n");
    if (t->form == TABLE_OSDATA)
        buf_text(t->out, "</osdata>\n");
    buf_fini(&t->names);
    buf_fini(&t->line);
}
