/*
 * Threads, libraries, exec file, auxiliary vector and memory map as documents. Follows the GDB manual, "Thread List
 * Format", "Library List Format", "Library List Format for SVR4 Targets" and "Memory Map Format", and what gdb and lldb
 * do with them.
 */
#include "documents.h"

#include "paths.h"
#include "proc_files.h"
#include "target_xml.h"
#include "thread_id.h"
#include "winstub/nt.h"
#include "xml.h"

/*
 * GDB looks through its list of regions at every access. Beyond this many the map gets coarse: the last
 * region takes all that is left.
 */
#define MAP_REGIONS_MAX 4096u

#define HOST_PATH_BYTES 4096u
#define PATH_BYTES      0x20000u /* of one library; NT's paths have at most 32767 characters */

enum err document_features(struct stub *s, struct bytes annex, struct buf *doc)
{
    const struct target_reg *regs;
    struct target_info info;
    size_t count;

    if (!bytes_is_text(annex, "target.xml"))
        return ERR_NOT_FOUND;
    s->target.ops->info(s->target.ctx, &info);
    regs = session_regs(s, &count);
    target_xml(doc, &(struct target_xml_for){.arch = info.arch, .lldb = s->features.lldb}, regs,
               count);
    return ERR_OK;
}

enum err document_threads(struct stub *s, struct bytes annex, struct buf *doc)
{
    struct target_thread thread;

    if (annex.len)
        return ERR_NOT_FOUND;
    buf_text(doc, "<?xml version=\"1.0\"?>\n<threads>\n");
    for (size_t i = 0; !s->target.ops->thread(s->target.ctx, i, &thread); i++) {
        buf_text(doc, "<thread id=\"");
        thread_id_print(s, doc, thread.tid);
        if (thread.name[0]) {
            buf_text(doc, "\" name=\"");
            xml_text(doc, thread.name);
        }
        buf_text(doc, "\">");
        xml_text(doc, thread.state);
        buf_text(doc, "</thread>\n");
    }
    buf_text(doc, "</threads>\n");
    return ERR_OK;
}

/*
 * A guest path as the client opens it. A GDB that knows Windows, and LLDB, take C:/app/prog.exe; any other GDB takes
 * only what begins with '/' for a whole path, so until the client has shown what it is that is what it gets.
 */
static void path_text(const struct stub *s, struct buf *doc, const char *path)
{
    size_t from = doc->len;

    if (session_is_linux(s) || (!s->asked_tib && !s->features.lldb)) {
        unix_path(path, doc);
        return;
    }
    buf_text(doc, path);
    for (size_t i = from; i < doc->len; i++) {
        if (doc->data[i] == '\\')
            doc->data[i] = '/';
    }
}

/*
 * LLDB 14 misreads a DLL in memory whose file is laid out otherwise, and crashes, so it is told where the file is on
 * this machine; what it does not find it reads from memory after all.
 */
static void lldb_path(const struct stub *s, struct buf *doc, const char *path)
{
    char host[HOST_PATH_BYTES];

    if (s->target.ops->host_path &&
        !s->target.ops->host_path(s->target.ctx, path, host, sizeof host))
        buf_text(doc, host);
    else
        path_text(s, doc, path);
}

/*
 * GDB wants the address of the lowest section, as a segment; LLDB wants the image base, as a section, and
 * ignores segments.
 */
static void library_text(const struct stub *s, struct buf *doc, const struct target_library *lib)
{
    struct buf path;

    buf_init(&path, PATH_BYTES);
    if (s->features.lldb)
        lldb_path(s, &path, lib->path);
    else
        path_text(s, &path, lib->path);
    buf_text(doc, "<library name=\"");
    xml_text(doc, buf_str(&path));
    buf_fini(&path);
    if (s->features.lldb)
        buf_printf(doc, "\"><section address=\"0x%" PRIx64 "\"/></library>\n", lib->base);
    else
        buf_printf(doc, "\"><segment address=\"0x%" PRIx64 "\"/></library>\n", lib->first_section);
}

enum err document_libraries(struct stub *s, struct bytes annex, struct buf *doc)
{
    struct target_library lib;

    if (annex.len)
        return ERR_NOT_FOUND;
    buf_text(doc, "<?xml version=\"1.0\"?>\n<library-list>\n");
    for (size_t i = 0; !s->target.ops->library(s->target.ctx, i, &lib); i++)
        library_text(s, doc, &lib);
    buf_text(doc, "</library-list>\n");
    return ERR_OK;
}

