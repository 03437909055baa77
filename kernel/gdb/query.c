// What the debugger asks about the process, and the guest's files, which it reads through us.
#include "fs/iter.h"
#include "kernel/file.h"
#include "kernel/gdb/gdb_internal.h"
#include "kernel/mm.h"
#include "kernel/process.h"
#include "kernel/task.h"
#include "platform/abi/fs.h"
#include "platform/abi/linux_errno.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool starts(const struct gdb *g, const char *word)
{
    return !strncmp(g->packet, word, strlen(word));
}

// --- Target description --------------------------------------------------------------------------

// Returns the length of the text, which is cut to `size`.
static size_t describe(char *out, size_t size)
{
    size_t n = 0;
#define ADD(...)                                                                                   \
    (n += (size_t)snprintf(out + (n < size ? n : size), n < size ? size - n : 0, __VA_ARGS__))
    ADD("<?xml version=\"1.0\"?><!DOCTYPE target SYSTEM \"gdb-target.dtd\"><target>"
        "<architecture>aarch64</architecture><osabi>GNU/Linux</osabi>"
        "<feature name=\"org.gnu.gdb.aarch64.core\">");
    for (int i = 0; i < 31; i++)
        ADD("<reg name=\"x%d\" bitsize=\"64\"/>", i);
    ADD("<reg name=\"sp\" bitsize=\"64\" type=\"data_ptr\"/>"
        "<reg name=\"pc\" bitsize=\"64\" type=\"code_ptr\"/>"
        "<reg name=\"cpsr\" bitsize=\"32\"/></feature>"
        "<feature name=\"org.gnu.gdb.aarch64.fpu\">"
        "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
        "<vector id=\"v2u\" type=\"uint64\" count=\"2\"/>"
        "<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
        "<vector id=\"v4u\" type=\"uint32\" count=\"4\"/>"
        "<vector id=\"v8u\" type=\"uint16\" count=\"8\"/>"
        "<vector id=\"v16u\" type=\"uint8\" count=\"16\"/>"
        "<vector id=\"v1u\" type=\"uint128\" count=\"1\"/>"
        "<union id=\"vnd\"><field name=\"f\" type=\"v2d\"/><field name=\"u\" type=\"v2u\"/></union>"
        "<union id=\"vns\"><field name=\"f\" type=\"v4f\"/><field name=\"u\" type=\"v4u\"/></union>"
        "<union id=\"vnh\"><field name=\"u\" type=\"v8u\"/></union>"
        "<union id=\"vnb\"><field name=\"u\" type=\"v16u\"/></union>"
        "<union id=\"vnq\"><field name=\"u\" type=\"v1u\"/></union>"
        "<union id=\"aarch64v\"><field name=\"d\" type=\"vnd\"/><field name=\"s\" type=\"vns\"/>"
        "<field name=\"h\" type=\"vnh\"/><field name=\"b\" type=\"vnb\"/>"
        "<field name=\"q\" type=\"vnq\"/></union>");
    for (int i = 0; i < 32; i++)
        ADD("<reg name=\"v%d\" bitsize=\"128\" type=\"aarch64v\"/>", i);
    ADD("<reg name=\"fpsr\" bitsize=\"32\"/><reg name=\"fpcr\" "
        "bitsize=\"32\"/></feature></target>");
#undef ADD
    return n;
}

// --- qXfer ---------------------------------------------------------------------------------------

// One part of an object: OFFSET,LENGTH stand at `at`.
static void print_part(struct gdb *g, const char *at, const void *object, size_t size)
{
    uint64_t offset, n;
    if (!gdb_scan_number(&at, &offset) || *at++ != ',' || !gdb_scan_number(&at, &n)) {
        gdb_print(g, "E01");
        return;
    }
    size_t left = offset < size ? size - (size_t)offset : 0;
    size_t part = n < left ? (size_t)n : left;
    part = part < GDB_PACKET_MAX / 2 - 1 ? part : GDB_PACKET_MAX / 2 - 1; // all may need escapes
    gdb_print(g, "%c", part < left ? 'm' : 'l');
    if (part)
        gdb_print_binary(g, (const char *)object + offset, part);
}

static const char *after_annex(const struct gdb *g, const char *prefix)
{
    const char *colon = strchr(g->packet + strlen(prefix), ':');
    return colon ? colon + 1 : "";
}

static void print_auxv(struct gdb *g, const char *at)
{
    struct mm_layout layout = {.auxv_count = 0};
    struct mm *mm = gdb_mm(g);
    if (mm) {
        mm_layout_get(mm, &layout);
        mm_put(mm);
    }
    print_part(g, at, layout.auxv, layout.auxv_count * sizeof layout.auxv[0]);
}

