// The questions of netdevice(7) about interfaces, which any socket answers. The interfaces are the
// host's; what would change them is refused.
#include "kernel/net/socket_internal.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/netlink.h"
#include "platform/host_net.h"
#include <string.h>

enum { SIOC_FIRST = 0x8910, SIOC_LAST = 0x89ff }; // interfaces, ARP, routes

// A socket address of 16 bytes; other than AF_INET ones do not fit.
static void put_inet(struct linux_ifreq *req, const uint8_t addr[4])
{
    struct linux_sockaddr_in in = {.family = LINUX_AF_INET};
    memcpy(in.addr, addr, sizeof in.addr);
    memcpy(req->bytes, &in, sizeof in);
}

static int interface_address(const struct host_network *net, const struct host_interface *i,
                             uint32_t cmd, struct linux_ifreq *req)
{
    static const uint8_t any[4];
    uint8_t mask[4] = {0};
    const struct host_address *a = host_network_address(net, i->index, LINUX_AF_INET);
    if (!a)
        return -LINUX_EADDRNOTAVAIL;
    for (unsigned bit = 0; bit < a->prefix_len; bit++)
        mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    switch (cmd) {
    case LINUX_SIOCGIFADDR:
        put_inet(req, a->addr);
        break;
    case LINUX_SIOCGIFNETMASK:
        put_inet(req, mask);
        break;
    case LINUX_SIOCGIFBRDADDR:
        put_inet(req, a->has_broadcast && a->scope != LINUX_RT_SCOPE_HOST ? a->broadcast : any);
        break;
    default:
        put_inet(req, a->has_peer ? a->peer : a->addr);
        break;
    }
    return 0;
}

static int interface_answer(const struct host_network *net, uint32_t cmd, struct linux_ifreq *req)
{
    const struct host_interface *i = cmd == LINUX_SIOCGIFNAME
                                         ? host_network_find(net, (uint32_t)req->number)
                                         : host_network_find_name(net, req->name);
    if (!i)
        return -LINUX_ENODEV;
    switch (cmd) {
    case LINUX_SIOCGIFNAME:
        memcpy(req->name, i->name, sizeof req->name);
        return 0;
    case LINUX_SIOCGIFINDEX:
        req->number = (int32_t)i->index;
        return 0;
    case LINUX_SIOCGIFFLAGS:
        req->flags = (int16_t)i->flags;
        return 0;
    case LINUX_SIOCGIFMTU:
        req->number = (int32_t)i->mtu;
        return 0;
    case LINUX_SIOCGIFMETRIC:
        req->number = 0;
        return 0;
    case LINUX_SIOCGIFTXQLEN:
        req->number = 1000;
        return 0;
    case LINUX_SIOCGIFMAP:
        memset(req->bytes, 0, sizeof req->bytes);
        return 0;
    case LINUX_SIOCGIFHWADDR:
        memset(req->bytes, 0, 16);
        memcpy(req->bytes, &i->type, sizeof i->type);
        memcpy(req->bytes + sizeof i->type, i->hw_addr, sizeof i->hw_addr);
        return 0;
    default:
        return interface_address(net, i, cmd, req);
    }
}

// SIOCGIFCONF: the AF_INET addresses, as many as fit; without room, how much there would be.
static int list_addresses(struct task *task, const struct host_network *net, uaddr_t arg)
{
    struct linux_ifconf conf;
    int err = user_get(task, arg, &conf);
    int32_t used = 0;
    for (size_t n = 0; !err && n < net->address_count; n++) {
        const struct host_address *a = &net->addresses[n];
        const struct host_interface *i = host_network_find(net, a->index);
        struct linux_ifreq req = {.number = 0};
        if (a->family != LINUX_AF_INET || !i)
            continue;
        if (conf.req) {
            if (conf.len - used < (int32_t)sizeof req)
                break;
            memcpy(req.name, i->name, sizeof req.name);
            put_inet(&req, a->addr);
            err = user_put(task, conf.req + (uint32_t)used, &req);
        }
        used += (int32_t)sizeof req;
    }
    conf.len = used;
    return err ? err : user_put(task, arg, &conf);
}

static bool is_question(uint32_t cmd)
{
    switch (cmd) {
    case LINUX_SIOCGIFNAME:
    case LINUX_SIOCGIFFLAGS:
    case LINUX_SIOCGIFADDR:
    case LINUX_SIOCGIFDSTADDR:
    case LINUX_SIOCGIFBRDADDR:
    case LINUX_SIOCGIFNETMASK:
    case LINUX_SIOCGIFMETRIC:
    case LINUX_SIOCGIFMTU:
    case LINUX_SIOCGIFHWADDR:
    case LINUX_SIOCGIFINDEX:
    case LINUX_SIOCGIFTXQLEN:
    case LINUX_SIOCGIFMAP:
        return true;
    default:
        return false;
    }
}

int net_ioctl(struct task *task, uint32_t cmd, uaddr_t arg)
{
    struct host_network net;
    struct linux_ifreq req;
    if (cmd < SIOC_FIRST || cmd > SIOC_LAST)
        return -LINUX_ENOTTY;
    if (cmd != LINUX_SIOCGIFCONF && !is_question(cmd))
        return -LINUX_EPERM;
    int err = cmd == LINUX_SIOCGIFCONF ? 0 : user_get(task, arg, &req);
    if (!err)
        err = host_network_read(&net);
    if (err)
        return err;
    if (cmd == LINUX_SIOCGIFCONF) {
        err = list_addresses(task, &net, arg);
    } else {
        req.name[sizeof req.name - 1] = '\0';
        err = interface_answer(&net, cmd, &req);
        if (!err)
            err = user_put(task, arg, &req);
    }
    host_network_free(&net);
    return err;
}
