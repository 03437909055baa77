#include "platform/host_net.h"
#include "platform/abi/linux_errno.h"
#include "platform/abi/socket.h"
#include "platform/host_errno.h"
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>
#if defined(__linux__)
#include <netpacket/packet.h>
#else
#include <net/if_dl.h>
#endif

// Makes room for one more element; NULL without memory.
static void *grow(void *array, size_t count, size_t size)
{
    if (count & (count - 1))
        return array; // room is the next power of two
    return realloc(array, (count ? count * 2 : 1) * size);
}

// --- Interfaces ----------------------------------------------------------------------------------

static uint32_t flags_from_host(unsigned host)
{
#if defined(__linux__)
    return host;
#else
    static const struct {
        unsigned host;
        uint32_t linux_flag;
    } map[] = {
        {IFF_UP, LINUX_IFF_UP},
        {IFF_BROADCAST, LINUX_IFF_BROADCAST},
        {IFF_LOOPBACK, LINUX_IFF_LOOPBACK},
        {IFF_POINTOPOINT, LINUX_IFF_POINTOPOINT},
        {IFF_RUNNING, LINUX_IFF_RUNNING | LINUX_IFF_LOWER_UP},
        {IFF_NOARP, LINUX_IFF_NOARP},
        {IFF_PROMISC, LINUX_IFF_PROMISC},
        {IFF_ALLMULTI, LINUX_IFF_ALLMULTI},
        {IFF_MULTICAST, LINUX_IFF_MULTICAST},
    };
    uint32_t flags = 0;
    for (size_t i = 0; i < ARRAY_LEN(map); i++)
        if (host & map[i].host)
            flags |= map[i].linux_flag;
    return flags;
#endif
}

static void link_address(const struct sockaddr *addr, struct host_interface *i)
{
    i->type = i->flags & LINUX_IFF_LOOPBACK ? LINUX_ARPHRD_LOOPBACK : LINUX_ARPHRD_NONE;
#if defined(__linux__)
    struct sockaddr_ll ll;
    if (addr->sa_family != AF_PACKET)
        return;
    memcpy(&ll, addr, sizeof ll);
    i->index = (uint32_t)ll.sll_ifindex;
    i->type = ll.sll_hatype;
    if (ll.sll_halen == sizeof i->hw_addr)
        memcpy(i->hw_addr, ll.sll_addr, sizeof i->hw_addr);
#else
    const struct sockaddr_dl *dl = (const struct sockaddr_dl *)(const void *)addr;
    if (addr->sa_family != AF_LINK || dl->sdl_alen != sizeof i->hw_addr)
        return;
    i->type = LINUX_ARPHRD_ETHER;
    memcpy(i->hw_addr, dl->sdl_data + dl->sdl_nlen, sizeof i->hw_addr);
#endif
}

static int add_interface(struct host_network *net, const struct ifaddrs *from, int probe)
{
    struct host_interface i = {.flags = flags_from_host(from->ifa_flags)};
    snprintf(i.name, sizeof i.name, "%s", from->ifa_name);
    i.index = if_nametoindex(from->ifa_name);
    if (from->ifa_addr)
        link_address(from->ifa_addr, &i);
    struct ifreq req;
    memset(&req, 0, sizeof req);
    memcpy(req.ifr_name, i.name, sizeof i.name);
    if (probe >= 0 && ioctl(probe, SIOCGIFMTU, &req) == 0)
        i.mtu = (uint32_t)req.ifr_mtu;
    struct host_interface *more = grow(net->interfaces, net->interface_count, sizeof i);
    if (!more)
        return -LINUX_ENOMEM;
    net->interfaces = more;
    more[net->interface_count++] = i;
    return 0;
}

static int by_index(const void *a, const void *b)
{
    const struct host_interface *x = a, *y = b;
    return x->index < y->index ? -1 : x->index > y->index;
}

// --- Addresses -----------------------------------------------------------------------------------

// The bytes of an internet address; 0 for other families.
static size_t address_bytes(const struct sockaddr *from, uint8_t out[16])
{
    if (from && from->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, from, sizeof in);
        memcpy(out, &in.sin_addr, 4);
        return 4;
    }
    if (from && from->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, from, sizeof in6);
        memcpy(out, &in6.sin6_addr, 16);
        return 16;
    }
    return 0;
}

