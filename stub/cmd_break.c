/*
 * Break- and watchpoints: Z and z. The target decides how a point works and which kinds it has;
 * client_points.c remembers what the client has set. Follows the GDB manual, "Packets".
 */
#include "handlers.h"

struct point_request {
    struct point point;
    bool known; /* a kind that the target has */
};

/* type,addr,kind: for a watchpoint kind is its length; for a breakpoint of x86 it means nothing. */
static bool read_request(struct stub *s, struct rsp_reader *in, struct point_request *req)
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
    if (!rsp_end(in))
        return false;
    if (type >= sizeof kinds / sizeof *kinds)
        return true;
    req->point.kind = kinds[type];
    req->known = s->target.ops->points(s->target.ctx) & POINT_BIT(kinds[type]);
    if (req->point.kind == POINT_BREAK_SW || req->point.kind == POINT_BREAK_HW)
        len = 1;
    req->point.len = (size_t)len;
    return len && req->point.addr + (len - 1) >= req->point.addr;
}

enum verdict cmd_point_set(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct point_request req;

    if (!read_request(s, in, &req))
        return reply_error(out, RSP_EINVAL);
    if (!req.known)
        return UNSUPPORTED;
    return reply_result(out, client_points_set(&s->points, &s->target, &req.point));
}

enum verdict cmd_point_clear(struct stub *s, struct rsp_reader *in, struct reply *out)
{
    struct point_request req;

    if (!read_request(s, in, &req))
        return reply_error(out, RSP_EINVAL);
    if (!req.known)
        return UNSUPPORTED;
    return reply_result(out, client_points_clear(&s->points, &s->target, &req.point));
}
