/* Services about pipes: making and opening ends, their control codes, what can be asked of one and set. */
#include "nt/serve_pipe.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "nt/io.h"
#include "nt/machine.h"
#include "winstub/utf.h"

/* FSCTL_PIPE_* */
enum {
    CONTROL_DISCONNECT = 0x110004,
    CONTROL_LISTEN = 0x110008,
    CONTROL_WAIT = 0x110018,
    CONTROL_IMPERSONATE = 0x11001c,
    CONTROL_QUERY_CLIENT = 0x110024,
    CONTROL_GET_PIPE = 0x110028,
    CONTROL_GET_CONNECTION = 0x110030,
    CONTROL_PEEK = 0x11400c,
    CONTROL_TRANSCEIVE = 0x11c017,
};

#define PEEK_HEAD     16u /* FILE_PIPE_PEEK_BUFFER without its data */
#define PEEK_MAX      0x10000u
#define WAIT_HEAD     14u /* FILE_PIPE_WAIT_FOR_BUFFER without its name */
#define NAME_MAX_SIZE NT_STRING_MAX

bool pipe_is_file(const struct file *file)
{
    return file->kind == FILE_PIPE || file->kind == FILE_PIPE_DEVICE ||
           file->kind == FILE_PIPE_ROOT;
}

/* ---- Names ------------------------------------------------------------------------------------ */

/* What OBJECT_ATTRIBUTES mean, as far as pipes go. */
struct pipe_place {
    enum {
        PLACE_ELSEWHERE,
        PLACE_DEVICE,
        PLACE_ROOT,
        PLACE_NAME,
        PLACE_UNNAMED, /* the folder itself as a root: an anonymous pipe, or the folder */
        PLACE_SERVER,  /* the other end of that server end */
    } kind;
    const char *name;
    struct pipe_end *server;
};

static void locate_absolute(const char *path, struct pipe_place *out)
{
    static const char *const devices[] = {"\\Device\\NamedPipe", "\\??\\pipe", "\\DosDevices\\pipe",
                                          "\\GLOBAL??\\pipe"};

    for (size_t i = 0; i < sizeof devices / sizeof *devices; i++) {
        size_t len = strlen(devices[i]);

        if (strncasecmp(path, devices[i], len) != 0 || (path[len] && path[len] != '\\'))
            continue;
        out->kind = !path[len] ? PLACE_DEVICE : path[len + 1] ? PLACE_NAME : PLACE_ROOT;
        out->name = path[len] ? path + len + 1 : "";
        return;
    }
}

static nt_status locate_below(const struct file *root, const char *name, struct pipe_place *out)
{
    out->name = name;
    switch (root->kind) {
    case FILE_PIPE_ROOT:
        out->kind = *name ? PLACE_NAME : PLACE_UNNAMED;
        return STATUS_SUCCESS;
    case FILE_PIPE_DEVICE:
        return STATUS_OBJECT_NAME_INVALID;
    case FILE_PIPE:
        out->kind = PLACE_SERVER;
        out->server = root->pipe;
        return *name ? STATUS_OBJECT_NAME_INVALID : STATUS_SUCCESS;
    default:
        return STATUS_SUCCESS;
    }
}

static nt_status locate(const struct call *call, const struct attributes *attributes,
                        struct pipe_place *out)
{
    struct file *root = NULL;
    nt_status st;

    *out = (struct pipe_place){.kind = PLACE_ELSEWHERE};
    if (!attributes->root) {
        locate_absolute(attributes->name, out);
        return STATUS_SUCCESS;
    }
    st = files_get(&call->kernel->handles, attributes->root, &root);
    return st ? st : locate_below(root, attributes->name, out);
}

/* ---- Making and opening ----------------------------------------------------------------------- */

/*
 * arg: 0 handle, 1 access, 2 OBJECT_ATTRIBUTES, 3 IO_STATUS_BLOCK, 4 share, 5 disposition, 6 options, 7 type, 8 read mode,
 * 9 completion mode, 10 instances, 11 and 12 quotas, 13 timeout.
 */
