// NETLINK_ROUTE: links, addresses and routes are the host's, read when asked. What would change
// them is refused: the network is not the guest's.
#include "kernel/net/netlink.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/socket.h"
#include "platform/host_net.h"
#include <string.h>

static size_t address_len(uint16_t family)
{
    return family == LINUX_AF_INET ? 4 : 16;
}

// --- Links ---------------------------------------------------------------------------------------

static void put_link(struct netlink_answer *a, const struct host_interface *i)
{
    enum { OPER_UNKNOWN = 0, OPER_DOWN = 2, OPER_UP = 6, QUEUE_LEN = 1000 };
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    static const uint8_t nobody[6];
    bool loopback = i->flags & LINUX_IFF_LOOPBACK;
    const struct linux_ifinfomsg info = {
        .type = i->type, .index = (int32_t)i->index, .flags = i->flags};
    uint8_t state = loopback ? OPER_UNKNOWN : i->flags & LINUX_IFF_LOWER_UP ? OPER_UP : OPER_DOWN;
    netlink_message_begin(a, LINUX_RTM_NEWLINK, &info, sizeof info);
    netlink_attr_text(a, LINUX_IFLA_IFNAME, i->name);
    netlink_attr_u32(a, LINUX_IFLA_TXQLEN, QUEUE_LEN);
    netlink_attr(a, LINUX_IFLA_OPERSTATE, &state, sizeof state);
    netlink_attr_u32(a, LINUX_IFLA_MTU, i->mtu);
    netlink_attr_u32(a, LINUX_IFLA_GROUP, 0);
    if (i->type == LINUX_ARPHRD_ETHER || loopback) {
        netlink_attr(a, LINUX_IFLA_ADDRESS, i->hw_addr, sizeof i->hw_addr);
        netlink_attr(a, LINUX_IFLA_BROADCAST, loopback ? nobody : everybody, sizeof everybody);
    }
    netlink_attr_text(a, LINUX_IFLA_QDISC, loopback ? "noqueue" : "fq_codel");
    netlink_message_end(a);
}

static int get_link(const struct linux_nlmsghdr *request, const struct host_network *net,
                    struct netlink_answer *a)
{
    struct linux_ifinfomsg want = {.index = 0};
    size_t n;
    if (a->multi) {
        for (size_t i = 0; i < net->interface_count; i++)
            put_link(a, &net->interfaces[i]);
        return 0;
    }
    if (request->len < sizeof *request + sizeof want)
        return -LINUX_EINVAL;
    memcpy(&want, request + 1, sizeof want);
    const char *name = netlink_request_attr(request, sizeof want, LINUX_IFLA_IFNAME, &n);
    const struct host_interface *found = NULL;
    if (want.index > 0)
        found = host_network_find(net, (uint32_t)want.index);
    else if (name && n > 0 && memchr(name, '\0', n))
        found = host_network_find_name(net, name);
    else
        return -LINUX_EINVAL;
    if (!found)
        return -LINUX_ENODEV;
    put_link(a, found);
    return 0;
}

// --- Addresses -----------------------------------------------------------------------------------

static void put_address(struct netlink_answer *a, const struct host_network *net,
                        const struct host_address *at)
{
    size_t n = address_len(at->family);
    const struct linux_ifaddrmsg msg = {.family = (uint8_t)at->family,
                                        .prefix_len = at->prefix_len,
                                        .flags = LINUX_IFA_F_PERMANENT,
                                        .scope = at->scope,
                                        .index = at->index};
    static const struct {
        uint32_t preferred, valid, created, updated;
    } forever = {UINT32_MAX, UINT32_MAX, 0, 0};
    const struct host_interface *i = host_network_find(net, at->index);
    netlink_message_begin(a, LINUX_RTM_NEWADDR, &msg, sizeof msg);
    netlink_attr(a, LINUX_IFA_ADDRESS, at->has_peer ? at->peer : at->addr, n);
    if (at->family == LINUX_AF_INET || at->has_peer)
        netlink_attr(a, LINUX_IFA_LOCAL, at->addr, n);
    if (at->has_broadcast && at->family == LINUX_AF_INET && at->scope != LINUX_RT_SCOPE_HOST)
        netlink_attr(a, LINUX_IFA_BROADCAST, at->broadcast, n);
    if (at->family == LINUX_AF_INET && i)
        netlink_attr_text(a, LINUX_IFA_LABEL, i->name);
    netlink_attr_u32(a, LINUX_IFA_FLAGS, LINUX_IFA_F_PERMANENT);
    netlink_attr(a, LINUX_IFA_CACHEINFO, &forever, sizeof forever);
    netlink_message_end(a);
}

