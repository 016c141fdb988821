/*
 * Frames: 4 KiB pieces of one host mapping, the arena, that hold guest memory. Frame n starts at arena
 * byte n * 4096, so a frame number is also what the CPU's answers are made of. A frame is zero when it is
 * handed out and lives while somebody holds a reference.
 */
#ifndef VM_FRAMES_H
#define VM_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "winstub/err.h"

#define FRAME_SIZE  4096u
#define FRAME_BATCH 1024u /* freed frames that are returned to the host together */
#define FRAME_NONE  0x7FFFFFFFu
#define FRAME_MOST  FRAME_NONE /* frame numbers are below this: arenas up to 8 TiB */

typedef uint32_t frame_t;

struct frames {
    uint8_t *arena;
    uint32_t limit;      /* frames in the arena */
    uint32_t fresh;      /* frames from here on were never used and are zero */
    uint32_t *state;     /* per frame: references, or FRAME_IS_FREE and the next returned frame */
    frame_t returned;    /* first of the free frames whose bytes the host took back: zero again */
    size_t dirty_count;  /* free frames that still hold their old bytes */
    uint32_t in_use;     /* frames with references */
    uint32_t shared;     /* frames with more than one */
    uint64_t references; /* all of them */
    frame_t dirty[FRAME_BATCH];
    /* Called when a frame's last reference went away. May be NULL. */
    void (*on_free)(void *ctx, frame_t frame);
    void *on_free_ctx;
};

#define FRAME_IS_FREE 0x80000000u

/* Reserve host address space for arena_size bytes (whole pages); no memory is used yet. ERR_NOMEM. */
MUST_USE enum err frames_init(struct frames *f, uint64_t arena_size);
void frames_fini(struct frames *f); /* also after a failed init, or of a zeroed struct */

/* How many frames can still be had. */
uint32_t frames_room(const struct frames *f);

/* A zeroed frame with one reference; false when the arena is full. */
MUST_USE bool frames_new(struct frames *f, frame_t *out);
/* A frame with the bytes of another and one reference; false when the arena is full. */
MUST_USE bool frames_copy(struct frames *f, frame_t from, frame_t *out);
void frames_ref(struct frames *f, frame_t frame);
/* Drop one reference; the last one frees the frame and calls on_free. */
void frames_unref(struct frames *f, frame_t frame);
uint32_t frames_refs(const struct frames *f, frame_t frame); /* 0 for a free frame */
uint8_t *frames_bytes(const struct frames *f, frame_t frame);

/* Free frames and those in use add up, free ones are listed once, the totals are right. O(frames ever used). */
bool frames_valid(const struct frames *f);

#endif
