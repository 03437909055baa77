// Core files: when there is one, and what a debugger finds in it.
#include "probe.h"
#include "work_dir.h"
#include <elf.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/procfs.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define MARK    0x5eedf00d12345678ul
#define PAGES   8
#define SILENCE 0x1111222233334444ul

static unsigned long global = MARK;
static unsigned long *kept, *left_out, *shared, *of_file, *of_file_shared, *program;
static pthread_barrier_t started;

static void limit(rlim_t n)
{
    struct rlimit r = {n, RLIM_INFINITY};
    setrlimit(RLIMIT_CORE, &r);
}

static void *sleeper(void *arg)
{
    pthread_barrier_wait(&started);
    for (;;)
        pause();
    return arg;
}

static void *spinner(void *arg)
{
    static volatile unsigned long turns;
    pthread_barrier_wait(&started);
    for (;;)
        turns++;
    return arg;
}

static void crash(void)
{
    pthread_t t;
    pthread_barrier_init(&started, NULL, 4);
    pthread_create(&t, NULL, sleeper, NULL);
    pthread_create(&t, NULL, sleeper, NULL);
    pthread_create(&t, NULL, spinner, NULL);
    pthread_barrier_wait(&started);
    *(volatile int *)16 = 1;
}

static void remember(void)
{
    const int prot = PROT_READ | PROT_WRITE;
    kept = mmap(NULL, PAGES * 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    left_out = mmap(NULL, PAGES * 4096, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    shared = mmap(NULL, PAGES * 4096, prot, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *kept = *left_out = *shared = MARK;
    madvise(left_out, PAGES * 4096, MADV_DONTDUMP);
    int fd = open("mapped", O_CREAT | O_RDWR, 0600);
    ftruncate(fd, PAGES * 4096);
    unsigned long mark = MARK;
    pwrite(fd, &mark, sizeof mark, 0);
    of_file = mmap(NULL, PAGES * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    of_file_shared = mmap(NULL, PAGES * 4096, prot, MAP_SHARED, fd, 0);
    close(fd);
    fd = open("/proc/self/exe", O_RDONLY); // its first page is kept for debuggers
    program = mmap(NULL, PAGES * 4096, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    // A reservation that would fill any disk.
    mmap(NULL, 64ul << 30, prot, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
}

// --- Reading -------------------------------------------------------------------------------------

static uint8_t *core;
static size_t core_size;

static bool load(void)
{
    int fd = open("core", O_RDONLY);
    struct stat st;
    if (fd < 0 || fstat(fd, &st))
        return false;
    core_size = (size_t)st.st_size;
    core = mmap(NULL, core_size, PROT_READ, MAP_PRIVATE, fd, 0);
    close(fd);
    SHOW("mode", "%o", st.st_mode);
    return core != MAP_FAILED;
}

static const Elf64_Phdr *headers(unsigned *count)
{
    const Elf64_Ehdr *e = (const void *)core;
    *count = e->e_phnum;
    return (const void *)(core + e->e_phoff);
}

// The word at this address: SILENCE when it is not in the file.
static unsigned long word_at(const void *addr)
{
    unsigned n;
    const Elf64_Phdr *p = headers(&n);
    unsigned long a = (unsigned long)addr;
    for (unsigned i = 0; i < n; i++)
        if (p[i].p_type == PT_LOAD && a >= p[i].p_vaddr && a + 8 <= p[i].p_vaddr + p[i].p_filesz)
            return *(const unsigned long *)(const void *)(core + p[i].p_offset +
                                                          (a - p[i].p_vaddr));
    return SILENCE;
}

static void show_word(const char *name, const void *addr)
{
    unsigned long word = word_at(addr);
    SHOW(name, "%s", word == MARK ? "there" : word == SILENCE ? "not in the file" : "wrong");
}

static void show_note(const Elf64_Nhdr *n, const char *owner, const void *desc)
{
    static int threads;
    switch (n->n_type) {
    case NT_PRSTATUS: {
        const struct elf_prstatus *s = desc;
        threads++;
        SHOW("thread", "%d signal %d current %d fpvalid %d is the process %d", threads,
             s->pr_info.si_signo, s->pr_cursig, s->pr_fpvalid, threads == 1);
        break;
    }
    case NT_PRPSINFO: {
        const struct elf_prpsinfo *s = desc;
        SHOW("program", "%s zombie %d nice %d uid %u own parent %d", s->pr_fname, s->pr_zomb,
             s->pr_nice, s->pr_uid, s->pr_ppid == getpid());
        break;
    }
    case NT_SIGINFO: {
        const siginfo_t *s = desc;
        SHOW("signal", "%d code %d at %p", s->si_signo, s->si_code, s->si_addr);
        break;
    }
    case NT_AUXV: {
        const Elf64_auxv_t *a = desc;
        bool entry = false;
        for (size_t i = 0; i < n->n_descsz / sizeof *a; i++)
            entry |= a[i].a_type == AT_ENTRY && a[i].a_un.a_val != 0;
        SHOW("auxiliary vector", "with an entry %d", entry);
        break;
    }
    case NT_FILE: {
        const unsigned long *f = desc;
        const char *name = (const char *)(f + 2 + 3 * f[0]);
        bool found = false;
        for (unsigned long i = 0; i < f[0]; i++, name += strlen(name) + 1) {
            const char *slash = strrchr(name, '/');
            found |= slash && strncmp(slash + 1, "core", 4) == 0;
        }
        SHOW("files", "page size %lu, the program is among them %d", f[1], found);
        break;
    }
    case NT_PRFPREG:
        SHOW("floating point", "%s", owner);
        break;
    default: // the architecture's own
        break;
    }
}

static void show_notes(void)
{
    unsigned n;
    const Elf64_Phdr *p = headers(&n);
    SHOW("first header is the notes", "%d", p[0].p_type == PT_NOTE);
    const uint8_t *at = core + p[0].p_offset, *end = at + p[0].p_filesz;
    while (at < end) {
        const Elf64_Nhdr *h = (const void *)at;
        const char *owner = (const char *)(h + 1);
        const uint8_t *desc = (const uint8_t *)owner + ((h->n_namesz + 3) & ~3u);
        show_note(h, owner, desc);
        at = desc + ((h->n_descsz + 3) & ~3u);
    }
    SHOW("notes end where they should", "%d", at == end);
}

// --- The questions -------------------------------------------------------------------------------

static void contents(void)
{
    IN_CHILD("ends with a core", {
        limit(RLIM_INFINITY);
        crash();
    });
    if (!load())
        return;
    const Elf64_Ehdr *e = (const void *)core;
    SHOW("type", "%d", e->e_type);
    show_notes();
    show_word("a variable", &global);
    show_word("private memory", kept);
    show_word("memory left out by MADV_DONTDUMP", left_out);
    show_word("shared memory", shared);
    SHOW("memory that was never touched is empty", "%d", word_at(kept + 512 * (PAGES - 1)) == 0);
    munmap(core, core_size);
    unlink("core");
}

static void filtered(const char *filter)
{
    IN_CHILD("ends with a core", {
        limit(RLIM_INFINITY);
        int fd = open("/proc/self/coredump_filter", O_RDWR);
        show_done("filter", write(fd, filter, strlen(filter)));
        char text[16] = "";
        pread(fd, text, sizeof text - 1, 0);
        SHOW("reads", "%.8s", text);
        abort();
    });
    if (!load())
        return;
    show_word("private memory", kept);
    show_word("shared memory", shared);
    show_word("a file", of_file);
    show_word("a file, shared", of_file_shared);
    SHOW("an ELF header", "%d %d", word_at(program) != SILENCE, word_at(program + 512) != SILENCE);
    munmap(core, core_size);
    unlink("core");
}

// What has the name already goes first, whatever it is; only a directory stays in the way.
static void replaced(void)
{
    struct stat st;
    static const char *const kinds[] = {"a file", "a file of others", "a link", "a symlink",
                                        "a pipe"};
    for (int i = 0; i < 5; i++) {
        int fd = open("other", O_CREAT | O_WRONLY | O_TRUNC, 0644);
        write(fd, "text", 4);
        close(fd);
        if (i == 1)
            chown("other", 1000, 1000);
        if (i < 2)
            rename("other", "core");
        else if (i == 2)
            link("other", "core");
        else if (i == 3)
            symlink("other", "core");
        else
            mkfifo("core", 0600);
        IN_CHILD(kinds[i], limit(RLIM_INFINITY); abort());
        int err = lstat("core", &st);
        SHOW("... is now", "%d type %o links %d uid %u", err, st.st_mode, (int)st.st_nlink,
             st.st_uid);
        SHOW("... the other", "%ld", stat("other", &st) ? -1 : (long)st.st_size);
        unlink("other");
        unlink("core");
    }
    IN_CHILD("in a directory one may not write to", mkdir("closed", 0755); chdir("closed");
             if (setuid(1000)) abort(); prctl(PR_SET_DUMPABLE, 1); limit(RLIM_INFINITY); abort());
    show_call("nothing was made", unlink("closed/core"));
    IN_CHILD("in one that is gone", chdir("closed"); rmdir("../closed"); limit(RLIM_INFINITY);
             abort());
}

// Linux has changed its mind about a limit that cuts.
static void refusals(void)
{
    IN_CHILD("with a limit of 0", limit(0); abort());
    IN_CHILD("with a limit of one byte", limit(1); abort());
    show_call("nothing was made", unlink("core"));
    IN_CHILD("not dumpable", limit(RLIM_INFINITY); prctl(PR_SET_DUMPABLE, 0); abort());
    IN_CHILD("a signal without core", limit(RLIM_INFINITY); raise(SIGTERM));
    show_call("nothing was made", unlink("core"));
    mkdir("core", 0700);
    IN_CHILD("a directory", limit(RLIM_INFINITY); abort());
    rmdir("core");
    IN_CHILD("the filter is inherited", {
        int fd = open("/proc/self/coredump_filter", O_RDWR);
        write(fd, "0x7", 3);
        IN_CHILD("by a child", {
            char text[16] = "";
            pread(fd, text, 0, 0);
            int own = open("/proc/self/coredump_filter", O_RDONLY);
            read(own, text, sizeof text - 1);
            SHOW("filter", "%.8s", text);
        });
    });
}

static void body(void)
{
    enter_work_dir();
    remember();
    contents();
    filtered("0x0\n");
    filtered("0x1\n");
    filtered("0x4\n");
    filtered("0x8\n");
    filtered("0x11\n");
    filtered("0x17\n");
    replaced();
    refusals();
    leave_work_dir();
}

static int cores_are_files(void)
{
    char text[64] = "";
    FILE *f = fopen("/proc/sys/kernel/core_pattern", "r");
    return f && fgets(text, sizeof text, f) && strcmp(text, "core\n") == 0;
}

int main(void)
{
    probe_needs(cores_are_files, "core file named core");
    return run_as_child(body);
}
