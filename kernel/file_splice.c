// Transfers from descriptor to descriptor: sendfile, splice, tee, vmsplice, copy_file_range.
//
// Data goes through a buffer of ours. Bytes taken out of a pipe that the other side did not accept
// are put back, so none is lost.
#include "kernel/file.h"
#include "kernel/pipe.h"
#include "kernel/syscall_handlers.h"
#include "kernel/task.h"
#include "platform/abi/fcntl.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdlib.h>

enum { CHUNK = 65536 };

static size_t chunk_of(uint64_t left)
{
    return left < CHUNK ? (size_t)left : (size_t)CHUNK;
}

static ssize_t read_buffer(struct task *task, struct file *file, void *buf, size_t n, uint64_t *pos,
                           bool nonblock)
{
    struct iter it;
    iter_kernel(&it, buf, n);
    it.task = task;
    it.nonblock = nonblock || file_flags(file) & LINUX_O_NONBLOCK;
    return file_read(file, &it, pos);
}

static ssize_t write_buffer(struct task *task, struct file *file, void *buf, size_t n,
                            uint64_t *pos, bool nonblock)
{
    struct iter it;
    iter_kernel(&it, buf, n);
    it.task = task;
    it.nonblock = nonblock || file_flags(file) & LINUX_O_NONBLOCK;
    return file_write_checked(task, file, &it, pos);
}

// A position argument: read from the guest when `addr` is given, and written back at the end.
struct offset_arg {
    uaddr_t addr;
    uint64_t value;
    uint64_t *pos; // &value, or NULL: the file's own position
};

static int offset_get(struct task *task, uaddr_t addr, struct offset_arg *out)
{
    *out = (struct offset_arg){.addr = addr};
    return addr ? user_get(task, addr, &out->value) : 0;
}

static int offset_put(struct task *task, const struct offset_arg *arg)
{
    return arg->addr ? user_put(task, arg->addr, &arg->value) : 0;
}

// The files of a call with two descriptors.
struct file_pair {
    struct file *in, *out;
};

static int pair_get(struct task *task, int32_t fd_in, int32_t fd_out, struct file_pair *p)
{
    p->in = fd_get_io(task, fd_in);
    if (!p->in)
        return -LINUX_EBADF;
    p->out = fd_get_io(task, fd_out);
    if (p->out)
        return 0;
    file_put(p->in);
    return -LINUX_EBADF;
}

// The access each must allow.
static int pair_check(const struct file_pair *p)
{
    return file_is_readable(p->in) && file_is_writable(p->out) ? 0 : -LINUX_EBADF;
}

// Objects without an inode may tell a position (always 0), but have none.
static bool has_positions(const struct file *file)
{
    return file->ops->seek && file->inode;
}

// A transfer of `count` bytes from `pos` on stays within what offsets can say.
static bool is_range(uint64_t pos, uint64_t count)
{
    return (int64_t)pos >= 0 && count <= INT64_MAX - pos;
}

static void pair_put(struct file_pair *p)
{
    file_put(p->in);
    file_put(p->out);
}

// --- Copies with positions -----------------------------------------------------------------------

// Copies up to `count` bytes. `out_pos` NULL: the output's own position. Stops at the end of the
// input and at the first short write; the positions count what was written.
static int64_t copy_range(struct task *task, struct file_pair *p, uint64_t *in_pos,
                          uint64_t *out_pos, uint64_t count)
{
    void *buf = malloc(chunk_of(count));
    if (!buf)
        return -LINUX_ENOMEM;
    int64_t done = 0;
    ssize_t n = 0;
    while (count > 0) {
        uint64_t from = *in_pos;
        ssize_t got = read_buffer(task, p->in, buf, chunk_of(count), &from, false);
        n = got > 0 ? write_buffer(task, p->out, buf, (size_t)got, out_pos, false) : got;
        if (n <= 0)
            break;
        *in_pos += (uint64_t)n;
        done += n;
        count -= (uint64_t)n;
        if (n < got)
            break;
    }
    free(buf);
    return done ? done : n;
}

static int64_t splice_to_pipe(struct task *task, struct file *in, uint64_t *pos, struct pipe *to,
                              uint64_t len, bool nonblock);

