// What the parts of AF_NETLINK share: building answers. Layer 4.
#ifndef KERNEL_NET_NETLINK_H
#define KERNEL_NET_NETLINK_H

#include "platform/abi/netlink.h"
#include "platform/base/compiler.h"
#include "platform/base/list.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kernel;
struct task;

// An answer: datagrams of whole messages. An answer that ran out of memory is marked so.
struct netlink_datagram {
    struct list node;
    uint32_t len, room;
    uint8_t data[];
};
struct netlink_answer {
    struct list datagrams;
    const struct linux_nlmsghdr *request;
    uint32_t port; // of the asker
    bool multi;    // the messages are parts of a dump
    int32_t ended; // what the end of a dump says: 0, or why there was nothing
    bool failed;
    struct netlink_datagram *open; // the last one, with a message that is not finished
    uint32_t message_at;
};

// One message: begin with its fixed part, attributes, end.
void netlink_message_begin(struct netlink_answer *a, uint16_t type, const void *fixed, size_t n);
void netlink_attr(struct netlink_answer *a, uint16_t type, const void *value, size_t n);
void netlink_attr_u32(struct netlink_answer *a, uint16_t type, uint32_t value);
void netlink_attr_text(struct netlink_answer *a, uint16_t type, const char *text);
void netlink_message_end(struct netlink_answer *a);

// A request of NETLINK_ROUTE. Adds to the answer; the result is what the acknowledgement says.
// `strict`: filters in the request count (NETLINK_GET_STRICT_CHK).
NODISCARD int netlink_route_answer(const struct linux_nlmsghdr *request, bool strict,
                                   struct netlink_answer *a);

// The same of NETLINK_SOCK_DIAG, of a socket of this kernel.
NODISCARD int netlink_diag_answer(struct kernel *kernel, const struct linux_nlmsghdr *request,
                                  struct netlink_answer *a);

// The value of an attribute in the attributes that follow `fixed` bytes of a request, or NULL.
const void *netlink_request_attr(const struct linux_nlmsghdr *request, size_t fixed, uint16_t type,
                                 size_t *n);

#endif
