/*
 * Rows of named values, as a person, a program or GDB's `info os` reads them. A cell names its column, so
 * there is nothing to declare; all rows must have the same cells in the same order.
 */
#ifndef STUB_TABLE_H
#define STUB_TABLE_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"

enum table_form {
    TABLE_TEXT,   /* a line for each row, under a line of names */
    TABLE_RECORD, /* a line for each cell: name, value */
    TABLE_JSON,   /* an array of objects */
    TABLE_OBJECT, /* one object, of the only row */
    TABLE_OSDATA, /* GDB's <osdata> */
};

struct table {
    struct buf *out;
    enum table_form form;
    size_t rows;
    size_t cells;     /* of the row so far */
    struct buf names; /* the line of names, of the first row */
    struct buf line;
    size_t gap; /* spaces before the next cell */
};

/* name is that of <osdata>. What does not fit into out shows in out->failed. */
void table_begin(struct table *t, struct buf *out, enum table_form form, const char *name);
void table_row(struct table *t);
/* Cells. width is that of a TABLE_TEXT column, digits those of a number there; texts are not trusted. */
void table_text(struct table *t, const char *name, const char *text, int width);
void table_hex(struct table *t, const char *name, uint64_t value, int digits);
void table_number(struct table *t, const char *name, uint64_t value, int width);
void table_end(struct table *t);

#endif