static size_t program_path(struct gdb *g, char *out, size_t size)
{
    struct mm *mm = gdb_mm(g);
    struct file *exe = mm ? mm_get_exe(mm) : NULL;
    struct vfs_caller c;
    int n = -1;
    if (exe) {
        task_caller(g->self, &c);
        n = path_name(&exe->path, &c.root, out, size);
        task_caller_done(&c);
    }
    file_put(exe);
    if (mm)
        mm_put(mm);
    return n > 0 ? (size_t)n : 0;
}

void gdb_print_program(struct gdb *g)
{
    char path[LINUX_PATH_MAX];
    gdb_print_hex(g, path, program_path(g, path, sizeof path));
}

static void transfer(struct gdb *g)
{
    enum { TEXT_MAX = 8192 };
    static const char features[] = "qXfer:features:read:", auxv[] = "qXfer:auxv:read:",
                      exec[] = "qXfer:exec-file:read:";
    char *text = malloc(TEXT_MAX);
    if (text && starts(g, features))
        print_part(g, after_annex(g, features), text, describe(text, TEXT_MAX));
    else if (text && starts(g, exec))
        print_part(g, after_annex(g, exec), text, program_path(g, text, LINUX_PATH_MAX));
    else if (starts(g, auxv))
        print_auxv(g, after_annex(g, auxv));
    free(text);
}

// --- Queries -------------------------------------------------------------------------------------

static void print_threads(struct gdb *g)
{
    struct gdb_thread *t;
    char separator = 'm';
    list_for_each (t, &g->threads, link) {
        gdb_print(g, "%c%x", separator, (unsigned)t->tid);
        separator = ',';
    }
    if (separator == 'm')
        gdb_print(g, "l");
}

static void print_thread_name(struct gdb *g)
{
    const char *at = strchr(g->packet, ',');
    uint64_t tid;
    struct task *task = NULL;
    if (at && (at++, gdb_scan_number(&at, &tid)))
        task = task_find(g->self->kernel, (int32_t)tid);
    if (task) {
        char comm[16];
        task_comm_get(task, comm);
        gdb_print_hex(g, comm, strlen(comm));
    }
    task_put(task);
}

static void set_passed(struct gdb *g)
{
    const char *at = strchr(g->packet, ':');
    uint64_t signal;
    memset(g->pass, 0, sizeof g->pass);
    for (at++; gdb_scan_number(&at, &signal); at += *at == ';') {
        if (signal < GDB_SIGNALS)
            g->pass[signal] = 1;
    }
    gdb_print(g, "OK");
}

void gdb_answer_query(struct gdb *g)
{
    if (starts(g, "qSupported")) {
        g->exec_events = strstr(g->packet, "exec-events+");
        gdb_print(g,
                  "PacketSize=%x;QStartNoAckMode+;qXfer:features:read+;qXfer:auxv:read+;"
                  "qXfer:exec-file:read+;QPassSignals+;vContSupported+;exec-events+",
                  GDB_PACKET_MAX);
    } else if (starts(g, "QStartNoAckMode")) {
        gdb_print(g, "OK");
        g->ends_ack = true;
    } else if (starts(g, "qXfer:")) {
        transfer(g);
    } else if (starts(g, "QPassSignals:")) {
        set_passed(g);
    } else if (starts(g, "qfThreadInfo")) {
        print_threads(g);
    } else if (starts(g, "qsThreadInfo")) {
        gdb_print(g, "l");
    } else if (starts(g, "qThreadExtraInfo,")) {
        print_thread_name(g);
    } else if (!strcmp(g->packet, "qC")) {
        gdb_print(g, "QC%x", (unsigned)g->current);
    } else if (starts(g, "qAttached")) {
        gdb_print(g, "0"); // made for the debugger: ended with it
    } else if (starts(g, "qSymbol")) {
        gdb_print(g, "OK");
    }
}

// --- vFile ---------------------------------------------------------------------------------------

// Numbers of errors in the protocol are those of old Unix, and fewer.
static void print_error(struct gdb *g, int err)
{
    static const int known[] = {LINUX_EPERM,  LINUX_ENOENT,  LINUX_EINTR,  LINUX_EBADF,
                                LINUX_EACCES, LINUX_EFAULT,  LINUX_EBUSY,  LINUX_EEXIST,
                                LINUX_ENODEV, LINUX_ENOTDIR, LINUX_EISDIR, LINUX_EINVAL};
    int number = 9999;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (known[i] == -err)
            number = -err;
    }
    gdb_print(g, "F-1,%x", (unsigned)number);
}

