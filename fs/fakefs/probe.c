#include "fs/fakefs/probe.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include "platform/host_errno.h"
#include "platform/host_file.h"
#include <stdio.h>
#include <string.h>

// Names that some host takes for one: two cases, two normalizations of the same letter.
static const char *const alike[][2] = {{"probe-fold", "PROBE-FOLD"},
                                       {"probe-\xc3\xa9", "probe-e\xcc\x81"}};

struct trial {
    int dir_fd;
    char *why;
    size_t why_size;
};

static int refuse(const struct trial *t, const char *what)
{
    snprintf(t->why, t->why_size, "no root can be kept here: the host's file system %s", what);
    return -LINUX_EOPNOTSUPP;
}

static int make(const struct trial *t, const char *name, struct host_stat *st)
{
    int fd = host_open(t->dir_fd, name, LINUX_O_RDWR | LINUX_O_CREAT | LINUX_O_TRUNC, 0600);
    int err = fd < 0 ? fd : host_fstat(fd, st);
    if (fd >= 0)
        host_close(fd);
    return err;
}

static void drop(const struct trial *t, const char *name)
{
    int err = host_unlink(t->dir_fd, name);
    (void)err; // it may never have been there
}

static int try_folding(const struct trial *t, struct probe *out)
{
    for (size_t i = 0; i < sizeof alike / sizeof *alike; i++) {
        struct host_stat st;
        int err = make(t, alike[i][0], &st);
        if (err == -LINUX_EILSEQ || err == -LINUX_EINVAL) {
            out->folds = true; // not every name is allowed
            continue;
        }
        if (err)
            return err;
        out->folds |= host_stat(t->dir_fd, alike[i][1], &st) == 0;
        drop(t, alike[i][0]);
    }
    return 0;
}

// An object's number must be its own, whoever asks and however it is called.
static int try_numbers(const struct trial *t)
{
    struct host_stat one, other, again;
    int err = make(t, "probe-one", &one);
    if (!err)
        err = make(t, "probe-other", &other);
    if (!err)
        err = host_stat(t->dir_fd, "probe-one", &again);
    bool lasts = !err && again.ino == one.ino && one.ino != 0 && one.ino != other.ino;
    if (!err)
        err = host_rename(t->dir_fd, "probe-one", t->dir_fd, "probe-moved", 0);
    for (int i = 0; i < 2 && !err; i++) {
        err = host_stat(t->dir_fd, "probe-moved", &again);
        lasts &= again.ino == one.ino;
    }
    return err ? err : lasts ? 0 : refuse(t, "gives files no lasting numbers");
}

static int try_modes(const struct trial *t)
{
    static const uint32_t modes[] = {0700, 0604, 0660};
    struct host_stat st;
    int err = make(t, "probe-mode", &st);
    for (size_t i = 0; i < sizeof modes / sizeof *modes && !err; i++) {
        err = host_chmod(t->dir_fd, "probe-mode", modes[i]);
        if (err == -LINUX_EPERM || err == -LINUX_EOPNOTSUPP)
            err = 0; // and they are not kept
        if (!err)
            err = host_stat(t->dir_fd, "probe-mode", &st);
        if (!err && (st.mode & 0777) != modes[i])
            err = refuse(t, "does not keep permissions");
    }
    return err;
}

static int try_symlinks(const struct trial *t)
{
    char text[8];
    int err = host_symlink("probe", t->dir_fd, "probe-link");
    if (err == -LINUX_EPERM || err == -LINUX_EOPNOTSUPP || err == -LINUX_ENOSYS)
        return refuse(t, "has no symbolic links");
    if (!err && host_readlink(t->dir_fd, "probe-link", text, sizeof text) != 5)
        err = refuse(t, "does not keep symbolic links");
    return err;
}

int probe_host(int dir_fd, struct probe *out, char *why, size_t why_size)
{
    static const char *const names[] = {"probe-one", "probe-other", "probe-moved", "probe-mode",
                                        "probe-link"};
    const struct trial t = {dir_fd, why, why_size};
    *out = (struct probe){false};
    why[0] = 0;
    int err = try_numbers(&t);
    if (!err)
        err = try_modes(&t);
    if (!err)
        err = try_symlinks(&t);
    if (!err)
        err = try_folding(&t, out);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        drop(&t, names[i]);
    if (err && !why[0])
        snprintf(why, why_size, "the host's file system cannot be used: %s", errno_text(-err));
    return err;
}