static int64_t send(struct task *task, struct file_pair *p, bool own, uint64_t *pos, uint64_t count)
{
    struct pipe *to = pipe_of(p->out);
    if (!own && !has_positions(p->in))
        return -LINUX_ESPIPE;
    if ((int64_t)count < 0 || (!own && !is_range(*pos, count)))
        return -LINUX_EINVAL;
    count = file_rw_clamp(count);
    if (pipe_of(p->in) || !(p->in->ops->traits & FILE_SPLICE_READ))
        return -LINUX_EINVAL;
    if (to)
        return splice_to_pipe(task, p->in, own ? NULL : pos, to, count,
                              file_flags(p->out) & LINUX_O_NONBLOCK);
    if (file_flags(p->out) & LINUX_O_APPEND || !has_positions(p->in) ||
        !(p->out->ops->traits & FILE_SPLICE_WRITE))
        return -LINUX_EINVAL;
    if (!own)
        return copy_range(task, p, pos, NULL, count);
    *pos = (uint64_t)file_seek(p->in, 0, LINUX_SEEK_CUR);
    int64_t n = copy_range(task, p, pos, NULL, count);
    int64_t err = n > 0 ? file_seek(p->in, (int64_t)*pos, LINUX_SEEK_SET) : 0;
    return err < 0 ? err : n;
}

int64_t sys_sendfile(struct task *task, int32_t out_fd, int32_t in_fd, uaddr_t offset,
                     uint64_t count)
{
    struct offset_arg at;
    struct file_pair p;
    int64_t n = offset_get(task, offset, &at);
    if (!n)
        n = pair_get(task, in_fd, out_fd, &p);
    if (n)
        return n;
    n = pair_check(&p);
    if (!n)
        n = send(task, &p, !offset, &at.value, count);
    if (n >= 0) {
        int64_t err = offset_put(task, &at);
        n = err ? err : n;
    }
    pair_put(&p);
    return n;
}

// --- copy_file_range -----------------------------------------------------------------------------

static int check_copy_files(const struct file_pair *p)
{
    uint32_t in_type = p->in->inode ? p->in->inode->type : 0;
    uint32_t out_type = p->out->inode ? p->out->inode->type : 0;
    if (in_type == LINUX_S_IFDIR || out_type == LINUX_S_IFDIR)
        return -LINUX_EISDIR;
    if (in_type != LINUX_S_IFREG || out_type != LINUX_S_IFREG)
        return -LINUX_EINVAL;
    if (pair_check(p) || file_flags(p->out) & LINUX_O_APPEND)
        return -LINUX_EBADF;
    return p->in->inode->super != p->out->inode->super ? -LINUX_EXDEV : 0;
}

// *len is cut to what there is to copy.
static int check_copy_range(struct task *task, const struct file_pair *p, uint64_t in_pos,
                            uint64_t out_pos, uint64_t *len)
{
    struct vfs_stat st;
    if (in_pos + *len < in_pos || out_pos + *len < out_pos)
        return -LINUX_EOVERFLOW;
    int err = file_getattr(task, p->in, &st);
    if (err)
        return err;
    if ((int64_t)in_pos >= (int64_t)st.size)
        *len = 0;
    else if (*len > st.size - in_pos)
        *len = st.size - in_pos;
    if (p->in->inode == p->out->inode && out_pos + *len > in_pos && out_pos < in_pos + *len)
        return -LINUX_EINVAL;
    return (int64_t)in_pos < 0 || (int64_t)out_pos < 0 ? -LINUX_EINVAL : 0;
}

// Without an address the file's own position is used, and moved at the end.
static void own_position(struct file *file, struct offset_arg *arg)
{
    if (!arg->addr)
        arg->value = (uint64_t)file_seek(file, 0, LINUX_SEEK_CUR);
}

static int64_t store_position(struct task *task, struct file *file, const struct offset_arg *arg)
{
    return arg->addr ? offset_put(task, arg) : file_seek(file, (int64_t)arg->value, LINUX_SEEK_SET);
}

int64_t sys_copy_file_range(struct task *task, int32_t fd_in, uaddr_t off_in, int32_t fd_out,
                            uaddr_t off_out, uint64_t len, uint32_t flags)
{
    struct file_pair p;
    int64_t n = pair_get(task, fd_in, fd_out, &p);
    if (n)
        return n;
    struct offset_arg from, to;
    n = offset_get(task, off_in, &from);
    if (!n)
        n = offset_get(task, off_out, &to);
    if (!n)
        n = flags ? -LINUX_EINVAL : check_copy_files(&p);
    len = file_rw_clamp(len);
    if (!n) {
        own_position(p.in, &from);
        own_position(p.out, &to);
        n = check_copy_range(task, &p, from.value, to.value, &len);
    }
    if (!n && len) {
        uint64_t out_pos = to.value;
        n = copy_range(task, &p, &from.value, &out_pos, len);
        to.value = out_pos;
    }
    if (n > 0) {
        int64_t err = store_position(task, p.in, &from);
        int64_t err_out = store_position(task, p.out, &to);
        n = err < 0 ? err : err_out < 0 ? err_out : n;
    }
    pair_put(&p);
    return n;
}

