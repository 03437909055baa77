#include "tools/gdb_socket.h"
#include "tools/cli_options.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static int listen_at_path(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof name.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(name.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    // Only for this user: whoever connects may do what the guest may.
    mode_t mask = umask(077);
    bool bound = fd >= 0 && !bind(fd, (struct sockaddr *)&name, sizeof name);
    int err = errno;
    umask(mask);
    if (bound && !listen(fd, 1))
        return fd;
    if (fd >= 0)
        close(fd);
    errno = bound ? errno : err;
    return -1;
}

static int listen_at_port(const char *text)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    char *end;
    unsigned long port = strtoul(text, &end, 10);
    if (end == text || *end || !port || port > 65535) {
        errno = EINVAL;
        return -1;
    }
    name.sin_port = htons((in_port_t)port);
    const int one = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) &&
        !bind(fd, (struct sockaddr *)&name, sizeof name) && !listen(fd, 1))
        return fd;
    int err = errno;
    if (fd >= 0)
        close(fd);
    errno = err;
    return -1;
}

int gdb_socket_accept(const char *where)
{
    bool path = strchr(where, '/');
    int fd = path ? listen_at_path(where) : listen_at_port(where), connected = -1;
    while (fd >= 0 && connected < 0) {
        connected = accept(fd, NULL, NULL);
        if (connected < 0 && errno != EINTR && errno != ECONNABORTED)
            break;
    }
    if (connected < 0)
        cli_complain("cannot wait for gdb at '%s': %s", where, strerror(errno));
    const int one = 1;
    if (connected >= 0 && !path)
        (void)setsockopt(connected, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (fd >= 0) {
        close(fd);
        if (path)
            unlink(where);
    }
    return connected;
}
