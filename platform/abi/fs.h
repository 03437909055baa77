// Numbers and structures of the Linux file interface on ARM64 (asm-generic unless noted). Layer 0.
#ifndef PLATFORM_ABI_FS_H
#define PLATFORM_ABI_FS_H

#include "platform/abi/time.h"
#include <stdint.h>

enum {
    LINUX_PATH_MAX = 4096, // with NUL
    LINUX_NAME_MAX = 255,
    LINUX_SYMLINK_MAX = 40, // links followed in one walk
};

// open(2). O_DIRECTORY, O_NOFOLLOW, O_DIRECT and O_LARGEFILE differ from asm-generic on ARM64.
enum {
    LINUX_O_RDONLY = 0,
    LINUX_O_WRONLY = 1,
    LINUX_O_RDWR = 2,
    LINUX_O_ACCMODE = 3,
    LINUX_O_CREAT = 0100,
    LINUX_O_EXCL = 0200,
    LINUX_O_NOCTTY = 0400,
    LINUX_O_TRUNC = 01000,
    LINUX_O_APPEND = 02000,
    LINUX_O_NONBLOCK = 04000,
    LINUX_O_DSYNC = 010000,
    LINUX_FASYNC = 020000,
    LINUX_O_DIRECTORY = 040000,
    LINUX_O_NOFOLLOW = 0100000,
    LINUX_O_DIRECT = 0200000,
    LINUX_O_LARGEFILE = 0400000,
    LINUX_O_NOATIME = 01000000,
    LINUX_O_CLOEXEC = 02000000,
    LINUX_O_SYNC = 04010000,
    LINUX_O_PATH = 010000000,
    LINUX_O_TMPFILE_BIT = 020000000,
    LINUX_O_TMPFILE = LINUX_O_TMPFILE_BIT | LINUX_O_DIRECTORY,
};

enum {
    LINUX_S_IFMT = 0170000,
    LINUX_S_IFSOCK = 0140000,
    LINUX_S_IFLNK = 0120000,
    LINUX_S_IFREG = 0100000,
    LINUX_S_IFBLK = 0060000,
    LINUX_S_IFDIR = 0040000,
    LINUX_S_IFCHR = 0020000,
    LINUX_S_IFIFO = 0010000,
    LINUX_S_ISUID = 04000,
    LINUX_S_ISGID = 02000,
    LINUX_S_ISVTX = 01000,
    LINUX_S_IRUSR = 0400,
    LINUX_S_IWUSR = 0200,
    LINUX_S_IXUSR = 0100,
    LINUX_S_IXGRP = 0010,
    LINUX_S_IWOTH = 0002,
    LINUX_S_IALLPERM = 07777,
};
#define LINUX_S_ISREG(m) (((m) & (unsigned)LINUX_S_IFMT) == (unsigned)LINUX_S_IFREG)
#define LINUX_S_ISDIR(m) (((m) & (unsigned)LINUX_S_IFMT) == (unsigned)LINUX_S_IFDIR)
#define LINUX_S_ISLNK(m) (((m) & (unsigned)LINUX_S_IFMT) == (unsigned)LINUX_S_IFLNK)

enum { LINUX_X_OK = 1, LINUX_W_OK = 2, LINUX_R_OK = 4 };

enum {
    LINUX_AT_FDCWD = -100,
    LINUX_AT_SYMLINK_NOFOLLOW = 0x100,
    LINUX_AT_REMOVEDIR = 0x200,
    LINUX_AT_EACCESS = 0x200,
    LINUX_AT_SYMLINK_FOLLOW = 0x400,
    LINUX_AT_NO_AUTOMOUNT = 0x800,
    LINUX_AT_EMPTY_PATH = 0x1000,
    LINUX_AT_STATX_SYNC_TYPE = 0x6000,
    LINUX_AT_RECURSIVE = 0x8000,
};

enum {
    LINUX_RENAME_NOREPLACE = 1,
    LINUX_RENAME_EXCHANGE = 2,
    LINUX_RENAME_WHITEOUT = 4,
};

enum {
    LINUX_DT_UNKNOWN = 0,
    LINUX_DT_FIFO = 1,
    LINUX_DT_CHR = 2,
    LINUX_DT_DIR = 4,
    LINUX_DT_BLK = 6,
    LINUX_DT_REG = 8,
    LINUX_DT_LNK = 10,
    LINUX_DT_SOCK = 12,
};

