/* Completion ports: queues of packets that threads wait for. Packets come from NtSetIoCompletion and from finished I/O. */
#ifndef CORE_NT_PORTS_H
#define CORE_NT_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "nt/handles.h"
#include "winstub/gva.h"

struct process;
struct thread;
struct wait;

#define PORT_PACKETS_MAX 65536u

/* Key and value are what the guest gave for the file and the request. */
struct packet {
    struct packet *next;
    uint64_t key, value, information;
    nt_status status;
};

struct port {
    struct object object;
    struct packet *first, **last; /* last: where the next one goes */
    uint32_t count;
};
extern const struct object_class port_class;

struct port *port_new(void); /* NULL when memory is short */
/* Add a packet (next is not looked at); who waits gets it. STATUS_NO_MEMORY, STATUS_INSUFFICIENT_RESOURCES */
MUST_USE nt_status port_post(struct process *p, struct port *port, const struct packet *packet);
/*
 * End the WAIT_PORT of the thread with the packets that are there; false when there are none. *result also says when
 * the guest's memory could not be written.
 */
bool port_take(struct thread *thread, const struct wait *wait, nt_status *result);

#endif
