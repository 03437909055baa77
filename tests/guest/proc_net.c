// /proc/net: the lines of this process's own sockets, found by their inodes.
#include "probe.h"
#include "work_dir.h"
#include <fcntl.h>
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

static unsigned long inode_of(int fd)
{
    struct stat st;
    fstat(fd, &st);
    return st.st_ino;
}

// Replaces every occurrence of the text by a word.
static void hide(char *line, const char *text, const char *word)
{
    char *at;
    while ((at = strstr(line, text))) {
        memmove(at + strlen(word), at + strlen(text), strlen(at + strlen(text)) + 1);
        memcpy(at, word, strlen(word));
    }
}

// The line of a socket, without what two runs do not share: inode, ports, addresses of the kernel.
static void show_line(const char *name, const char *file, int fd, unsigned port)
{
    char path[64], line[512], inode[32], text[32];
    snprintf(path, sizeof path, "/proc/net/%s", file);
    snprintf(inode, sizeof inode, " %lu", inode_of(fd));
    FILE *f = fopen(path, "r");
    int found = 0;
    while (f && fgets(line, sizeof line, f)) {
        char *at = strstr(line, inode);
        if (!at || (at[strlen(inode)] != ' ' && at[strlen(inode)] != '\n'))
            continue;
        found++;
        hide(line, inode, " INODE");
        hide(line, "  INODE", " INODE");
        snprintf(text, sizeof text, ":%04X", port);
        if (port)
            hide(line, text, ":PORT");
        char *colon = strchr(line, ':'), *end = strstr(line, " INODE");
        // What follows the inode of an internet socket are addresses and timers of the kernel's.
        if (strcmp(file, "unix"))
            end[strlen(" INODE")] = '\0';
        line[strcspn(line, "\n")] = '\0';
        SHOW(name, "%s", colon + 2);
    }
    if (f)
        fclose(f);
    SHOW(name, "%d of it", found);
}

static void show_header(const char *file)
{
    char path[64], line[512] = "";
    snprintf(path, sizeof path, "/proc/net/%s", file);
    FILE *f = fopen(path, "r");
    if (f && fgets(line, sizeof line, f))
        SHOW(file, "%s(%zu bytes)", line, strlen(line));
    else
        SHOW(file, "%s", "nothing");
    if (f)
        fclose(f);
}

static unsigned bound(int fd, int family)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
    struct sockaddr *at = family == AF_INET ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6;
    socklen_t len = family == AF_INET ? sizeof v4 : sizeof v6;
    bind(fd, at, len);
    getsockname(fd, at, &len);
    return ntohs(family == AF_INET ? v4.sin_port : v6.sin6_port);
}

static void internet(int family, const char *tcp, const char *udp)
{
    int s = socket(family, SOCK_STREAM, 0), u = socket(family, SOCK_DGRAM, 0);
    show_line("not bound", tcp, s, 0);
    unsigned port = bound(s, family), other = bound(u, family);
    listen(s, 3);
    show_line("listening", tcp, s, port);
    show_line("datagrams", udp, u, other);
    int dup_of = dup(s);
    show_line("twice open", tcp, s, port);
    close(dup_of);
    close(s);
    show_line("closed", tcp, u, 0);
    close(u);
}

static void local(void)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX, .sun_path = "name"};
    int s = socket(AF_UNIX, SOCK_STREAM, 0), pair[2], d = socket(AF_UNIX, SOCK_DGRAM, 0);
    socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
    show_line("unnamed", "unix", d, 0);
    show_line("a pair", "unix", pair[0], 0);
    bind(s, (struct sockaddr *)&name, sizeof name);
    show_line("named", "unix", s, 0);
    listen(s, 3);
    show_line("listening", "unix", s, 0);
    memcpy(name.sun_path, "\0hidden", 7);
    bind(d, (struct sockaddr *)&name, offsetof(struct sockaddr_un, sun_path) + 7);
    show_line("abstract", "unix", d, 0);
}

int main(void)
{
    char link[64] = "";
    static const char *const files[] = {"dev", "netlink", "packet", "raw",  "raw6", "route",
                                        "tcp", "tcp6",    "udp",    "udp6", "unix"};
    readlink("/proc/net", link, sizeof link - 1);
    SHOW("/proc/net", "%s", link);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        show_header(files[i]);
    internet(AF_INET, "tcp", "udp");
    internet(AF_INET6, "tcp6", "udp6");
    enter_work_dir();
    local();
    leave_work_dir();
    return 0;
}