// --- splice --------------------------------------------------------------------------------------

static ssize_t append_all(struct pipe *to, struct task *task, const uint8_t *buf, size_t n)
{
    size_t done = 0;
    while (done < n) {
        struct pipe_part rest = {(uint32_t)(n - done), false};
        ssize_t put = pipe_append(to, buf + done, rest, 0);
        // Room was there before the bytes were fetched; another writer took it.
        if (put == 0)
            put = pipe_wait_writable(to, task, false) < 0 ? -LINUX_EAGAIN : 0;
        if (put == -LINUX_EPIPE)
            put = file_broken_pipe(task);
        if (put < 0)
            return done ? (ssize_t)done : put;
        done += (size_t)put;
    }
    return (ssize_t)done;
}

static int64_t splice_to_pipe(struct task *task, struct file *in, uint64_t *pos, struct pipe *to,
                              uint64_t len, bool nonblock)
{
    ssize_t room = pipe_wait_writable(to, task, nonblock);
    if (room < 0)
        return room;
    size_t n = chunk_of(len) < (size_t)room ? chunk_of(len) : (size_t)room;
    uint64_t at = pos ? *pos : 0;
    uint8_t *buf = malloc(n);
    if (!buf)
        return -LINUX_ENOMEM;
    ssize_t got = read_buffer(task, in, buf, n, pos ? &at : NULL, nonblock);
    if (got > 0) {
        got = append_all(to, task, buf, (size_t)got);
        if (got > 0 && pos)
            *pos += (uint64_t)got;
    }
    free(buf);
    return got;
}

// Of the `n` bytes that were taken out as `parts` all but `passed` go back.
static int unread_rest(struct pipe *from, const uint8_t *buf, size_t n, size_t passed,
                       const struct pipe_parts *parts)
{
    int err = 0;
    for (unsigned i = parts->count; !err && i-- > 0 && n > passed;) {
        struct pipe_part part = parts->part[i];
        if (part.len > n - passed)
            part.len = (uint32_t)(n - passed);
        n -= part.len;
        err = pipe_unread(from, buf + n, part);
    }
    return err;
}

static int64_t splice_from_pipe(struct task *task, struct pipe *from, struct file *out,
                                uint64_t *pos, uint64_t len, bool nonblock, uint8_t *buf)
{
    ssize_t ready = pipe_wait_readable(from, task, nonblock);
    if (ready <= 0)
        return ready;
    struct pipe_parts parts; // a file gets no packets, but bytes
    size_t n = pipe_take(from, buf, chunk_of(len), SIZE_MAX, &parts), written = 0;
    ssize_t put = 1;
    while (written < n && put > 0) {
        put = write_buffer(task, out, buf + written, n - written, pos, nonblock);
        written += put > 0 ? (size_t)put : 0;
    }
    int err = unread_rest(from, buf, n, written, &parts);
    return err ? err : written ? (ssize_t)written : put;
}

// Passes on what fits. 0: another writer took the room.
static ssize_t append_parts(struct pipe *to, const uint8_t *buf, const struct pipe_parts *parts)
{
    size_t done = 0;
    ssize_t put = 0;
    for (unsigned i = 0; i < parts->count; i++) {
        bool last = i + 1 == parts->count;
        put = pipe_append(to, buf + done, parts->part[i], last ? parts->tail : 0);
        if (put <= 0)
            break;
        done += (size_t)put;
        if ((size_t)put < parts->part[i].len)
            break;
    }
    return done ? (ssize_t)done : put;
}

static int64_t splice_pipes(struct task *task, struct pipe *from, struct pipe *to, uint64_t len,
                            bool nonblock, bool consume, uint8_t *buf)
{
    ssize_t put = 0;
    while (!put) {
        ssize_t ready = pipe_wait_readable(from, task, nonblock);
        if (ready <= 0)
            return ready;
        ssize_t room = pipe_wait_writable(to, task, nonblock);
        if (room < 0)
            return room;
        struct pipe_parts parts;
        size_t n = consume ? pipe_take(from, buf, chunk_of(len), (size_t)room, &parts)
                           : pipe_peek(from, buf, chunk_of(len), (size_t)room, &parts);
        put = n ? append_parts(to, buf, &parts) : 0;
        int err = consume ? unread_rest(from, buf, n, put > 0 ? (size_t)put : 0, &parts) : 0;
        if (err)
            return err;
    }
    return put == -LINUX_EPIPE ? file_broken_pipe(task) : put;
}

