// Terminal interface of ARM64 Linux: structures, flag values and ioctl numbers (asm-generic).
// Layer 0.
#ifndef PLATFORM_ABI_TTY_H
#define PLATFORM_ABI_TTY_H

#include <stdint.h>

enum { LINUX_NCCS = 19 };

struct linux_termios {
    uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
    uint8_t c_line;
    uint8_t c_cc[LINUX_NCCS];
};
_Static_assert(sizeof(struct linux_termios) == 36, "struct termios of ARM64");

struct linux_termios2 {
    uint32_t c_iflag, c_oflag, c_cflag, c_lflag;
    uint8_t c_line;
    uint8_t c_cc[LINUX_NCCS];
    uint32_t c_ispeed, c_ospeed;
};
_Static_assert(sizeof(struct linux_termios2) == 44, "struct termios2 of ARM64");

// The System V form of TCGETA and TCSETA.
struct linux_termio {
    uint16_t c_iflag, c_oflag, c_cflag, c_lflag;
    uint8_t c_line;
    uint8_t c_cc[8];
    uint8_t pad;
};
_Static_assert(sizeof(struct linux_termio) == 18, "struct termio of ARM64");

struct linux_winsize {
    uint16_t ws_row, ws_col, ws_xpixel, ws_ypixel;
};

// Indices of c_cc.
enum {
    LINUX_VINTR = 0,
    LINUX_VQUIT = 1,
    LINUX_VERASE = 2,
    LINUX_VKILL = 3,
    LINUX_VEOF = 4,
    LINUX_VTIME = 5,
    LINUX_VMIN = 6,
    LINUX_VSWTC = 7,
    LINUX_VSTART = 8,
    LINUX_VSTOP = 9,
    LINUX_VSUSP = 10,
    LINUX_VEOL = 11,
    LINUX_VREPRINT = 12,
    LINUX_VDISCARD = 13,
    LINUX_VWERASE = 14,
    LINUX_VLNEXT = 15,
    LINUX_VEOL2 = 16,
};
// A control character with this value is switched off.
enum { LINUX_VDISABLE = 0 };

// c_iflag
#define LINUX_IGNBRK  0x0001u
#define LINUX_BRKINT  0x0002u
#define LINUX_IGNPAR  0x0004u
#define LINUX_PARMRK  0x0008u
#define LINUX_INPCK   0x0010u
#define LINUX_ISTRIP  0x0020u
#define LINUX_INLCR   0x0040u
#define LINUX_IGNCR   0x0080u
#define LINUX_ICRNL   0x0100u
#define LINUX_IUCLC   0x0200u
#define LINUX_IXON    0x0400u
#define LINUX_IXANY   0x0800u
#define LINUX_IXOFF   0x1000u
#define LINUX_IMAXBEL 0x2000u
#define LINUX_IUTF8   0x4000u

// c_oflag
#define LINUX_OPOST  0x0001u
#define LINUX_OLCUC  0x0002u
#define LINUX_ONLCR  0x0004u
#define LINUX_OCRNL  0x0008u
#define LINUX_ONOCR  0x0010u
#define LINUX_ONLRET 0x0020u
#define LINUX_TABDLY 0x1800u
#define LINUX_XTABS  0x1800u

// c_cflag
#define LINUX_CBAUD   0x100fu
#define LINUX_CBAUDEX 0x1000u
#define LINUX_BOTHER  0x1000u
#define LINUX_B38400  0x000fu
#define LINUX_CSIZE   0x0030u
#define LINUX_CS8     0x0030u
#define LINUX_CREAD   0x0080u
#define LINUX_PARENB  0x0100u
#define LINUX_HUPCL   0x0400u
#define LINUX_CLOCAL  04000u
#define LINUX_CIBAUD  0x100f0000u
enum { LINUX_IBSHIFT = 16 };

// c_lflag
#define LINUX_ISIG    0x0001u
#define LINUX_ICANON  0x0002u
#define LINUX_XCASE   0x0004u
#define LINUX_ECHO    0x0008u
#define LINUX_ECHOE   0x0010u
#define LINUX_ECHOK   0x0020u
#define LINUX_ECHONL  0x0040u
#define LINUX_NOFLSH  0x0080u
#define LINUX_TOSTOP  0x0100u
#define LINUX_ECHOCTL 0x0200u
#define LINUX_ECHOPRT 0x0400u
#define LINUX_ECHOKE  0x0800u
#define LINUX_FLUSHO  0x1000u
#define LINUX_PENDIN  0x4000u
#define LINUX_IEXTEN  0x8000u
#define LINUX_EXTPROC 0x10000u