static nt_status get_request(struct call *call, struct pipe_request *r)
{
    *r = (struct pipe_request){.access = (uint32_t)call->arg[1],
                               .share = (uint32_t)call->arg[4],
                               .disposition = (uint32_t)call->arg[5],
                               .options = (uint32_t)call->arg[6],
                               .type = (uint32_t)call->arg[7],
                               .read_mode = (uint32_t)call->arg[8],
                               .completion_mode = (uint32_t)call->arg[9],
                               .most = (uint32_t)call->arg[10],
                               .inbound = (uint32_t)call->arg[11],
                               .outbound = (uint32_t)call->arg[12],
                               .has_timeout = call->arg[13]};
    if (call->kernel->wine && r->disposition == DISPOSE_OVERWRITE_IF) /* so its CreateNamedPipe */
        r->disposition = DISPOSE_OPEN_IF;
    return call->arg[13] ? guest_get_number(call->process, call->arg[13], 8, &r->timeout)
                         : STATUS_SUCCESS;
}

static nt_status create(struct call *call, struct file **out, uint32_t *flags, uint32_t *how)
{
    struct attributes attributes;
    struct pipe_request request;
    struct pipe_place place;
    nt_status st = get_request(call, &request);

    if (!st)
        st = attributes_read(call->process, call->arg[2], &attributes);
    if (st)
        return st;
    *flags = attributes.flags;
    st = locate(call, &attributes, &place);
    if (!st && place.kind != PLACE_NAME && place.kind != PLACE_UNNAMED)
        st = STATUS_OBJECT_NAME_INVALID;
    if (!st)
        st = pipes_create(&call->process->machine->pipes, place.name, &request, out, how);
    attributes_fini(&attributes);
    return st;
}

nt_status serve_NtCreateNamedPipeFile(struct call *call)
{
    struct file *file = NULL;
    uint32_t flags = 0, how = 0;
    nt_status st = create(call, &file, &flags, &how);

    if (!st)
        st = service_add(call, call->arg[0], &file->object, file->access, flags);
    object_unref(file ? &file->object : NULL);
    return st ? st : io_finish(call, call->arg[3], STATUS_SUCCESS, how);
}

/* The device or its folder. */
static nt_status open_folder(enum file_kind kind, const struct file_request *request,
                             struct file **out)
{
    size_t len = strlen(PIPES_FOLDER) - (kind == FILE_PIPE_DEVICE);
    struct file *file = files_new(kind, -1, strndup(PIPES_FOLDER, len));

    if (!file)
        return STATUS_NO_MEMORY;
    file->access = files_map_access(request->access, true);
    file->options = request->options;
    *out = file;
    return STATUS_SUCCESS;
}

static nt_status open_end(const struct pipes *pipes, const char *name,
                          const struct file_request *request, struct file **out)
{
    struct pipe_end *server = NULL;
    nt_status st = pipes_find(pipes, name, &server);

    return st ? st : pipe_connect(server, request->access, request->options, out);
}

nt_status pipe_open(struct call *call, const struct attributes *attributes,
                    const struct file_request *request, bool *mine, struct file **out)
{
    struct pipe_place place;
    nt_status st = locate(call, attributes, &place);

    *mine = st || place.kind != PLACE_ELSEWHERE;
    if (st)
        return st;
    switch (place.kind) {
    case PLACE_DEVICE:
        return open_folder(FILE_PIPE_DEVICE, request, out);
    case PLACE_ROOT:
    case PLACE_UNNAMED:
        return open_folder(FILE_PIPE_ROOT, request, out);
    case PLACE_NAME:
        return open_end(&call->process->machine->pipes, place.name, request, out);
    case PLACE_SERVER:
        return pipe_connect(place.server, request->access, request->options, out);
    case PLACE_ELSEWHERE:
        break;
    }
    return STATUS_SUCCESS;
}

/* ---- Transfers -------------------------------------------------------------------------------- */

/* STATUS_PENDING: it is not this call's turn. */
static nt_status begin(struct call *call, struct file *file)
{
    if (file->kind != FILE_PIPE)
        return STATUS_INVALID_PARAMETER;
    return request_waits_its_turn(call, file) ? STATUS_PENDING : STATUS_SUCCESS;
}

