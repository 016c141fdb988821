/* The tables that `monitor` and `info os` show. */
#ifndef STUB_TABLES_H
#define STUB_TABLES_H

#include "monitor.h"

/* Fill one table with its rows. */
typedef void table_fill(const struct stub *s, struct table *t);

/* Runs of pages in Windows' words, free ones left out. */
table_fill table_vads;
table_fill table_threads;
/* The program first. */
table_fill table_modules;
/* The debugged one and those beside it. */
table_fill table_processes;
table_fill table_handles;

/* `info os`: a document_make (session.h). The annex names a table; without one it is the table of tables. */
enum err document_osdata(struct stub *s, struct bytes annex, struct buf *doc);

/* As monitor commands. */
MONITOR(monitor_vads);
MONITOR(monitor_processes);
MONITOR(monitor_threads);
MONITOR(monitor_modules);
MONITOR(monitor_handles);

#endif