/*
 * The libraries as Linux' linker would list them. All that GDB takes from it is where a file went from where it says
 * that it lies (l_addr); lm and l_ld only have to differ from one another.
 */
enum err document_libraries_svr4(struct stub *s, struct bytes annex, struct buf *doc)
{
    struct target_library lib;

    (void)annex; /* "start=" and "prev=" ask for parts: the whole list is always right */
    s->asked_svr4 = true;
    buf_text(doc, "<?xml version=\"1.0\"?>\n<library-list-svr4 version=\"1.0\">\n");
    for (size_t i = 0; !s->target.ops->library(s->target.ctx, i, &lib); i++) {
        struct buf path;

        buf_init(&path, PATH_BYTES);
        path_text(s, &path, lib.path);
        buf_text(doc, "<library name=\"");
        xml_text(doc, buf_str(&path));
        buf_fini(&path);
        buf_printf(doc,
                   "\" lm=\"0x%" PRIx64 "\" l_addr=\"0x%" PRIx64 "\" l_ld=\"0x%" PRIx64
                   "\" lmid=\"0x0\"/>\n",
                   lib.base, lib.base - lib.preferred, lib.base);
    }
    buf_text(doc, "</library-list-svr4>\n");
    return ERR_OK;
}

enum err document_auxv(struct stub *s, struct bytes annex, struct buf *doc)
{
    if (annex.len)
        return ERR_NOT_FOUND;
    proc_auxv(s, doc);
    return ERR_OK;
}

/* The annex is a process id in hex, or nothing for ours. */
enum err document_exec_file(struct stub *s, struct bytes annex, struct buf *doc)
{
    struct target_info info;
    struct rsp_reader in;

    rsp_reader_init(&in, annex.data, annex.len);
    if (annex.len && s->features.multiprocess && (rsp_hex_u32(&in) != s->pid || !rsp_end(&in)))
        return ERR_NOT_FOUND;
    s->target.ops->info(s->target.ctx, &info);
    path_text(s, doc, info.exec_path);
    return ERR_OK;
}

static void map_region(struct buf *doc, gva_t start, uint64_t size)
{
    buf_printf(doc, "<memory type=\"ram\" start=\"0x%" PRIx64 "\" length=\"0x%" PRIx64 "\"/>\n",
               start, size);
}

/*
 * The exact map: what is committed now. GDB refuses what becomes so later, which is why nobody gets it unasked.
 */
static void exact_map(struct stub *s, struct buf *doc)
{
    struct target_region run;
    gva_t start = 0, end = 0; /* of what is to be written */

    if (s->target.ops->region(s->target.ctx, 0, &run))
        return;
    do {
        if (run.state != MEM_COMMIT)
            continue;
        if (run.base != end) {
            if (end)
                map_region(doc, start, end - start);
            start = run.base;
        }
        end = run.base + run.size;
    } while (session_next_region(s, &run));
    if (end)
        map_region(doc, start, end - start);
}

/* Do two runs in a row belong together? */
static bool like(const struct target_region *a, const struct target_region *b)
{
    return a->state == MEM_FREE ? b->state == MEM_FREE
                                : b->state != MEM_FREE && a->allocation_base == b->allocation_base;
}

/*
 * The wide map: GDB reads it once per connection and refuses addresses outside it, so it covers the whole
 * user range, free space too, and is cut where allocations begin and end.
 */
static void wide_map(struct stub *s, struct buf *doc)
{
    struct target_region run, last;
    size_t regions = 0;
    gva_t start = 0;

    if (s->target.ops->region(s->target.ctx, 0, &run))
        return;
    for (last = run; session_next_region(s, &run); last = run) {
        if (like(&last, &run) || ++regions >= MAP_REGIONS_MAX)
            continue;
        map_region(doc, start, run.base - start);
        start = run.base;
    }
    map_region(doc, start, last.base + last.size - start);
}

/* All of it is ram: rom would keep the user from patching code. */
enum err document_memory_map(struct stub *s, struct bytes annex, struct buf *doc)
{
    if (annex.len)
        return ERR_NOT_FOUND;
    buf_text(doc, "<?xml version=\"1.0\"?>\n<memory-map>\n");
    if (s->map == STUB_MAP_EXACT)
        exact_map(s, doc);
    else
        wide_map(s, doc);
    buf_text(doc, "</memory-map>\n");
    return ERR_OK;
}
