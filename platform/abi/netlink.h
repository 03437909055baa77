// Netlink and network interfaces as Linux ARM64 numbers them: netlink(7), rtnetlink(7),
// netdevice(7). Layer 0.
#ifndef PLATFORM_ABI_NETLINK_H
#define PLATFORM_ABI_NETLINK_H

#include <stdint.h>

enum { LINUX_NETLINK_ROUTE = 0, LINUX_NETLINK_SOCK_DIAG = 4, LINUX_NETLINK_KOBJECT_UEVENT = 15 };
enum { LINUX_SOL_NETLINK = 270 };

// Options at LINUX_SOL_NETLINK.
enum {
    LINUX_NETLINK_ADD_MEMBERSHIP = 1,
    LINUX_NETLINK_DROP_MEMBERSHIP = 2,
    LINUX_NETLINK_PKTINFO = 3,
    LINUX_NETLINK_BROADCAST_ERROR = 4,
    LINUX_NETLINK_NO_ENOBUFS = 5,
    LINUX_NETLINK_CAP_ACK = 10,
    LINUX_NETLINK_EXT_ACK = 11,
    LINUX_NETLINK_GET_STRICT_CHK = 12,
};

struct linux_sockaddr_nl {
    uint16_t family, pad;
    uint32_t pid, groups;
};
_Static_assert(sizeof(struct linux_sockaddr_nl) == 12, "netlink(7)");

struct linux_nlmsghdr {
    uint32_t len; // header included
    uint16_t type, flags;
    uint32_t seq, pid;
};
_Static_assert(sizeof(struct linux_nlmsghdr) == 16, "netlink(7)");

enum { LINUX_NLMSG_NOOP = 1, LINUX_NLMSG_ERROR = 2, LINUX_NLMSG_DONE = 3, LINUX_NLMSG_MIN = 16 };
enum {
    LINUX_NLM_F_REQUEST = 1,
    LINUX_NLM_F_MULTI = 2,
    LINUX_NLM_F_ACK = 4,
    LINUX_NLM_F_ROOT = 0x100,
    LINUX_NLM_F_MATCH = 0x200,
    LINUX_NLM_F_CAPPED = 0x100, // on NLMSG_ERROR
};

struct linux_nlattr {
    uint16_t len, type; // header included
};

enum {
    LINUX_RTM_NEWLINK = 16,
    LINUX_RTM_GETLINK = 18,
    LINUX_RTM_NEWADDR = 20,
    LINUX_RTM_GETADDR = 22,
    LINUX_RTM_NEWROUTE = 24,
    LINUX_RTM_GETROUTE = 26,
    LINUX_RTM_GETNEIGH = 30,
    LINUX_RTM_MAX = 119,
};

// sock_diag(7)
enum { LINUX_SOCK_DIAG_BY_FAMILY = 20, LINUX_SOCK_DESTROY = 21 };

struct linux_inet_diag_sockid {
    uint16_t sport, dport; // in network order
    uint32_t src[4], dst[4];
    uint32_t interface;
    uint32_t cookie[2]; // ~0: any
};
struct linux_inet_diag_req {
    uint8_t family, protocol, extensions, pad;
    uint32_t states; // a bit for each
    struct linux_inet_diag_sockid id;
};
_Static_assert(sizeof(struct linux_inet_diag_req) == 56, "sock_diag(7)");
struct linux_inet_diag_msg {
    uint8_t family, state, timer, retransmits;
    struct linux_inet_diag_sockid id;
    uint32_t expires, receive_queue, send_queue, uid, inode;
};
_Static_assert(sizeof(struct linux_inet_diag_msg) == 72, "sock_diag(7)");
enum { LINUX_INET_DIAG_REQ_BYTECODE = 1, LINUX_INET_DIAG_REQ_PROTOCOL = 3 }; // of a request
enum {                                                                       // of an answer
    LINUX_INET_DIAG_MEMINFO = 1,
    LINUX_INET_DIAG_INFO = 2,
    LINUX_INET_DIAG_CONG = 4,
    LINUX_INET_DIAG_TOS = 5,
    LINUX_INET_DIAG_TCLASS = 6,
    LINUX_INET_DIAG_SKMEMINFO = 7,
    LINUX_INET_DIAG_SHUTDOWN = 8,
    LINUX_INET_DIAG_PROTOCOL = 10,
    LINUX_INET_DIAG_SKV6ONLY = 11,
};

struct linux_unix_diag_req {
    uint8_t family, protocol;
    uint16_t pad;
    uint32_t states, inode, show; // show: a bit for each attribute
    uint32_t cookie[2];
};
_Static_assert(sizeof(struct linux_unix_diag_req) == 24, "sock_diag(7)");
struct linux_unix_diag_msg {
    uint8_t family, type, state, pad;
    uint32_t inode, cookie[2];
};
_Static_assert(sizeof(struct linux_unix_diag_msg) == 16, "sock_diag(7)");
enum {
    LINUX_UNIX_DIAG_NAME = 0,
    LINUX_UNIX_DIAG_VFS = 1,
    LINUX_UNIX_DIAG_PEER = 2,
    LINUX_UNIX_DIAG_ICONS = 3,
    LINUX_UNIX_DIAG_RQLEN = 4,
    LINUX_UNIX_DIAG_MEMINFO = 5,
    LINUX_UNIX_DIAG_SHUTDOWN = 6,
};

