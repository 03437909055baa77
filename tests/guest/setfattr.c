// setfattr NAME VALUE FILE and getfattr-like listing (setfattr FILE), which busybox does not have.
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>

int main(int argc, char **argv)
{
    char names[4096], value[4096];
    if (argc == 4)
        return lsetxattr(argv[3], argv[1], argv[2], strlen(argv[2]), 0) ? perror(argv[3]), 1 : 0;
    ssize_t n = llistxattr(argv[1], names, sizeof names);
    for (const char *at = names; at < names + n; at += strlen(at) + 1) {
        ssize_t len = lgetxattr(argv[1], at, value, sizeof value);
        printf("%s %s=%.*s\n", argv[1], at, (int)len, value);
    }
    return n < 0;
}