nt_status pipe_transfer(struct call *call, struct file *file, enum request_kind kind)
{
    struct request *r;
    nt_status st = begin(call, file);

    if (!st)
        st = request_new(call, file, kind, &r);
    if (st)
        return st;
    r->buffer = call->arg[5];
    r->size = call->arg[6];
    if (kind == REQUEST_READ)
        pipe_read(file->pipe, r);
    else
        pipe_write(file->pipe, r);
    return request_finish(call, r);
}

nt_status pipe_serve_flush(struct call *call, struct file *file, gva_t iosb)
{
    struct request *r;
    nt_status st = begin(call, file);

    if (!st)
        st = request_new_waited(call, file, REQUEST_FLUSH, iosb, &r);
    if (st)
        return st;
    pipe_flush(file->pipe, r);
    return request_finish(call, r);
}

/* ---- Control codes ---------------------------------------------------------------------------- */

/* Why there is nothing to look at. */
static nt_status check_peek(const struct pipe_end *end)
{
    if (end->state == PIPE_CONNECTED || (end->state == PIPE_CLOSING && end->first))
        return STATUS_SUCCESS;
    if (end->state == PIPE_CLOSING)
        return STATUS_PIPE_BROKEN;
    return end->state == PIPE_DISCONNECTED && !end->server ? STATUS_PIPE_DISCONNECTED
                                                           : STATUS_INVALID_PIPE_STATE;
}

/* FILE_PIPE_PEEK_BUFFER: state, unread bytes, messages, size of the first one, data. */
static nt_status peek(struct call *call, struct pipe_end *end)
{
    uint8_t raw[PEEK_HEAD + PEEK_MAX];
    bool messages = end->pipe->type == PIPE_MESSAGES;
    uint64_t room = call->arg[9] - PEEK_HEAD;
    size_t done;
    nt_status st = call->arg[9] < PEEK_HEAD ? STATUS_INFO_LENGTH_MISMATCH : check_peek(end);

    if (st)
        return st;
    put_u32(raw, end->state);
    put_u32(raw + 4, (uint32_t)end->unread);
    put_u32(raw + 8, messages ? end->messages : 0);
    put_u32(raw + 12, messages ? (uint32_t)pipe_next_size(end) : 0);
    done = pipe_peek(end, raw + PEEK_HEAD, (size_t)(room < PEEK_MAX ? room : PEEK_MAX));
    st = guest_write(call->process, call->arg[8], raw, PEEK_HEAD + done);
    if (!st && messages && done < pipe_next_size(end))
        st = STATUS_BUFFER_OVERFLOW;
    return NT_SUCCESS(st) || st == STATUS_BUFFER_OVERFLOW
               ? request_served(call, end->file, call->arg[4], st, PEEK_HEAD + done)
               : st;
}

