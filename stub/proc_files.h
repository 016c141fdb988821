/* The files of Linux' /proc that debuggers read to learn about a process, made up for the guest. */
#ifndef STUB_PROC_FILES_H
#define STUB_PROC_FILES_H

#include "session.h"

/* What is behind the path of a file of /proc; NULL when there is no such file. */
typedef void proc_file(struct stub *s, struct buf *out);
proc_file *proc_file_find(const struct stub *s, const char *path);
/* /proc/PID/auxv, which is also a document of its own. */
proc_file proc_auxv;
/* The text of the link at the path (exe, cwd); false when that is no link. */
bool proc_link(struct stub *s, const char *path, struct buf *out);

#endif