// A family without a table of its own means all of them, as none does.
static uint8_t known_family(uint8_t family)
{
    return family == LINUX_AF_INET || family == LINUX_AF_INET6 ? family : 0;
}

static int get_addresses(const struct linux_nlmsghdr *request, const struct host_network *net,
                         bool strict, struct netlink_answer *a)
{
    static const uint16_t families[] = {LINUX_AF_INET, LINUX_AF_INET6};
    struct linux_ifaddrmsg want = {.index = 0};
    if (!a->multi)
        return -LINUX_EOPNOTSUPP;
    if (request->len >= sizeof *request + sizeof want)
        memcpy(&want, request + 1, sizeof want);
    else if (request->len > sizeof *request)
        memcpy(&want, request + 1, 1); // the family alone, as old programs send
    want.family = known_family(want.family);
    if (strict && want.index && !host_network_find(net, want.index))
        a->ended = -LINUX_ENODEV;
    for (size_t f = 0; f < ARRAY_LEN(families); f++)
        for (size_t i = 0; i < net->address_count; i++) {
            const struct host_address *at = &net->addresses[i];
            bool family = at->family == families[f] && (!want.family || want.family == families[f]);
            if (family && (!strict || !want.index || want.index == at->index))
                put_address(a, net, at);
        }
    return 0;
}

// --- Routes --------------------------------------------------------------------------------------

static int get_routes(const struct linux_nlmsghdr *request, const struct host_network *net,
                      struct netlink_answer *a)
{
    struct linux_rtmsg want = {.family = 0};
    if (!a->multi)
        return -LINUX_EOPNOTSUPP;
    if (request->len > sizeof *request)
        memcpy(&want, request + 1, 1);
    want.family = known_family(want.family);
    for (size_t i = 0; i < net->route_count; i++) {
        const struct host_route *r = &net->routes[i];
        const struct linux_rtmsg msg = {
            .family = (uint8_t)r->family,
            .dst_len = r->dst_len,
            .table = LINUX_RT_TABLE_MAIN,
            .protocol = r->has_gateway ? LINUX_RTPROT_BOOT : LINUX_RTPROT_KERNEL,
            .scope = r->has_gateway ? LINUX_RT_SCOPE_UNIVERSE : LINUX_RT_SCOPE_LINK,
            .type = LINUX_RTN_UNICAST};
        size_t n = address_len(r->family);
        if (want.family && want.family != r->family)
            continue;
        netlink_message_begin(a, LINUX_RTM_NEWROUTE, &msg, sizeof msg);
        netlink_attr_u32(a, LINUX_RTA_TABLE, LINUX_RT_TABLE_MAIN);
        if (r->dst_len)
            netlink_attr(a, LINUX_RTA_DST, r->dst, n);
        if (r->metric)
            netlink_attr_u32(a, LINUX_RTA_PRIORITY, r->metric);
        if (r->has_gateway)
            netlink_attr(a, LINUX_RTA_GATEWAY, r->gateway, n);
        netlink_attr_u32(a, LINUX_RTA_OIF, r->index);
        netlink_message_end(a);
    }
    return 0;
}

int netlink_route_answer(const struct linux_nlmsghdr *request, bool strict,
                         struct netlink_answer *a)
{
    enum { KIND_MASK = 3, KIND_GET = 2 }; // the low bits of a type: new, delete, get, set
    struct host_network net;
    if (request->type > LINUX_RTM_MAX)
        return -LINUX_EOPNOTSUPP;
    if (request->len == sizeof *request) { // as if it were not there
        a->multi = false;
        return 0;
    }
    if ((request->type & KIND_MASK) != KIND_GET)
        return -LINUX_EPERM;
    if (request->type == LINUX_RTM_GETNEIGH)
        return a->multi ? 0 : -LINUX_EOPNOTSUPP; // neighbours are the host's business
    int err = host_network_read(&net);
    if (err)
        return err;
    switch (request->type) {
    case LINUX_RTM_GETLINK:
        err = get_link(request, &net, a);
        break;
    case LINUX_RTM_GETADDR:
        err = get_addresses(request, &net, strict, a);
        break;
    case LINUX_RTM_GETROUTE:
        err = get_routes(request, &net, a);
        break;
    default:
        err = -LINUX_EOPNOTSUPP;
        break;
    }
    host_network_free(&net);
    return err;
}
