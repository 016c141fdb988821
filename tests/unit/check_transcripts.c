/*
 * Golden transcripts, in the form of GDB's `set remotelogfile`: "c" a note, "w" what gdb wrote, "r" what gdb
 * read. "c disable NAME" takes a packet or feature away, as --disable-packet does, "c map KIND" and "c persona WHICH" are
 * those options; "c scene" is fake_target_scene. Each file of tests/transcripts is one connection to the fake target (i386 when its name says so). The bytes
 * of "w" lines are fed, a guest that they resume runs (unless the next line begins with an interrupt), and all that the stub sends must be the "r" lines. With WINSTUB_GOLDEN set the "r" lines are rewritten instead (make golden).
 */
#include <check.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_target.h"
#include "handlers.h"
#include "packets.h"
#include "rsp_frame.h"
#include "rsp_log.h"
#include "suite.h"
#include "winstub/stub.h"

#define PATTERN  TEST_DIR "/transcripts/*.rsp"
#define FILE_MAX (4u << 20)

static glob_t files;

struct session {
    struct fake_target *target;
    struct stub *stub;
    struct buf sent;   /* what the stub sent since the last "w", as log text */
    struct buf wanted; /* what the "r" lines say */
    struct buf golden; /* the file with its "r" lines rewritten */
    unsigned number;   /* of the current line */
    unsigned line;     /* of the "w" that is being answered */
};

static void session_open(struct session *t, const char *path)
{
    struct target target;

    t->target = fake_target_new(strstr(path, "i386") ? TARGET_I386 : TARGET_AMD64);
    t->target->budget = 100000;
    target = fake_target_ref(t->target);
    ck_assert_int_eq(stub_new(&target, &t->stub), ERR_OK);
    stub_set_launcher(t->stub, fake_launch, t->target);
    buf_init(&t->sent, FILE_MAX);
    buf_init(&t->wanted, FILE_MAX);
    buf_init(&t->golden, FILE_MAX);
    t->number = 0;
    t->line = 0;
}

static void session_close(struct session *t)
{
    stub_free(t->stub);
    fake_target_free(t->target);
    buf_fini(&t->sent);
    buf_fini(&t->wanted);
    buf_fini(&t->golden);
}

/* The bytes of a "w" line. */
static void decode(struct buf *out, const char *text)
{
    static const char letters[] = "bfnrtv";
    static const char values[] = "\b\f\n\r\t\v";

    while (*text) {
        const char *letter = text[0] == '\\' && text[1] ? strchr(letters, text[1]) : NULL;
        unsigned byte;

        if (letter) {
            buf_byte(out, (uint8_t)values[letter - letters]);
            text += 2;
        } else if (text[0] == '\\' && text[1] == 'x' && sscanf(text + 2, "%2x", &byte) == 1) {
            buf_byte(out, (uint8_t)byte);
            text += 4;
        } else {
            buf_byte(out, (uint8_t)*text++);
        }
    }
}

/* The "r" lines as they should be: one for each frame. */
static void write_golden(struct session *t, const char *at)
{
    while (*at) {
        const char *hash = strchr(at, '#');
        size_t len = hash && strlen(hash) >= 3 ? (size_t)(hash + 3 - at) : strlen(at);

        buf_printf(&t->golden, "r %.*s\n", (int)len, at);
        at += len;
    }
}

/* Let the guest run, take what the stub sends. */
static void collect(struct session *t)
{
    size_t before = t->sent.len;
    size_t len;
    const uint8_t *out;

    while (stub_wants_run(t->stub))
        stub_run(t->stub);
    out = stub_output(t->stub, &len);
    rsp_log_print(&t->sent, out, len);
    stub_sent(t->stub, len);
    write_golden(t, buf_str(&t->sent) + before);
}

/* A "w" with its "r" lines is over. */
static void compare(struct session *t, const char *path)
{
    if (!t->line)
        return;
    if (!getenv("WINSTUB_GOLDEN"))
        ck_assert_msg(strcmp(buf_str(&t->sent), buf_str(&t->wanted)) == 0,
                      "%s:%u: wanted\n  %s\nand got\n  %s", path, t->line, buf_str(&t->wanted),
                      buf_str(&t->sent));
    buf_clear(&t->sent);
    buf_clear(&t->wanted);
    t->line = 0;
}

/* The bytes of a "w" line. A guest that they resume waits for the interrupt that comes next. */
static void play_write(struct session *t, const char *text, bool interrupt_next)
{
    struct buf bytes;

    buf_init(&bytes, FILE_MAX);
    decode(&bytes, text);
    stub_feed(t->stub, bytes.data, bytes.len);
    buf_fini(&bytes);
    if (!interrupt_next || !stub_wants_run(t->stub))
        collect(t);
}