// ioctl numbers
#define LINUX_TCGETS         0x5401u
#define LINUX_TCSETS         0x5402u
#define LINUX_TCSETSW        0x5403u
#define LINUX_TCSETSF        0x5404u
#define LINUX_TCGETA         0x5405u
#define LINUX_TCSETA         0x5406u
#define LINUX_TCSETAW        0x5407u
#define LINUX_TCSETAF        0x5408u
#define LINUX_TCSBRK         0x5409u
#define LINUX_TCXONC         0x540au
#define LINUX_TCFLSH         0x540bu
#define LINUX_TIOCEXCL       0x540cu
#define LINUX_TIOCNXCL       0x540du
#define LINUX_TIOCSCTTY      0x540eu
#define LINUX_TIOCGPGRP      0x540fu
#define LINUX_TIOCSPGRP      0x5410u
#define LINUX_TIOCOUTQ       0x5411u
#define LINUX_TIOCSTI        0x5412u
#define LINUX_TIOCGWINSZ     0x5413u
#define LINUX_TIOCSWINSZ     0x5414u
#define LINUX_FIONREAD       0x541bu
#define LINUX_TIOCCONS       0x541du
#define LINUX_TIOCPKT        0x5420u
#define LINUX_TIOCNOTTY      0x5422u
#define LINUX_TIOCSETD       0x5423u
#define LINUX_TIOCGETD       0x5424u
#define LINUX_TCSBRKP        0x5425u
#define LINUX_TIOCSBRK       0x5427u
#define LINUX_TIOCCBRK       0x5428u
#define LINUX_TIOCGSID       0x5429u
#define LINUX_TCGETS2        0x802c542au
#define LINUX_TCSETS2        0x402c542bu
#define LINUX_TCSETSW2       0x402c542cu
#define LINUX_TCSETSF2       0x402c542du
#define LINUX_TIOCGPTN       0x80045430u
#define LINUX_TIOCSPTLCK     0x40045431u
#define LINUX_TIOCGDEV       0x80045432u
#define LINUX_TIOCSIG        0x40045436u
#define LINUX_TIOCVHANGUP    0x5437u
#define LINUX_TIOCGPKT       0x80045438u
#define LINUX_TIOCGPTLCK     0x80045439u
#define LINUX_TIOCGEXCL      0x80045440u
#define LINUX_TIOCGPTPEER    0x5441u
#define LINUX_TIOCGLCKTRMIOS 0x5456u
#define LINUX_TIOCSLCKTRMIOS 0x5457u
#define LINUX_TIOCGSOFTCAR   0x5419u
#define LINUX_TIOCSSOFTCAR   0x541au

// Arguments of TCXONC.
enum { LINUX_TCOOFF = 0, LINUX_TCOON = 1, LINUX_TCIOFF = 2, LINUX_TCION = 3 };
// Arguments of TCFLSH.
enum { LINUX_TCIFLUSH = 0, LINUX_TCOFLUSH = 1, LINUX_TCIOFLUSH = 2 };

// The status byte in front of every read of a pty master in packet mode.
enum {
    LINUX_TIOCPKT_DATA = 0,
    LINUX_TIOCPKT_FLUSHREAD = 1,
    LINUX_TIOCPKT_FLUSHWRITE = 2,
    LINUX_TIOCPKT_STOP = 4,
    LINUX_TIOCPKT_START = 8,
    LINUX_TIOCPKT_NOSTOP = 16,
    LINUX_TIOCPKT_DOSTOP = 32,
    LINUX_TIOCPKT_IOCTL = 64,
};

// Device numbers.
enum {
    LINUX_TTYAUX_MAJOR = 5, // minor 0: /dev/tty, 1: /dev/console, 2: /dev/ptmx
    LINUX_UNIX98_PTY_MASTER_MAJOR = 128,
    LINUX_UNIX98_PTY_SLAVE_MAJOR = 136,
};

#endif