static uint8_t prefix_of(const struct sockaddr *mask, sa_family_t family)
{
    uint8_t bytes[16] = {0}, len = 0;
    if (!mask)
        return family == AF_INET ? 32 : 128;
    struct sockaddr_storage copy; // a mask may come without its family
    memset(&copy, 0, sizeof copy);
    memcpy(&copy, mask,
           family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
    copy.ss_family = family;
    size_t n = address_bytes((struct sockaddr *)&copy, bytes);
    for (size_t bit = 0; bit < n * 8 && bytes[bit / 8] & (0x80 >> bit % 8); bit++)
        len++;
    return len;
}

static uint8_t scope_of(const struct host_address *a)
{
    static const uint8_t loopback6[16] = {[15] = 1};
    if (a->family == LINUX_AF_INET)
        return a->addr[0] == 127                        ? LINUX_RT_SCOPE_HOST
               : a->addr[0] == 169 && a->addr[1] == 254 ? LINUX_RT_SCOPE_LINK
                                                        : LINUX_RT_SCOPE_UNIVERSE;
    if (memcmp(a->addr, loopback6, sizeof loopback6) == 0)
        return LINUX_RT_SCOPE_HOST;
    return a->addr[0] == 0xfe && (a->addr[1] & 0xc0) == 0x80 ? LINUX_RT_SCOPE_LINK
                                                             : LINUX_RT_SCOPE_UNIVERSE;
}

static int add_address(struct host_network *net, const struct ifaddrs *from)
{
    struct host_address a = {.index = if_nametoindex(from->ifa_name)};
    size_t n = address_bytes(from->ifa_addr, a.addr);
    if (!n)
        return 0;
    a.family = n == 4 ? LINUX_AF_INET : LINUX_AF_INET6;
    a.prefix_len = prefix_of(from->ifa_netmask, from->ifa_addr->sa_family);
    a.scope = scope_of(&a);
    if (from->ifa_flags & IFF_BROADCAST)
        a.has_broadcast = address_bytes(from->ifa_broadaddr, a.broadcast) == n;
    else if (from->ifa_flags & IFF_POINTOPOINT)
        a.has_peer = address_bytes(from->ifa_dstaddr, a.peer) == n;
    struct host_address *more = grow(net->addresses, net->address_count, sizeof a);
    if (!more)
        return -LINUX_ENOMEM;
    net->addresses = more;
    more[net->address_count++] = a;
    return 0;
}

// --- Routes --------------------------------------------------------------------------------------

static int add_route(struct host_network *net, const struct host_route *route)
{
    struct host_route *more = grow(net->routes, net->route_count, sizeof *route);
    if (!more)
        return -LINUX_ENOMEM;
    net->routes = more;
    more[net->route_count++] = *route;
    return 0;
}

#if defined(__linux__)
enum { ROUTE_UP = 1, ROUTE_GATEWAY = 2 }; // RTF_*

// The fields of /proc/net/route are host-order words of network-order addresses.
static int read_routes(struct host_network *net)
{
    FILE *file = fopen("/proc/net/route", "re");
    char line[256], name[32];
    unsigned dst, gateway, flags, metric, mask;
    int err = 0;
    while (file && !err && fgets(line, sizeof line, file)) {
        struct host_route r = {.family = LINUX_AF_INET};
        if (sscanf(line, "%31s %x %x %x %*d %*d %u %x", name, &dst, &gateway, &flags, &metric,
                   &mask) != 6 ||
            !(flags & ROUTE_UP))
            continue;
        r.index = if_nametoindex(name);
        r.metric = metric;
        r.dst_len = (uint8_t)__builtin_popcount(mask);
        r.has_gateway = flags & ROUTE_GATEWAY;
        memcpy(r.dst, &dst, sizeof dst);
        memcpy(r.gateway, &gateway, sizeof gateway);
        err = add_route(net, &r);
    }
    if (file)
        fclose(file);
    return err;
}
#else
static int read_routes(struct host_network *net)
{
    int err = 0;
    for (size_t i = 0; !err && i < net->address_count; i++) {
        const struct host_address *a = &net->addresses[i];
        struct host_route r = {.index = a->index, .family = a->family, .dst_len = a->prefix_len};
        for (unsigned bit = 0; bit < a->prefix_len; bit++)
            r.dst[bit / 8] |= a->addr[bit / 8] & (uint8_t)(0x80 >> bit % 8);
        if (a->scope != LINUX_RT_SCOPE_HOST)
            err = add_route(net, &r);
    }
    return err;
}
#endif

// --- The whole -----------------------------------------------------------------------------------

int host_network_read(struct host_network *out)
{
    struct ifaddrs *list;
    memset(out, 0, sizeof *out);
    if (getifaddrs(&list))
        return errno_to_linux(errno);
    int probe = socket(AF_INET, SOCK_DGRAM, 0), err = 0;
    for (const struct ifaddrs *at = list; at && !err; at = at->ifa_next) {
        if (!host_network_find_name(out, at->ifa_name))
            err = add_interface(out, at, probe);
        if (!err && at->ifa_addr)
            err = add_address(out, at);
    }
    if (probe >= 0)
        close(probe);
    freeifaddrs(list);
    if (!err)
        err = read_routes(out);
    if (!err && out->interface_count)
        qsort(out->interfaces, out->interface_count, sizeof *out->interfaces, by_index);
    if (err)
        host_network_free(out);
    return err;
}

void host_network_free(struct host_network *net)
{
    free(net->interfaces);
    free(net->addresses);
    free(net->routes);
    memset(net, 0, sizeof *net);
}

const struct host_interface *host_network_find(const struct host_network *net, uint32_t index)
{
    for (size_t i = 0; i < net->interface_count; i++)
        if (net->interfaces[i].index == index)
            return &net->interfaces[i];
    return NULL;
}

const struct host_interface *host_network_find_name(const struct host_network *net,
                                                    const char *name)
{
    for (size_t i = 0; i < net->interface_count; i++)
        if (strcmp(net->interfaces[i].name, name) == 0)
            return &net->interfaces[i];
    return NULL;
}

const struct host_address *host_network_address(const struct host_network *net, uint32_t index,
                                                uint16_t family)
{
    for (size_t i = 0; i < net->address_count; i++)
        if (net->addresses[i].index == index && net->addresses[i].family == family)
            return &net->addresses[i];
    return NULL;
}