/* A note that is an option of the program. */
static void play_note(struct session *t, const char *path, const char *text)
{
    if (strncmp(text, "disable ", 8) == 0)
        ck_assert_msg(!stub_disable(t->stub, text + 8), "%s:%u: no such packet", path, t->number);
    else if (strcmp(text, "scene") == 0)
        fake_target_scene(t->target);
    else if (strcmp(text, "map exact") == 0)
        stub_set_map(t->stub, STUB_MAP_EXACT);
    else if (strcmp(text, "map none") == 0)
        stub_set_map(t->stub, STUB_MAP_NONE);
    else if (strcmp(text, "persona linux") == 0)
        stub_set_persona(t->stub, STUB_PERSONA_LINUX);
    else if (strcmp(text, "persona windows") == 0)
        stub_set_persona(t->stub, STUB_PERSONA_WINDOWS);
}

static void play_line(struct session *t, const char *path, const char *line, const char *next)
{
    ++t->number;
    ck_assert_msg(line[0] && strchr("cwr", line[0]) && line[1] == ' ', "%s:%u: neither c, w nor r",
                  path, t->number);
    if (line[0] == 'r') {
        buf_text(&t->wanted, line + 2);
        return;
    }
    compare(t, path);
    buf_printf(&t->golden, "%s\n", line);
    if (line[0] == 'c') {
        play_note(t, path, line + 2);
        return;
    }
    t->line = t->number;
    play_write(t, line + 2, next && strncmp(next, "w \\x03", 6) == 0);
}

static void load(struct buf *file, const char *path)
{
    struct diag why;

    buf_init(file, FILE_MAX);
    ck_assert_msg(!buf_read_file(file, path, &why), "%s", why.text);
}

static void save(const char *path, const struct buf *text)
{
    FILE *f = fopen(path, "wb");

    ck_assert(f != NULL);
    ck_assert_uint_eq(fwrite(text->data, 1, text->len, f), text->len);
    ck_assert_int_eq(fclose(f), 0);
}

START_TEST(transcript)
{
    const char *path = files.gl_pathv[_i];
    struct session t;
    struct buf file;
    char *next;

    load(&file, path);
    session_open(&t, path);
    next = (char *)file.data;
    while (next && *next) {
        char *line = strsep(&next, "\n");

        play_line(&t, path, line, next);
    }
    compare(&t, path);
    if (getenv("WINSTUB_GOLDEN"))
        save(path, &t.golden);
    session_close(&t);
    buf_fini(&file);
}
END_TEST

struct coverage {
    bool rows[256];    /* of the packet table */
    bool commands[64]; /* of `monitor` */
};

/* The command of a qRcmd body, in hex. */
static void mark_command(struct coverage *seen, struct bytes hex)
{
    char text[100] = "";
    struct rsp_reader in;
    const char *name;

    rsp_reader_init(&in, hex.data, hex.len);
    rsp_hex_bytes(&in, text, hex.len / 2 < sizeof text ? hex.len / 2 : sizeof text - 1);
    text[strcspn(text, " ")] = 0;
    for (size_t i = 0; (name = monitor_name(i)); i++)
        seen->commands[i] |= strcmp(name, text) == 0;
}

static void mark_packet(struct coverage *seen, const struct rsp_frame *f)
{
    const struct packet *p = packets_find(f->body, f->len);
    size_t name_len = p ? strlen(p->name) : 0;

    if (!p)
        return;
    seen->rows[p - packets_row(0)] = true;
    if (p->handler == cmd_monitor)
        mark_command(seen, (struct bytes){f->body + name_len, f->len - name_len});
}

/* Mark what the "w" lines of a file call for. */
static void mark_file(struct coverage *seen, const char *path)
{
    struct rsp_frame *frame = malloc(sizeof *frame);
    struct buf file, bytes;
    char *next;

    load(&file, path);
    buf_init(&bytes, FILE_MAX);
    next = (char *)file.data;
    while (next && *next) {
        char *line = strsep(&next, "\n");

        if (line[0] == 'w')
            decode(&bytes, line + 2);
    }
    rsp_frame_init(frame);
    for (size_t at = 0; at < bytes.len;) {
        enum rsp_event event;

        at += rsp_frame_feed(frame, bytes.data + at, bytes.len - at, &event);
        if (event == RSP_PACKET)
            mark_packet(seen, frame);
    }
    buf_fini(&file);
    buf_fini(&bytes);
    free(frame);
}

START_TEST(all_packets_and_commands_are_there)
{
    struct coverage seen = {0};
    const struct packet *p;
    const char *name;

    for (size_t i = 0; i < files.gl_pathc; i++)
        mark_file(&seen, files.gl_pathv[i]);
    for (size_t i = 0; (p = packets_row(i)); i++)
        ck_assert_msg(seen.rows[i], "no transcript sends the packet %s", p->name);
    for (size_t i = 0; (name = monitor_name(i)); i++)
        ck_assert_msg(seen.commands[i], "no transcript sends monitor %s", name);
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("transcripts");
    TCase *tc = tcase_create("golden");
    int result;

    if (glob(PATTERN, 0, NULL, &files)) {
        (void)fprintf(stderr, "no %s\n", PATTERN);
        return EXIT_FAILURE;
    }
    tcase_add_loop_test(tc, transcript, 0, (int)files.gl_pathc);
    tcase_add_test(tc, all_packets_and_commands_are_there);
    suite_add_tcase(suite, tc);
    result = suite_main(suite);
    globfree(&files);
    return result;
}
