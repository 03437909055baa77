// Which host option a Linux socket option is. Layer 1; for platform/host_socket.c.
#ifndef PLATFORM_HOST_SOCKET_OPTIONS_H
#define PLATFORM_HOST_SOCKET_OPTIONS_H

struct host_socket_option {
    int level, name; // Linux
    int host_level, host_name;
};
// NULL for options this host does not have or that are not passed on.
const struct host_socket_option *host_socket_option_find(int level, int name);

#endif
