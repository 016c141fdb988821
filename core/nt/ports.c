/* Completion ports; the contract is in ports.h. */
#include "nt/ports.h"

#include <stdlib.h>

#include "nt/guest.h"
#include "nt/parts.h"
#include "nt/threads.h"

static struct packet pop(struct port *port)
{
    struct packet *first = port->first, packet = *first;

    port->first = first->next;
    if (!port->first)
        port->last = &port->first;
    port->count--;
    free(first);
    return packet;
}

static void free_port(struct object *object)
{
    struct port *port = (struct port *)object;

    while (port->first)
        (void)pop(port);
    free(port);
}

static bool port_signaled(struct object *object, const struct thread *by)
{
    (void)by;
    return ((struct port *)object)->count > 0;
}

const struct object_class port_class = {
    .name = "IoCompletion",
    .free = free_port,
    .signaled = port_signaled,
    .rights = {0x020001, 0x020002, 0x120000, 0x1f0003},
};

struct port *port_new(void)
{
    struct port *port = calloc(1, sizeof *port);

    if (!port)
        return NULL;
    object_init(&port->object, &port_class);
    port->last = &port->first;
    return port;
}

nt_status port_post(struct process *p, struct port *port, const struct packet *packet)
{
    struct packet *copy;

    if (port->count >= PORT_PACKETS_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    copy = malloc(sizeof *copy);
    if (!copy)
        return STATUS_NO_MEMORY;
    *copy = *packet;
    copy->next = NULL;
    *port->last = copy;
    port->last = &copy->next;
    port->count++;
    waits_signal(p, &port->object);
    return STATUS_SUCCESS;
}

/* FILE_IO_COMPLETION_INFORMATION: key, value, IO_STATUS_BLOCK. */
static nt_status put_entry(struct process *p, gva_t at, const struct packet *packet)
{
    uint32_t pointer = nt_pointer(p->arch);
    nt_status st = guest_put_pointer(p, at, packet->key);

    if (!st)
        st = guest_put_pointer(p, at + pointer, packet->value);
    return st ? st
              : guest_put_iosb(p, at + 2 * (gva_t)pointer, packet->status, packet->information);
}

static nt_status take_many(struct process *p, struct port *port, const struct wait_packets *to)
{
    uint32_t entry = 4 * nt_pointer(p->arch), taken = 0;
    nt_status st = STATUS_SUCCESS;

    while (!st && port->count && taken < to->room) {
        struct packet packet = pop(port);

        st = put_entry(p, to->list + (gva_t)entry * taken, &packet);
        taken++;
    }
    return st ? st : guest_put_number(p, to->taken, 4, taken);
}

static nt_status take_one(struct process *p, struct port *port, const struct wait_packets *to)
{
    struct packet packet = pop(port);
    nt_status st = guest_put_pointer(p, to->key, packet.key);

    if (!st)
        st = guest_put_pointer(p, to->value, packet.value);
    return st ? st : guest_put_iosb(p, to->io, packet.status, packet.information);
}

bool port_take(struct thread *thread, const struct wait *wait, nt_status *result)
{
    struct port *port = (struct port *)wait->objects[0];

    if (!port->count)
        return false;
    *result = wait->packets.list ? take_many(thread->process, port, &wait->packets)
                                 : take_one(thread->process, port, &wait->packets);
    return true;
}
