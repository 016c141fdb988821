/* What the services about files leave to pipes. The structures are ntifs.h's. */
#ifndef CORE_NT_SERVE_PIPE_H
#define CORE_NT_SERVE_PIPE_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/files.h"
#include "nt/requests.h"
#include "nt/services.h"
#include "winstub/buf.h"

/* Is it an end of a pipe, their device, or its folder? */
bool pipe_is_file(const struct file *file);

/*
 * NtCreateFile of a pipe, the device or its folder: connect to a server end that listens. *out has one reference.
 * *mine false: the attributes name something else. pipes_find's and pipe_connect's statuses; STATUS_OBJECT_NAME_INVALID
 */
MUST_USE nt_status pipe_open(struct call *call, const struct attributes *attributes,
                             const struct file_request *request, bool *mine, struct file **out);

/* NtReadFile, NtWriteFile. arg: 5 buffer, 6 length. */
MUST_USE nt_status pipe_transfer(struct call *call, struct file *file, enum request_kind kind);
/* NtFlushBuffersFile(Ex). */
MUST_USE nt_status pipe_serve_flush(struct call *call, struct file *file, gva_t iosb);
/* NtFsControlFile. arg: 5 code, 6 input, 7 its length, 8 output, 9 its length. */
MUST_USE nt_status pipe_control(struct call *call, struct file *file);

/* The answer to NtQueryInformationFile. STATUS_INVALID_INFO_CLASS: not one that is different for pipes. */
MUST_USE nt_status pipe_query(const struct call *call, const struct file *file, struct buf *out);
/* FILE_PIPE_INFORMATION: what reading gives, and whether anything is waited for. */
MUST_USE nt_status pipe_set_modes(struct pipe_end *end, uint32_t read_mode,
                                  uint32_t completion_mode);

#endif
