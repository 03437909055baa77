// The host's network interfaces, addresses and routes with Linux numbers, as a snapshot. Layer 1.
#ifndef PLATFORM_HOST_NET_H
#define PLATFORM_HOST_NET_H

#include "platform/abi/netlink.h"
#include "platform/base/compiler.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct host_interface {
    uint32_t index;
    char name[LINUX_IFNAMSIZ];
    uint32_t flags; // LINUX_IFF_*
    uint32_t mtu;
    uint16_t type; // LINUX_ARPHRD_*
    uint8_t hw_addr[6];
};

struct host_address {
    uint32_t index; // of its interface
    uint16_t family;
    uint8_t prefix_len;
    uint8_t scope; // LINUX_RT_SCOPE_*
    bool has_broadcast, has_peer;
    uint8_t addr[16], broadcast[16], peer[16]; // the first 4 bytes for AF_INET
};

struct host_route {
    uint32_t index;
    uint16_t family;
    uint8_t dst_len;
    bool has_gateway;
    uint8_t dst[16], gateway[16];
    uint32_t metric;
};

struct host_network {
    struct host_interface *interfaces; // by index
    struct host_address *addresses;
    struct host_route *routes; // what the host tells; connected networks where it tells nothing
    size_t interface_count, address_count, route_count;
};

NODISCARD int host_network_read(struct host_network *out);
void host_network_free(struct host_network *net);

const struct host_interface *host_network_find(const struct host_network *net, uint32_t index);
const struct host_interface *host_network_find_name(const struct host_network *net,
                                                    const char *name);
// The first address of an interface, or NULL.
const struct host_address *host_network_address(const struct host_network *net, uint32_t index,
                                                uint16_t family);

#endif
