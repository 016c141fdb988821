/*
 * Work on much memory at once: qSearch:memory, qCRC. GDB waits two seconds for an answer and gives up after
 * three tries, so both end with an error when they take too long. A search skips what is not there, for a
 * pattern cannot lie across it. Follows the GDB manual, "General Query Packets".
 */
#include <string.h>
#include <time.h>

#include "handlers.h"

#define PATIENCE_NS 1500000000 /* of one answer */
#define PIECE       0x10000u   /* bytes read at once */

struct deadline {
    struct timespec start;
};

static struct deadline deadline_start(void)
{
    struct deadline d;

    (void)clock_gettime(CLOCK_MONOTONIC, &d.start);
    return d;
}

static bool deadline_passed(const struct deadline *d)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (now.tv_sec - d->start.tv_sec) * 1000000000LL + (now.tv_nsec - d->start.tv_nsec) >
           PATIENCE_NS;
}

static enum verdict too_long(struct reply *out)
{
    return reply_error_text(out, RSP_E2BIG, "this takes too long: ask for less memory at a time");
}

/* How much is at addr, at most len; fills scratch from `kept` on. */
static size_t read_piece(struct stub *s, gva_t addr, size_t kept, uint64_t len)
{
    size_t want = len < PIECE ? (size_t)len : PIECE;
    size_t got = 0;

    if (s->target.ops->read(s->target.ctx, addr, s->scratch + kept, want, &got))
        return 0;
    return got;
}

/* How far it is from addr, where nothing can be read, to where it is worth trying again; 0: for ever. */
static uint64_t skip_hole(const struct stub *s, gva_t addr)
{
    struct target_region run;

    if (!s->target.ops->region || s->target.ops->region(s->target.ctx, addr, &run))
        return 0;
    return run.base + run.size - addr;
}

struct search {
    gva_t at;      /* next byte to read */
    uint64_t left; /* bytes behind it that belong to the search */
    size_t kept;   /* bytes before it that may begin a match */
};

/* Read on; true when there is more to look at. */
static bool search_advance(struct stub *s, struct search *run, size_t *got)
{
    uint64_t hole;

    while (run->left) {
        *got = read_piece(s, run->at, run->kept, run->left);
        if (*got)
            return true;
        run->kept = 0;
        hole = skip_hole(s, run->at);
        if (!hole || hole >= run->left)
            return false;
        run->at += hole;
        run->left -= hole;
    }
    return false;
}

/* The end of what was read may be the start of a match. */
static void search_keep(struct stub *s, struct search *run, size_t got, size_t pattern_len)
{
    size_t have = run->kept + got;

    run->at += got;
    run->left -= got;
    run->kept = have < pattern_len - 1 ? have : pattern_len - 1;
    memmove(s->scratch, s->scratch + have - run->kept, run->kept);
}

static enum verdict search(struct stub *s, struct reply *out, struct search *run,
                           struct bytes pattern)
{
    struct deadline deadline = deadline_start();
    size_t got;

    while (search_advance(s, run, &got)) {
        const uint8_t *found = memmem(s->scratch, run->kept + got, pattern.data, pattern.len);

        if (found)
            return reply_printf(out, "1,%" PRIx64,
                                run->at - run->kept + (gva_t)(found - s->scratch));
        if (deadline_passed(&deadline))
            return too_long(out);
        search_keep(s, run, got, pattern.len);
    }
    return reply_byte(out, '0');
}

enum verdict cmd_search(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct search run = {0};
    struct bytes pattern;

    run.at = rsp_hex_u64(in);
    rsp_expect(in, ';');
    run.left = rsp_hex_u64(in);
    rsp_expect(in, ';');
    pattern = rsp_take(in, rsp_left(in));
    if (!rsp_end(in) || !pattern.len || pattern.len > sizeof s->scratch - PIECE)
        return reply_error(out, RSP_EINVAL);
    if (run.left > UINT64_MAX - run.at)
        run.left = UINT64_MAX - run.at;
    return search(s, out, &run, pattern);
}

/* As libiberty's xcrc32: the polynomial 0x04c11db7, most significant bit first. */
static uint32_t crc_of(uint32_t crc, const uint8_t *data, size_t len)
{
    static const uint32_t nibbles[16] = {
        0x00000000, 0x04c11db7, 0x09823b6e, 0x0d4326d9, 0x130476dc, 0x17c56b6b,
        0x1a864db2, 0x1e475005, 0x2608edb8, 0x22c9f00f, 0x2f8ad6d6, 0x2b4bcb61,
        0x350c9b64, 0x31cd86d3, 0x3c8ea00a, 0x384fbdbd,
    };

    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)data[i] << 24;
        crc = crc << 4 ^ nibbles[crc >> 28];
        crc = crc << 4 ^ nibbles[crc >> 28];
    }
    return crc;
}

enum verdict cmd_crc(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct deadline deadline = deadline_start();
    gva_t addr = rsp_hex_u64(in);
    rsp_expect(in, ',');
    uint64_t len = rsp_hex_u64(in);
    uint32_t crc = UINT32_MAX;

    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    while (len) {
        size_t got = read_piece(s, addr, 0, len);

        if (!got)
            return reply_error(out, RSP_EFAULT);
        if (deadline_passed(&deadline))
            return too_long(out);
        crc = crc_of(crc, s->scratch, got);
        addr += got;
        len -= got;
    }
    return reply_printf(out, "C%" PRIx32, crc);
}