static void open_file(struct gdb *g, const char *at)
{
    char name[LINUX_PATH_MAX];
    size_t n = gdb_scan_bytes(&at, (uint8_t *)name, sizeof name - 1);
    int slot = 0, err = 0;
    name[n] = '\0';
    uint64_t flags = 0;
    if (*at == ',')
        at++, (void)gdb_scan_number(&at, &flags);
    while (slot < GDB_OPEN_MAX && g->files[slot])
        slot++;
    if (slot == GDB_OPEN_MAX)
        err = -LINUX_EMFILE;
    else if (flags & 3) // the guest's files are for reading
        err = -LINUX_EACCES;
    struct vfs_caller c;
    task_caller(g->self, &c);
    if (!err)
        err = vfs_open(&c, NULL, name, LINUX_O_RDONLY | LINUX_O_NONBLOCK, 0, 0, &g->files[slot]);
    task_caller_done(&c);
    if (err)
        print_error(g, err);
    else
        gdb_print(g, "F%x", (unsigned)slot);
}

static struct file *open_one(struct gdb *g, const char **at, uint64_t *slot)
{
    return gdb_scan_number(at, slot) && *slot < GDB_OPEN_MAX ? g->files[*slot] : NULL;
}

static void read_file(struct gdb *g, const char *at)
{
    enum { MOST = GDB_PACKET_MAX / 2 - 32 };
    uint64_t slot, n = 0, offset = 0;
    struct file *file = open_one(g, &at, &slot);
    if (*at == ',')
        at++, (void)gdb_scan_number(&at, &n);
    if (*at == ',')
        at++, (void)gdb_scan_number(&at, &offset);
    n = n < MOST ? n : MOST;
    uint8_t *bytes = malloc(MOST);
    ssize_t got = !file ? -LINUX_EBADF : !bytes ? -LINUX_ENOMEM : 0;
    struct iter it;
    if (!got) {
        iter_kernel(&it, bytes, (size_t)n);
        it.nonblock = true;
        got = file_read(file, &it, &offset);
    }
    if (got < 0) {
        print_error(g, (int)got);
    } else {
        gdb_print(g, "F%zx;", (size_t)got);
        gdb_print_binary(g, bytes, (size_t)got);
    }
    free(bytes);
}

static void put_big(uint8_t *at, uint64_t value, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        at[i] = (uint8_t)(value >> 8 * (bytes - 1 - i));
}

// The protocol's struct stat: big endian, 64 bytes.
static void print_stat(struct gdb *g, const char *at)
{
    uint64_t slot;
    struct file *file = open_one(g, &at, &slot);
    struct vfs_stat st;
    uint8_t out[64] = {0};
    int err = file ? file_getattr(g->self, file, &st) : -LINUX_EBADF;
    if (err) {
        print_error(g, err);
        return;
    }
    put_big(out, st.dev, 4);
    put_big(out + 4, st.ino, 4);
    put_big(out + 8, st.mode, 4);
    put_big(out + 12, st.nlink, 4);
    put_big(out + 16, st.uid, 4);
    put_big(out + 20, st.gid, 4);
    put_big(out + 24, st.rdev, 4);
    put_big(out + 28, st.size, 8);
    put_big(out + 36, st.blksize, 8);
    put_big(out + 44, st.blocks, 8);
    put_big(out + 52, (uint64_t)(st.atime / 1000000000), 4);
    put_big(out + 56, (uint64_t)(st.mtime / 1000000000), 4);
    put_big(out + 60, (uint64_t)(st.ctime / 1000000000), 4);
    gdb_print(g, "F40;");
    gdb_print_binary(g, out, sizeof out);
}

static void close_file(struct gdb *g, const char *at)
{
    uint64_t slot;
    struct file *file = open_one(g, &at, &slot);
    if (!file) {
        print_error(g, -LINUX_EBADF);
        return;
    }
    file_put(file);
    g->files[slot] = NULL;
    gdb_print(g, "F0");
}

void gdb_answer_file(struct gdb *g)
{
    static const struct {
        const char *name;
        void (*answer)(struct gdb *g, const char *at);
    } calls[] = {{"vFile:open:", open_file},
                 {"vFile:pread:", read_file},
                 {"vFile:fstat:", print_stat},
                 {"vFile:close:", close_file}};
    if (starts(g, "vFile:setfs:"))
        gdb_print(g, "F0"); // all processes see the files of the first
    for (size_t i = 0; i < ARRAY_LEN(calls); i++) {
        if (starts(g, calls[i].name))
            calls[i].answer(g, g->packet + strlen(calls[i].name));
    }
}

void gdb_close_files(struct gdb *g)
{
    for (size_t i = 0; i < GDB_OPEN_MAX; i++)
        file_put(g->files[i]);
}