struct linux_ifinfomsg {
    uint8_t family, pad;
    uint16_t type;
    int32_t index;
    uint32_t flags, change;
};
_Static_assert(sizeof(struct linux_ifinfomsg) == 16, "rtnetlink(7)");

enum {
    LINUX_IFLA_ADDRESS = 1,
    LINUX_IFLA_BROADCAST = 2,
    LINUX_IFLA_IFNAME = 3,
    LINUX_IFLA_MTU = 4,
    LINUX_IFLA_QDISC = 6,
    LINUX_IFLA_TXQLEN = 13,
    LINUX_IFLA_OPERSTATE = 16,
    LINUX_IFLA_LINKMODE = 17,
    LINUX_IFLA_GROUP = 27,
};

struct linux_ifaddrmsg {
    uint8_t family, prefix_len, flags, scope;
    uint32_t index;
};
_Static_assert(sizeof(struct linux_ifaddrmsg) == 8, "rtnetlink(7)");

enum {
    LINUX_IFA_ADDRESS = 1,
    LINUX_IFA_LOCAL = 2,
    LINUX_IFA_LABEL = 3,
    LINUX_IFA_BROADCAST = 4,
    LINUX_IFA_CACHEINFO = 6,
    LINUX_IFA_FLAGS = 8,
};
enum { LINUX_IFA_F_PERMANENT = 0x80 };

struct linux_rtmsg {
    uint8_t family, dst_len, src_len, tos;
    uint8_t table, protocol, scope, type;
    uint32_t flags;
};
_Static_assert(sizeof(struct linux_rtmsg) == 12, "rtnetlink(7)");

enum {
    LINUX_RTA_DST = 1,
    LINUX_RTA_OIF = 4,
    LINUX_RTA_GATEWAY = 5,
    LINUX_RTA_PRIORITY = 6,
    LINUX_RTA_TABLE = 15,
};
enum { LINUX_RT_TABLE_MAIN = 254, LINUX_RTN_UNICAST = 1 };
enum { LINUX_RTPROT_KERNEL = 2, LINUX_RTPROT_BOOT = 3 };
enum { LINUX_RT_SCOPE_UNIVERSE = 0, LINUX_RT_SCOPE_LINK = 253, LINUX_RT_SCOPE_HOST = 254 };

// Interface flags.
enum {
    LINUX_IFF_UP = 0x1,
    LINUX_IFF_BROADCAST = 0x2,
    LINUX_IFF_LOOPBACK = 0x8,
    LINUX_IFF_POINTOPOINT = 0x10,
    LINUX_IFF_RUNNING = 0x40,
    LINUX_IFF_NOARP = 0x80,
    LINUX_IFF_PROMISC = 0x100,
    LINUX_IFF_ALLMULTI = 0x200,
    LINUX_IFF_MULTICAST = 0x1000,
    LINUX_IFF_LOWER_UP = 0x10000,
};
enum { LINUX_ARPHRD_ETHER = 1, LINUX_ARPHRD_NONE = 0xfffe, LINUX_ARPHRD_LOOPBACK = 772 };
enum { LINUX_IFNAMSIZ = 16 };

// Interface questions of netdevice(7), for any socket.
enum {
    LINUX_SIOCGIFNAME = 0x8910,
    LINUX_SIOCGIFCONF = 0x8912,
    LINUX_SIOCGIFFLAGS = 0x8913,
    LINUX_SIOCGIFADDR = 0x8915,
    LINUX_SIOCGIFDSTADDR = 0x8917,
    LINUX_SIOCGIFBRDADDR = 0x8919,
    LINUX_SIOCGIFNETMASK = 0x891b,
    LINUX_SIOCGIFMETRIC = 0x891d,
    LINUX_SIOCGIFMTU = 0x8921,
    LINUX_SIOCGIFHWADDR = 0x8927,
    LINUX_SIOCGIFINDEX = 0x8933,
    LINUX_SIOCGIFTXQLEN = 0x8942,
    LINUX_SIOCGIFMAP = 0x8970,
};

struct linux_ifreq {
    char name[LINUX_IFNAMSIZ];
    union {
        uint8_t bytes[24]; // struct sockaddr or struct ifmap
        int32_t number;
        int16_t flags;
    };
};
_Static_assert(sizeof(struct linux_ifreq) == 40, "netdevice(7)");

struct linux_ifconf {
    int32_t len, pad;
    uint64_t req;
};

#endif