/* The name in FILE_PIPE_WAIT_FOR_BUFFER (timeout, length of the name, is there a timeout?, name), malloc'd. */
static nt_status get_wait(struct call *call, uint8_t head[WAIT_HEAD], char **name)
{
    struct buf utf16, utf8;
    uint32_t length;
    nt_status st = guest_read(call->process, call->arg[6], head, WAIT_HEAD);

    *name = NULL;
    length = st ? 0 : get_u32(head + 8);
    if (!st && (length % 2 || length > NAME_MAX_SIZE || length > call->arg[7] - WAIT_HEAD))
        st = STATUS_INVALID_PARAMETER;
    if (st)
        return st;
    buf_init(&utf16, NAME_MAX_SIZE);
    buf_init(&utf8, 2u * NAME_MAX_SIZE);
    st = guest_append(call->process, call->arg[6] + WAIT_HEAD, length, &utf16);
    if (!st && utf8_append_utf16(&utf8, utf16.data, utf16.len / 2))
        *name = strdup(buf_str(&utf8));
    buf_fini(&utf16);
    buf_fini(&utf8);
    return st ? st : *name ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

static nt_status wait_for_instance(struct call *call, struct file *file)
{
    uint8_t head[WAIT_HEAD];
    struct request *r;
    char *name;
    nt_status st = call->arg[7] < WAIT_HEAD ? STATUS_INVALID_PARAMETER : STATUS_SUCCESS;

    if (file->kind != FILE_PIPE_ROOT)
        return STATUS_ILLEGAL_FUNCTION;
    if (st)
        return st;
    st = get_wait(call, head, &name);
    if (!st)
        st = request_new(call, file, REQUEST_WAIT_PIPE, &r);
    if (!st)
        pipes_wait(&call->process->machine->pipes, r, name, head[12], get_u64(head));
    free(name);
    return st ? st : request_finish(call, r);
}

static nt_status listen(struct call *call, struct file *file)
{
    struct request *r;
    nt_status st = request_new(call, file, REQUEST_LISTEN, &r);

    if (st)
        return st;
    pipe_listen(file->pipe, r);
    return request_finish(call, r);
}

static nt_status transceive(struct call *call, struct file *file)
{
    struct request *r;
    nt_status st = guest_probe(call->process, call->arg[8], call->arg[9], VM_WRITE);

    if (!st)
        st = request_new(call, file, REQUEST_TRANSCEIVE, &r);
    if (st)
        return st;
    r->buffer = call->arg[8];
    r->size = call->arg[9];
    pipe_transceive(file->pipe, r, call->arg[6], call->arg[7]);
    return request_finish(call, r);
}

/* An attribute by its name, an ASCII string: both ends are this process's. */
static nt_status get_attribute(struct call *call, struct file *file)
{
    static const char *const names[] = {"ClientProcessId", "ServerProcessId", "ClientSessionId",
                                        "ServerSessionId"};
    char name[sizeof "ClientProcessId"] = {0};
    uint64_t size = call->arg[7] < sizeof name - 1 ? call->arg[7] : sizeof name - 1;
    nt_status st = guest_read(call->process, call->arg[6], name, (size_t)size);

    if (st)
        return st;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0)
            continue;
        if (call->arg[9] < 4)
            return STATUS_INFO_LENGTH_MISMATCH;
        st = guest_put_number(call->process, call->arg[8], 4,
                              i < 2 ? process_pid(call->process) : 1);
        return st ? st : request_served(call, file, call->arg[4], STATUS_SUCCESS, 4);
    }
    return STATUS_INVALID_PARAMETER;
}