enum {
    LINUX_SEEK_SET = 0,
    LINUX_SEEK_CUR = 1,
    LINUX_SEEK_END = 2,
    LINUX_SEEK_DATA = 3,
    LINUX_SEEK_HOLE = 4,
};

enum {
    LINUX_FALLOC_FL_KEEP_SIZE = 0x01,
    LINUX_FALLOC_FL_PUNCH_HOLE = 0x02,
    LINUX_FALLOC_FL_COLLAPSE_RANGE = 0x08,
    LINUX_FALLOC_FL_ZERO_RANGE = 0x10,
    LINUX_FALLOC_FL_INSERT_RANGE = 0x20,
    LINUX_FALLOC_FL_UNSHARE_RANGE = 0x40,
};

// Types of advisory locks (fcntl(2)).
enum { LINUX_F_RDLCK = 0, LINUX_F_WRLCK = 1, LINUX_F_UNLCK = 2 };

enum { LINUX_XATTR_CREATE = 1, LINUX_XATTR_REPLACE = 2, LINUX_XATTR_SIZE_MAX = 65536 };

// utimensat(2): values of nsec
enum { LINUX_UTIME_NOW = 0x3fffffff, LINUX_UTIME_OMIT = 0x3ffffffe };

// statfs(2)
#define LINUX_TMPFS_MAGIC      0x01021994u
#define LINUX_PROC_SUPER_MAGIC 0x9fa0u
#define LINUX_SYSFS_MAGIC      0x62656572u
#define LINUX_DEVPTS_MAGIC     0x1cd1u
#define LINUX_EXT4_MAGIC       0xef53u
#define LINUX_NSFS_MAGIC       0x6e736673u
#define LINUX_PIPEFS_MAGIC     0x50495045u
#define LINUX_SOCKFS_MAGIC     0x534f434bu
#define LINUX_ANON_INODE_MAGIC 0x09041934u
enum {
    LINUX_ST_RDONLY = 1,
    LINUX_ST_NOSUID = 2,
    LINUX_ST_NODEV = 4,
    LINUX_ST_NOEXEC = 8,
    LINUX_ST_VALID = 0x20,
};

struct linux_stat {
    uint64_t st_dev, st_ino;
    uint32_t st_mode, st_nlink, st_uid, st_gid;
    uint64_t st_rdev, pad1;
    int64_t st_size;
    int32_t st_blksize, pad2;
    int64_t st_blocks;
    struct linux_timespec st_atime_, st_mtime_, st_ctime_;
    uint32_t unused[2];
};
_Static_assert(sizeof(struct linux_stat) == 128, "struct stat of asm-generic");

struct linux_statx_timestamp {
    int64_t tv_sec;
    uint32_t tv_nsec;
    int32_t reserved;
};
struct linux_statx {
    uint32_t stx_mask, stx_blksize;
    uint64_t stx_attributes;
    uint32_t stx_nlink, stx_uid, stx_gid;
    uint16_t stx_mode, spare0;
    uint64_t stx_ino, stx_size, stx_blocks, stx_attributes_mask;
    struct linux_statx_timestamp stx_atime, stx_btime, stx_ctime, stx_mtime;
    uint32_t stx_rdev_major, stx_rdev_minor, stx_dev_major, stx_dev_minor;
    uint64_t stx_mnt_id;
    uint32_t stx_dio_mem_align, stx_dio_offset_align;
    uint64_t spare3[12];
};
_Static_assert(sizeof(struct linux_statx) == 256, "struct statx");
enum {
    LINUX_STATX_BASIC_STATS = 0x7ff,
    LINUX_STATX_BTIME = 0x800,
    LINUX_STATX_MNT_ID = 0x1000,
    LINUX_STATX_ATTR_MOUNT_ROOT = 0x2000,
};

// d_name follows, NUL-terminated; the record is padded to a multiple of 8.
struct linux_dirent64 {
    uint64_t d_ino;
    int64_t d_off;
    uint16_t d_reclen;
    uint8_t d_type;
    char d_name[5];
};
_Static_assert(sizeof(struct linux_dirent64) == 24, "d_name starts at 19");
enum { LINUX_DIRENT64_NAME_OFFSET = 19 };

struct linux_statfs64 {
    int64_t f_type, f_bsize;
    uint64_t f_blocks, f_bfree, f_bavail, f_files, f_ffree;
    int32_t f_fsid[2];
    int64_t f_namelen, f_frsize, f_flags, f_spare[4];
};
_Static_assert(sizeof(struct linux_statfs64) == 120, "struct statfs of asm-generic");

#endif
