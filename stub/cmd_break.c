/*
 * Break- and watchpoints: Z and z. The target decides how a point works and which kinds it has, and judges
 * conditions and commands; client_points.c remembers what the client has set. Follows the GDB manual, "Packets".
 */
#include "handlers.h"

#define AGENTS_MAX 256 /* conditions of one breakpoint, and commands */

struct point_request {
    struct point point;
    bool known; /* a kind that the target has */
};

/* Expressions as they stand in the packet, their bytes in the stub's scratch. */
struct agent_list {
    struct bytes list[AGENTS_MAX];
    size_t count;
};

struct agent_request {
    struct agent_list conditions;
    struct agent_list commands;
    size_t used; /* of the scratch */
};

static bool is_breakpoint(const struct point *p)
{
    return p->kind == POINT_BREAK_SW || p->kind == POINT_BREAK_HW;
}

/* type,addr,kind: for a watchpoint kind is its length; for a breakpoint of x86 it means nothing. */
static bool read_point(struct stub *s, struct rsp_reader *in, struct point_request *req)
{
    static const enum point_kind kinds[] = {POINT_BREAK_SW, POINT_BREAK_HW, POINT_WRITE, POINT_READ,
                                            POINT_ACCESS};
    uint64_t type = rsp_hex_u64(in);
    uint64_t len;

    *req = (struct point_request){0};
    rsp_expect(in, ',');
    req->point.addr = rsp_hex_u64(in);
    rsp_expect(in, ',');
    len = rsp_hex_u64(in);
    if (in->bad)
        return false;
    if (type >= sizeof kinds / sizeof *kinds)
        return true;
    req->point.kind = kinds[type];
    req->known = s->target.ops->points(s->target.ctx) & POINT_BIT(kinds[type]);
    if (is_breakpoint(&req->point))
        len = 1;
    req->point.len = (size_t)len;
    return len && req->point.addr + (len - 1) >= req->point.addr;
}

/* Xlen,bytes, any number of them without anything between. */
static void read_agents(struct stub *s, struct rsp_reader *in, struct agent_list *to, size_t *used)
{
    while (rsp_accept(in, 'X')) {
        uint64_t len = rsp_hex_u64(in);
        uint8_t *bytes = s->scratch + *used;

        rsp_expect(in, ',');
        if (to->count == AGENTS_MAX || len > rsp_left(in) / 2) {
            (void)rsp_fail(in);
            return;
        }
        rsp_hex_bytes(in, bytes, (size_t)len); /* half of a packet: the scratch holds it */
        to->list[to->count++] = (struct bytes){bytes, (size_t)len};
        *used += (size_t)len;
    }
}

/* [;conditions][;cmds:persist,commands] */
static void read_tail(struct stub *s, struct rsp_reader *in, struct point *point,
                      struct agent_request *agents)
{
    while (rsp_accept(in, ';')) {
        struct agent_list *to = &agents->conditions;
        size_t before;

        if (rsp_accept_text(in, "cmds:")) {
            to = &agents->commands;
            point->persist = rsp_hex_u64(in) != 0;
            rsp_expect(in, ',');
        }
        before = to->count;
        read_agents(s, in, to, &agents->used);
        if (to->count == before)
            (void)rsp_fail(in);
    }
}

static enum verdict set_point(struct stub *s, struct reply *out, const struct point *point,
                              const struct agent_request *request)
{
    const struct target_agent agent = {
        .conditions = request->conditions.list,
        .condition_count = request->conditions.count,
        .commands = request->commands.list,
        .command_count = request->commands.count,
    };
    struct diag why = {{0}};
    enum err e = client_points_set(&s->points, &s->target, point, &agent, &why);

    if (e && why.text[0])
        return reply_error_text(out, e == ERR_NOMEM ? RSP_ENOMEM : RSP_EINVAL, why.text);
    return reply_result(out, e);
}

enum verdict cmd_point_set(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct point_request req;
    struct agent_request agents; /* large: only what is used is set */

    agents.conditions.count = agents.commands.count = agents.used = 0;
    if (!read_point(s, in, &req))
        return reply_error(out, RSP_EINVAL);
    if (session_has_agent(s) && req.known && is_breakpoint(&req.point))
        read_tail(s, in, &req.point, &agents);
    if (!rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (!req.known)
        return UNSUPPORTED;
    return set_point(s, out, &req.point, &agents);
}

enum verdict cmd_point_clear(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct point_request req;

    if (!read_point(s, in, &req) || !rsp_end(in))
        return reply_error(out, RSP_EINVAL);
    if (!req.known)
        return UNSUPPORTED;
    return reply_result(out, client_points_clear(&s->points, &s->target, &req.point));
}
