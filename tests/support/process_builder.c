/* Processes for tests: temporary files, guest reads. */
#include "process_builder.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "winstub/bytes.h"

void guest_file_make(struct guest_file *file, const char *name, const void *bytes, size_t len)
{
    FILE *f;

    strcpy(file->folder, "/tmp/winstub-test-XXXXXX");
    ck_assert_ptr_nonnull(mkdtemp(file->folder));
    ck_assert_int_lt(snprintf(file->path, sizeof file->path, "%s/%s", file->folder, name),
                     (int)sizeof file->path);
    f = fopen(file->path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(bytes, 1, len, f), len);
    ck_assert_int_eq(fclose(f), 0);
}

void guest_file_remove(const struct guest_file *file)
{
    (void)unlink(file->path);
    (void)rmdir(file->folder);
}

/* process_new for these bytes under that name. */
static enum err start(const char *name, const void *bytes, size_t len,
                      struct process_options *options, struct process **out, struct diag *why)
{
    struct guest_file file;
    enum err e;

    guest_file_make(&file, name, bytes, len);
    options->path = file.path;
    e = process_new(options, out, why);
    guest_file_remove(&file);
    return e;
}

enum err try_program(const struct pe_builder *b, const struct process_options *options,
                     struct process **out, struct diag *why)
{
    struct process_options o = options ? *options : (struct process_options){0};
    struct buf file;
    enum err e;

    buf_init(&file, 1 << 20);
    pe_builder_write(b, &file);
    e = start("test.exe", file.data, file.len, &o, out, why);
    buf_fini(&file);
    return e;
}

enum err try_code(enum cpu_arch arch, const void *code, size_t len,
                  const struct process_options *options, struct process **out, struct diag *why)
{
    struct process_options o = options ? *options : (struct process_options){0};

    o.raw = true;
    o.arch = arch;
    return start("code.bin", code, len, &o, out, why);
}

struct process *build_program(const struct pe_builder *b, const struct process_options *options)
{
    struct process *p = NULL;
    struct diag why = {{0}};

    ck_assert_msg(try_program(b, options, &p, &why) == ERR_OK, "%s", why.text);
    return p;
}

struct process *build_code(enum cpu_arch arch, const void *code, size_t len,
                           const struct process_options *options)
{
    struct process *p = NULL;
    struct diag why = {{0}};

    ck_assert_msg(try_code(arch, code, len, options, &p, &why) == ERR_OK, "%s", why.text);
    return p;
}

/* size bytes at addr. */
static uint64_t guest_number(struct process *p, gva_t addr, size_t size)
{
    uint8_t raw[8] = {0};

    ck_assert_msg(vm_debug_read(process_vm(p), addr, raw, size) == size, "no memory at 0x%llx",
                  (unsigned long long)addr);
    return get_u64(raw);
}

uint16_t guest_u16(struct process *p, gva_t addr)
{
    return (uint16_t)guest_number(p, addr, 2);
}

uint32_t guest_u32(struct process *p, gva_t addr)
{
    return (uint32_t)guest_number(p, addr, 4);
}

uint64_t guest_word(struct process *p, gva_t addr)
{
    return guest_number(p, addr, cpu_get_arch(process_cpu(p)) == CPU_AMD64 ? 8 : 4);
}

const char *guest_string(struct process *p, gva_t addr, char text[512])
{
    uint16_t len = guest_u16(p, addr);
    gva_t buffer = guest_word(p, addr + (cpu_get_arch(process_cpu(p)) == CPU_AMD64 ? 8 : 4));

    ck_assert_uint_lt(len / 2, 512);
    ck_assert_uint_ge(guest_u16(p, addr + 2), len);
    for (size_t i = 0; i < len / 2u; i++)
        text[i] = (char)guest_u16(p, buffer + 2 * i);
    text[len / 2] = 0;
    return text;
}
