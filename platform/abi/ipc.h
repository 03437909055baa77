// System V IPC and POSIX message queues of Linux ARM64: svipc(7), mq_overview(7). Layer 0.
#ifndef PLATFORM_ABI_IPC_H
#define PLATFORM_ABI_IPC_H

#include <stdint.h>

enum { LINUX_IPC_PRIVATE = 0, LINUX_IPC_CREAT = 01000, LINUX_IPC_EXCL = 02000 };
enum { LINUX_IPC_NOWAIT = 04000 };

enum {
    LINUX_IPC_RMID = 0,
    LINUX_IPC_SET = 1,
    LINUX_IPC_STAT = 2,
    LINUX_IPC_INFO = 3,
    LINUX_SHM_LOCK = 11,
    LINUX_SHM_UNLOCK = 12,
    LINUX_SHM_STAT = 13,
    LINUX_SHM_INFO = 14,
    LINUX_SHM_STAT_ANY = 15,
    LINUX_MSG_STAT = 11,
    LINUX_MSG_INFO = 12,
    LINUX_MSG_STAT_ANY = 13,
    LINUX_SEM_GETPID = 11,
    LINUX_SEM_GETVAL = 12,
    LINUX_SEM_GETALL = 13,
    LINUX_SEM_GETNCNT = 14,
    LINUX_SEM_GETZCNT = 15,
    LINUX_SEM_SETVAL = 16,
    LINUX_SEM_SETALL = 17,
    LINUX_SEM_STAT = 18,
    LINUX_SEM_INFO = 19,
    LINUX_SEM_STAT_ANY = 20,
};

struct linux_ipc_perm {
    int32_t key;
    uint32_t uid, gid, cuid, cgid, mode;
    uint16_t seq, pad;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct linux_ipc_perm) == 48, "svipc(7)");

enum { LINUX_SEM_UNDO = 0x1000 };
struct linux_sembuf {
    uint16_t num;
    int16_t op, flags;
};
_Static_assert(sizeof(struct linux_sembuf) == 6, "semop(2)");

struct linux_semid_ds {
    struct linux_ipc_perm perm;
    int64_t otime, ctime;
    uint64_t nsems, unused[2];
};
_Static_assert(sizeof(struct linux_semid_ds) == 88, "semctl(2)");

struct linux_seminfo {
    int32_t map, mni, mns, mnu, msl, opm, ume, usz, vmx, aem;
};

enum { LINUX_MSG_NOERROR = 010000, LINUX_MSG_EXCEPT = 020000, LINUX_MSG_COPY = 040000 };
struct linux_msqid_ds {
    struct linux_ipc_perm perm;
    int64_t stime, rtime, ctime;
    uint64_t cbytes, qnum, qbytes;
    int32_t lspid, lrpid;
    uint64_t unused[2];
};
_Static_assert(sizeof(struct linux_msqid_ds) == 120, "msgctl(2)");

struct linux_msginfo {
    int32_t pool, map, max, mnb, mni, ssz, tql;
    uint16_t seg;
};
_Static_assert(sizeof(struct linux_msginfo) == 32, "msgctl(2)");

enum {
    LINUX_SHM_RDONLY = 010000,
    LINUX_SHM_RND = 020000,
    LINUX_SHM_REMAP = 040000,
    LINUX_SHM_EXEC = 0100000,
    LINUX_SHM_HUGETLB = 04000, // of shmget
    LINUX_SHM_DEST = 01000,    // in the mode
    LINUX_SHM_LOCKED = 02000,
};
struct linux_shmid_ds {
    struct linux_ipc_perm perm;
    uint64_t segsz;
    int64_t atime, dtime, ctime;
    int32_t cpid, lpid;
    uint64_t nattch, unused[2];
};
_Static_assert(sizeof(struct linux_shmid_ds) == 112, "shmctl(2)");

struct linux_shminfo {
    uint64_t max, min, mni, seg, all, unused[4];
};
struct linux_shm_info {
    int32_t used_ids, pad;
    uint64_t tot, rss, swp, swap_attempts, swap_successes;
};

struct linux_mq_attr {
    int64_t flags, maxmsg, msgsize, curmsgs, reserved[4];
};
_Static_assert(sizeof(struct linux_mq_attr) == 64, "mq_getattr(3)");

#endif
