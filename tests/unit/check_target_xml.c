/* The target description says what the register table says: each register once, in order, with its type. */
#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "suite.h"
#include "target_xml.h"
#include "winstub/cpu.h"

static struct buf doc;

static void setup(void)
{
    buf_init(&doc, 1u << 20);
}

static void teardown(void)
{
    buf_fini(&doc);
}

/* Types that GDB has; others must be defined in the feature that uses them (gdb/target-descriptions.c). */
static bool is_builtin(const char *type)
{
    static const char *const builtin[] = {"int8",     "int16",       "int32",       "int64",
                                          "int128",   "uint8",       "uint16",      "uint32",
                                          "uint64",   "uint128",     "int",         "code_ptr",
                                          "data_ptr", "ieee_single", "ieee_double", "i387_ext"};

    for (size_t i = 0; i < sizeof builtin / sizeof *builtin; i++) {
        if (strcmp(type, builtin[i]) == 0)
            return true;
    }
    return false;
}

/* Is the type defined between the start of the feature and the register? */
static bool is_defined(const char *feature, const char *reg, const char *type)
{
    char text[100];
    const char *found;

    (void)snprintf(text, sizeof text, " id=\"%s\"", type);
    found = strstr(feature, text);
    return found && found < reg;
}

static void check_table(enum target_arch arch, const struct target_reg *regs, size_t count)
{
    const char *at, *feature = "";

    buf_clear(&doc);
    target_xml(&doc, &(struct target_xml_for){.arch = arch}, regs, count);
    ck_assert(!doc.failed);
    at = buf_str(&doc);
    for (size_t i = 0; i < count; i++) {
        char text[200];

        if (!i || strcmp(regs[i].feature, regs[i - 1].feature) != 0) {
            (void)snprintf(text, sizeof text, "<feature name=\"%s\">", regs[i].feature);
            feature = at = strstr(at, text);
            ck_assert_msg(at != NULL, "%s is missing", text);
            ck_assert_msg(!strstr(at + 1, text), "%s is there twice", text);
        }
        (void)snprintf(text, sizeof text,
                       "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\" regnum=\"%zu\"/>", regs[i].name,
                       (unsigned)regs[i].bits, regs[i].type, i);
        at = strstr(at, text);
        ck_assert_msg(at != NULL, "%s is missing", text);
        ck_assert_msg(is_builtin(regs[i].type) || is_defined(feature, at, regs[i].type),
                      "%s has an unknown type %s", regs[i].name, regs[i].type);
    }
    ck_assert(!strstr(buf_str(&doc), "osabi"));
}

START_TEST(real_tables)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(CPU_AMD64, &count);

    check_table(TARGET_AMD64, regs, count);
    ck_assert(strstr(buf_str(&doc), "<architecture>i386:x86-64</architecture>") != NULL);
    regs = cpu_regs(CPU_I386, &count);
    check_table(TARGET_I386, regs, count);
    ck_assert(strstr(buf_str(&doc), "<architecture>i386</architecture>") != NULL);
    /* GDB 13 aborts on this feature in a 32-bit description */
    ck_assert(!strstr(buf_str(&doc), "org.gnu.gdb.i386.segments"));
}
END_TEST

static void has_reg(const char *text)
{
    ck_assert_msg(strstr(buf_str(&doc), text) != NULL, "%s is missing", text);
}

/* Numbers are those of the DWARF tables in the System V ABI supplements; only LLDB is told. */
START_TEST(lldb_is_told_more)
{
    size_t count;
    const struct target_reg *regs = cpu_regs(CPU_AMD64, &count);

    target_xml(&doc, &(struct target_xml_for){.arch = TARGET_AMD64, .lldb = true}, regs, count);
    has_reg(
        "\"rip\" bitsize=\"64\" type=\"code_ptr\" regnum=\"16\" encoding=\"uint\" format=\"hex\" "
        "ehframe_regnum=\"16\" dwarf_regnum=\"16\" generic=\"pc\" altname=\"pc\"/>");
    has_reg("regnum=\"3\" encoding=\"uint\" format=\"hex\" ehframe_regnum=\"1\" dwarf_regnum=\"1\" "
            "generic=\"arg2\" altname=\"arg2\"/>");
    has_reg("encoding=\"ieee754\" format=\"float\" ehframe_regnum=\"33\" dwarf_regnum=\"33\"/>");
    has_reg(
        "encoding=\"vector\" format=\"vector-uint8\" ehframe_regnum=\"32\" dwarf_regnum=\"32\"/>");
    buf_clear(&doc);
    regs = cpu_regs(CPU_I386, &count);
    target_xml(&doc, &(struct target_xml_for){.arch = TARGET_I386, .lldb = true}, regs, count);
    has_reg(
        "\"esp\" bitsize=\"32\" type=\"data_ptr\" regnum=\"4\" encoding=\"uint\" format=\"hex\" "
        "ehframe_regnum=\"4\" dwarf_regnum=\"4\" generic=\"sp\" altname=\"sp\"/>");
    buf_clear(&doc);
    target_xml(&doc, &(struct target_xml_for){.arch = TARGET_I386}, regs, count);
    ck_assert(!strstr(buf_str(&doc), "generic"));
}
END_TEST

/* A type is defined in each feature that uses it, and only there. */
START_TEST(types_belong_to_features)
{
    static const struct target_reg regs[] = {
        {"f1", "a", "i386_eflags", 32, false},
        {"f2", "a", "i386_eflags", 32, false},
        {"x", "b", "int", 32, false},
        {"f3", "c", "i386_eflags", 32, false},
    };
    const char *at;
    int defined = 0;

    check_table(TARGET_AMD64, regs, 4);
    for (at = buf_str(&doc); (at = strstr(at, "<flags id=\"i386_eflags\"")); at++)
        defined++;
    ck_assert_int_eq(defined, 2);
}
END_TEST

START_TEST(no_registers)
{
    target_xml(&doc, &(struct target_xml_for){.arch = TARGET_I386}, NULL, 0);
    ck_assert(!strstr(buf_str(&doc), "<feature"));
    ck_assert(strstr(buf_str(&doc), "</target>\n") != NULL);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("target_xml");
    TCase *tc = tcase_create("description");

    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, real_tables);
    tcase_add_test(tc, lldb_is_told_more);
    tcase_add_test(tc, types_belong_to_features);
    tcase_add_test(tc, no_registers);
    suite_add_tcase(suite, tc);
    return suite_main(suite);
}