/* What the device and its folder answer. */
static nt_status control_folder(struct call *call, struct file *file)
{
    switch (call->arg[5]) {
    case CONTROL_WAIT:
        return wait_for_instance(call, file);
    case CONTROL_LISTEN:
    case CONTROL_IMPERSONATE:
        return STATUS_ILLEGAL_FUNCTION;
    case CONTROL_DISCONNECT:
    case CONTROL_TRANSCEIVE:
        return STATUS_PIPE_DISCONNECTED;
    case CONTROL_PEEK:
    case CONTROL_QUERY_CLIENT:
    case CONTROL_GET_PIPE:
    case CONTROL_GET_CONNECTION:
        return STATUS_INVALID_PARAMETER;
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

nt_status pipe_control(struct call *call, struct file *file)
{
    nt_status st;

    if (request_waits_its_turn(call, file))
        return STATUS_PENDING;
    if (file->kind != FILE_PIPE)
        return control_folder(call, file);
    switch (call->arg[5]) {
    case CONTROL_LISTEN:
        return listen(call, file);
    case CONTROL_DISCONNECT:
        st = pipe_disconnect(file->pipe);
        return st ? st : request_served(call, file, call->arg[4], STATUS_SUCCESS, 0);
    case CONTROL_PEEK:
        return peek(call, file->pipe);
    case CONTROL_TRANSCEIVE:
        return transceive(call, file);
    case CONTROL_IMPERSONATE: /* the client is the same user as the server */
        if (!file->pipe->server)
            return STATUS_ILLEGAL_FUNCTION;
        return request_served(call, file, call->arg[4], STATUS_SUCCESS, 0);
    case CONTROL_GET_PIPE:
    case CONTROL_GET_CONNECTION:
        return get_attribute(call, file);
    case CONTROL_WAIT:
        return STATUS_ILLEGAL_FUNCTION;
    default:
        return STATUS_NOT_SUPPORTED;
    }
}

/* ---- What can be asked and set ----------------------------------------------------------------- */

static void put(struct buf *out, uint64_t value, size_t size)
{
    uint8_t raw[8];

    put_u64(raw, value);
    (void)buf_append(out, raw, size);
}

/* FILE_PIPE_LOCAL_INFORMATION */
static void put_local(const struct pipe_end *end, struct buf *out)
{
    put(out, end->pipe->type, 4);
    put(out, end->pipe->configuration, 4);
    put(out, end->pipe->most, 4);
    put(out, end->pipe->count, 4);
    put(out, end->inbound, 4);
    put(out, end->unread, 4);
    put(out, end->outbound, 4);
    put(out, pipe_room(end), 4);
    put(out, end->state, 4);
    put(out, end->server, 4);
}

/* FILE_STANDARD_INFORMATION; a pipe is always about to go. */
static void put_standard(const struct pipe_end *end, struct buf *out)
{
    put(out, (uint64_t)end->inbound + end->outbound, 8);
    put(out, end->unread, 8);
    put(out, 1, 4);
    put(out, 1, 1);
    put(out, 0, 3);
}

static void put_name(const struct pipe_end *end, struct buf *out)
{
    struct buf text;

    buf_init(&text, 2u * NAME_MAX_SIZE);
    (void)utf16_append(&text, "\\");
    (void)utf16_append(&text, end->pipe->name);
    put(out, text.len, 4);
    (void)buf_append(out, text.data, text.len);
    buf_fini(&text);
}

/* Bytes that a class takes at least; rights of which the handle must have one. 0 bytes: pipes have nothing of their own to say. */
static size_t query_size(uint64_t class, uint32_t *access)
{
    *access = ACCESS_ALL_OF_FILE;
    switch (class) {
    case INFO_PIPE:
        *access = ACCESS_READ_ATTRIBUTES;
        return 8;
    case INFO_PIPE_LOCAL:
        *access = ACCESS_READ_ATTRIBUTES;
        return 40;
    case INFO_PIPE_REMOTE:
        *access = ACCESS_READ_ATTRIBUTES;
        return 16;
    case INFO_BASIC:
        return 40;
    case INFO_STANDARD:
        return 24;
    case INFO_NAME:
        return 8;
    default:
        return 0;
    }
}

static void put_class(const struct pipe_end *end, uint64_t class, struct buf *out)
{
    switch (class) {
    case INFO_PIPE:
        put(out, end->read_mode, 4);
        put(out, end->at_once, 4);
        break;
    case INFO_PIPE_LOCAL:
        put_local(end, out);
        break;
    case INFO_STANDARD:
        put_standard(end, out);
        break;
    case INFO_NAME:
        put_name(end, out);
        break;
    case INFO_BASIC: /* times that nobody keeps, and attributes */
        (void)buf_extend(out, 32);
        put(out, ATTRIBUTE_NORMAL, 8);
        break;
    default: /* INFO_PIPE_REMOTE: nothing is collected before it is sent */
        (void)buf_extend(out, 16);
        break;
    }
}

nt_status pipe_query(const struct call *call, const struct file *file, struct buf *out)
{
    const struct handle *entry = handles_entry(&call->kernel->handles, call->arg[0]);
    uint32_t access;
    size_t size = query_size(call->arg[4], &access);

    if (!size)
        return STATUS_INVALID_INFO_CLASS;
    if (call->arg[3] < size)
        return STATUS_INFO_LENGTH_MISMATCH;
    if (access != ACCESS_ALL_OF_FILE && !(entry->access & access))
        return STATUS_ACCESS_DENIED;
    if (file->kind != FILE_PIPE)
        return STATUS_INVALID_PARAMETER;
    if (file->pipe->state == PIPE_DISCONNECTED && !file->pipe->server)
        return STATUS_PIPE_DISCONNECTED;
    put_class(file->pipe, call->arg[4], out);
    return STATUS_SUCCESS;
}

nt_status pipe_set_modes(struct pipe_end *end, uint32_t read_mode, uint32_t completion_mode)
{
    if (read_mode > end->pipe->type || completion_mode > 1)
        return STATUS_INVALID_PARAMETER;
    if (end->state == PIPE_DISCONNECTED && !end->server)
        return STATUS_PIPE_DISCONNECTED;
    if (completion_mode && !end->at_once && end->file->requests)
        return STATUS_PIPE_BUSY;
    end->read_mode = read_mode;
    end->at_once = completion_mode;
    return STATUS_SUCCESS;
}
