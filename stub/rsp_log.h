/* Packets in the log, in the form of GDB's `set remotelogfile`, which is that of tests/transcripts. */
#ifndef STUB_RSP_LOG_H
#define STUB_RSP_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "winstub/buf.h"

/* Append bytes as GDB's log prints them: \n and the like by letter, other control bytes as \xNN. */
void rsp_log_print(struct buf *out, const uint8_t *data, size_t len);

/* One line on the rsp channel, when it is on: 'w' what the client wrote, 'r' what it will read. */
void rsp_log_line(char who, const uint8_t *data, size_t len);

#endif
