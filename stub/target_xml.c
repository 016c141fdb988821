/*
 * The target description. Decides nothing about registers: names, order and sizes are the table's. Adds the
 * types by which GDB prints flags and vectors. There is no <osabi>: "Windows" breaks every GDB that was
 * built without Windows support, and the others have it as their default. Follows the GDB manual, "Target
 * Descriptions", and what gdb/i386-tdep.c accepts.
 */
#include "target_xml.h"

#include <string.h>

#include "lldb_regs.h"

struct xml_field {
    const char *name;
    unsigned start, end; /* bits, inclusive */
};

static const struct xml_field eflags_fields[] = {
    {"CF", 0, 0},    {"", 1, 1},     {"PF", 2, 2},   {"AF", 4, 4},   {"ZF", 6, 6},
    {"SF", 7, 7},    {"TF", 8, 8},   {"IF", 9, 9},   {"DF", 10, 10}, {"OF", 11, 11},
    {"NT", 14, 14},  {"RF", 16, 16}, {"VM", 17, 17}, {"AC", 18, 18}, {"VIF", 19, 19},
    {"VIP", 20, 20}, {"ID", 21, 21},
};

static const struct xml_field mxcsr_fields[] = {
    {"IE", 0, 0},   {"DE", 1, 1},   {"ZE", 2, 2},   {"OE", 3, 3},   {"UE", 4, 4},
    {"PE", 5, 5},   {"DAZ", 6, 6},  {"IM", 7, 7},   {"DM", 8, 8},   {"ZM", 9, 9},
    {"OM", 10, 10}, {"UM", 11, 11}, {"PM", 12, 12}, {"FZ", 15, 15},
};

static void flags_type(struct buf *doc, const char *id, const struct xml_field *fields,
                       size_t count)
{
    buf_printf(doc, "<flags id=\"%s\" size=\"4\">\n", id);
    for (size_t i = 0; i < count; i++)
        buf_printf(doc, "<field name=\"%s\" start=\"%u\" end=\"%u\"/>\n", fields[i].name,
                   fields[i].start, fields[i].end);
    buf_text(doc, "</flags>\n");
}

static void eflags_type(struct buf *doc)
{
    flags_type(doc, "i386_eflags", eflags_fields, sizeof eflags_fields / sizeof *eflags_fields);
}

static void mxcsr_type(struct buf *doc)
{
    flags_type(doc, "i386_mxcsr", mxcsr_fields, sizeof mxcsr_fields / sizeof *mxcsr_fields);
}

/* The seven views of an SSE register. */
static void vec128_type(struct buf *doc)
{
    static const struct {
        const char *id, *type, *field;
        unsigned count;
    } views[] = {
        {"v4f", "ieee_single", "v4_float", 4}, {"v2d", "ieee_double", "v2_double", 2},
        {"v16i8", "int8", "v16_int8", 16},     {"v8i16", "int16", "v8_int16", 8},
        {"v4i32", "int32", "v4_int32", 4},     {"v2i64", "int64", "v2_int64", 2},
    };

    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        buf_printf(doc, "<vector id=\"%s\" type=\"%s\" count=\"%u\"/>\n", views[i].id,
                   views[i].type, views[i].count);
    buf_text(doc, "<union id=\"vec128\">\n");
    for (size_t i = 0; i < sizeof views / sizeof *views; i++)
        buf_printf(doc, "<field name=\"%s\" type=\"%s\"/>\n", views[i].field, views[i].id);
    buf_text(doc, "<field name=\"uint128\" type=\"uint128\"/>\n</union>\n");
}

/* Types that GDB does not know by itself; a feature that uses one defines it. */
static const struct {
    const char *id;
    void (*define)(struct buf *doc);
} types[] = {
    {"i386_eflags", eflags_type},
    {"i386_mxcsr", mxcsr_type},
    {"vec128", vec128_type},
};

/* How many registers from regs[from] on are of the same feature? */
static size_t feature_len(const struct target_reg *regs, size_t from, size_t count)
{
    size_t i = from;

    while (i < count && strcmp(regs[i].feature, regs[from].feature) == 0)
        i++;
    return i - from;
}

static void define_types(struct buf *doc, const struct target_reg *regs, size_t count)
{
    for (size_t t = 0; t < sizeof types / sizeof *types; t++) {
        for (size_t i = 0; i < count; i++) {
            if (strcmp(regs[i].type, types[t].id) == 0) {
                types[t].define(doc);
                break;
            }
        }
    }
}

static void reg_text(struct buf *doc, const struct target_xml_for *whom,
                     const struct target_reg *reg, size_t number)
{
    buf_printf(doc, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%zu\"", reg->name,
               (unsigned)reg->bits, reg->type, number);
    if (whom->lldb)
        lldb_reg_attributes(doc, whom->arch, reg);
    buf_text(doc, "/>\n");
}

static void feature(struct buf *doc, const struct target_xml_for *whom,
                    const struct target_reg *regs, size_t from, size_t count)
{
    buf_printf(doc, "<feature name=\"%s\">\n", regs[from].feature);
    define_types(doc, regs + from, count);
    for (size_t i = from; i < from + count; i++)
        reg_text(doc, whom, &regs[i], i);
    buf_text(doc, "</feature>\n");
}

void target_xml(struct buf *doc, const struct target_xml_for *whom, const struct target_reg *regs,
                size_t count)
{
    size_t len;

    buf_text(doc, "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
                  "<target version=\"1.0\">\n");
    buf_printf(doc, "<architecture>%s</architecture>\n",
               whom->arch == TARGET_AMD64 ? "i386:x86-64" : "i386");
    for (size_t from = 0; from < count; from += len) {
        len = feature_len(regs, from, count);
        feature(doc, whom, regs, from, len);
    }
    buf_text(doc, "</target>\n");
}
