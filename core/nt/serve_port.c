/* Services about completion ports. */
#include "nt/ports.h"
#include "nt/services.h"
#include "nt/threads.h"

enum { PORT_QUERY = 1, PORT_MODIFY = 2 };

/* The concurrency that arg 3 asks for is always one here. */
nt_status serve_NtCreateIoCompletion(struct call *call)
{
    struct port *port = port_new();

    return service_create(call, port ? &port->object : NULL);
}

nt_status serve_NtOpenIoCompletion(struct call *call)
{
    return service_open(call, &port_class);
}

/* arg: 0 port, from `first` on key, value, status, information. */
static nt_status post(struct call *call, unsigned first)
{
    const struct packet packet = {.key = call->arg[first],
                                  .value = call->arg[first + 1],
                                  .status = (nt_status)call->arg[first + 2],
                                  .information = call->arg[first + 3]};
    struct object *port = NULL;
    nt_status st = service_object(call, call->arg[0], &port_class, PORT_MODIFY, &port);

    return st ? st : port_post(call->process, (struct port *)port, &packet);
}

nt_status serve_NtSetIoCompletion(struct call *call)
{
    return post(call, 1);
}

/* arg 1 is a packet reserved in advance; there is always room for one here. */
nt_status serve_NtSetIoCompletionEx(struct call *call)
{
    return post(call, 2);
}

static nt_status remove_packets(struct call *call, gva_t timeout, struct wait *wait)
{
    struct object *port = NULL;
    nt_status st = service_object(call, call->arg[0], &port_class, PORT_MODIFY, &port);

    if (!st)
        st = wait_deadline(call->process, timeout, &wait->until);
    if (st)
        return st;
    wait->kind = WAIT_PORT;
    wait->objects[wait->count++] = port;
    return service_wait(call, wait);
}

nt_status serve_NtRemoveIoCompletion(struct call *call)
{
    struct wait wait = {
        .packets = {.key = call->arg[1], .value = call->arg[2], .io = call->arg[3]}};

    return remove_packets(call, call->arg[4], &wait);
}

/* arg: 0 port, 1 list, 2 its room, 3 how many were taken, 4 timeout, 5 alertable. */
nt_status serve_NtRemoveIoCompletionEx(struct call *call)
{
    struct wait wait = {
        .alertable = call->arg[5],
        .packets = {.list = call->arg[1], .room = (uint32_t)call->arg[2], .taken = call->arg[3]}};
    uint64_t bytes = 4 * (uint64_t)nt_pointer(call->process->arch) * call->arg[2];
    nt_status st;

    if (!call->arg[1] || !call->arg[2])
        return STATUS_INVALID_PARAMETER;
    st = guest_probe(call->process, call->arg[1], bytes, VM_WRITE);
    if (st)
        return st;
    return remove_packets(call, call->arg[4], &wait);
}

/* IO_COMPLETION_BASIC_INFORMATION */
static nt_status query_port(struct call *call, struct nt_block *out)
{
    struct object *port = NULL;
    nt_status st = service_object(call, call->arg[0], &port_class, PORT_QUERY, &port);

    if (!st)
        service_put(out, 4, ((struct port *)port)->count);
    return st;
}

nt_status serve_NtQueryIoCompletion(struct call *call)
{
    if (call->arg[1])
        return STATUS_INVALID_INFO_CLASS;
    return service_query(call, query_port);
}