// What splice refuses of a file that is not a pipe.
static int check_splice_file(const struct file *file, const struct offset_arg *at, uint64_t len,
                             bool output)
{
    if (at->addr && (!has_positions(file) || !is_range(at->value, len)))
        return -LINUX_EINVAL;
    if (output && file_flags(file) & LINUX_O_APPEND)
        return -LINUX_EINVAL;
    return file->ops->traits & (output ? FILE_SPLICE_WRITE : FILE_SPLICE_READ) ? 0 : -LINUX_EINVAL;
}

static int64_t splice_files(struct task *task, struct file_pair *p, struct offset_arg *from,
                            struct offset_arg *to, uint64_t len, bool nonblock)
{
    struct pipe *in = pipe_of(p->in), *out = pipe_of(p->out);
    if (pair_check(p))
        return -LINUX_EBADF;
    if (in == out)
        return -LINUX_EINVAL; // the same one, or none
    if ((in && file_flags(p->in) & LINUX_O_NONBLOCK) ||
        (out && file_flags(p->out) & LINUX_O_NONBLOCK))
        nonblock = true;
    int err = in && out ? 0
              : in      ? check_splice_file(p->out, to, len, true)
                        : check_splice_file(p->in, from, len, false);
    if (err)
        return err;
    if (!in)
        return splice_to_pipe(task, p->in, from->addr ? &from->value : NULL, out, len, nonblock);
    uint8_t *buf = malloc(chunk_of(len));
    if (!buf)
        return -LINUX_ENOMEM;
    uint64_t *pos = to->addr ? &to->value : NULL;
    int64_t n = out ? splice_pipes(task, in, out, len, nonblock, true, buf)
                    : splice_from_pipe(task, in, p->out, pos, len, nonblock, buf);
    free(buf);
    return n;
}

int64_t sys_splice(struct task *task, int32_t fd_in, uaddr_t off_in, int32_t fd_out,
                   uaddr_t off_out, uint64_t len, uint32_t flags)
{
    if (!len)
        return 0;
    if (flags & ~(uint32_t)LINUX_SPLICE_F_ALL)
        return -LINUX_EINVAL;
    struct file_pair p;
    int64_t n = pair_get(task, fd_in, fd_out, &p);
    if (n)
        return n;
    struct offset_arg from, to;
    // A pipe has no positions.
    if ((off_in && pipe_of(p.in)) || (off_out && pipe_of(p.out)))
        n = -LINUX_ESPIPE;
    if (!n)
        n = offset_get(task, off_out, &to);
    if (!n)
        n = offset_get(task, off_in, &from);
    if (!n)
        n = splice_files(task, &p, &from, &to, file_rw_clamp(len), flags & LINUX_SPLICE_F_NONBLOCK);
    if (n > 0) {
        int err = offset_put(task, &from);
        if (!err)
            err = offset_put(task, &to);
        n = err ? err : n;
    }
    pair_put(&p);
    return n;
}

int64_t sys_tee(struct task *task, int32_t fd_in, int32_t fd_out, uint64_t len, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_SPLICE_F_ALL)
        return -LINUX_EINVAL;
    if (!len)
        return 0;
    struct file_pair p;
    int64_t n = pair_get(task, fd_in, fd_out, &p);
    if (n)
        return n;
    struct pipe *in = pipe_of(p.in), *out = pipe_of(p.out);
    bool nonblock = flags & LINUX_SPLICE_F_NONBLOCK ||
                    (file_flags(p.in) | file_flags(p.out)) & LINUX_O_NONBLOCK;
    uint8_t *buf = NULL;
    if (pair_check(&p))
        n = -LINUX_EBADF;
    else if (!in || !out || in == out)
        n = -LINUX_EINVAL;
    else if (!(buf = malloc(chunk_of(len))))
        n = -LINUX_ENOMEM;
    else
        n = splice_pipes(task, in, out, len, nonblock, false, buf);
    free(buf);
    pair_put(&p);
    return n;
}

int64_t sys_vmsplice(struct task *task, int32_t fd, uaddr_t iov, uint64_t iovcnt, uint32_t flags)
{
    if (flags & ~(uint32_t)LINUX_SPLICE_F_ALL)
        return -LINUX_EINVAL;
    struct file *file = fd_get_io(task, fd);
    if (!file)
        return -LINUX_EBADF;
    struct iter it;
    int64_t n = user_iter_vec(&it, task, iov, iovcnt);
    if (!n) {
        it.nonblock = flags & LINUX_SPLICE_F_NONBLOCK || file_flags(file) & LINUX_O_NONBLOCK;
        if (it.left && !pipe_of(file))
            n = -LINUX_EBADF;
        else if (it.left)
            n = file_is_writable(file) ? file_write(file, &it, NULL) : file_read(file, &it, NULL);
        user_iter_done(&it);
    }
    file_put(file);
    return n;
}
