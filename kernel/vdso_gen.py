"""Makes the vDSO: a shared object of one page, as a C array. usage: vdso_gen.py HEADER

The code is a handful of A64 words, encoded here so that no cross assembler is needed to build. The
clocks are read through implementation-defined registers of our CPU (emu/cpu.h, clock_ns): there is
no data page to keep fresh. A clock without a fast path reads as all ones, and the function makes
the system call instead.
"""
import struct
import sys

VERSION = "LINUX_2.6.39"
NR_CLOCK_GETTIME, NR_CLOCK_GETRES, NR_GETTIMEOFDAY, NR_SIGRETURN = 113, 114, 169, 139
# Clocks with a register: REALTIME MONOTONIC MONOTONIC_RAW and their COARSE forms, BOOTTIME.
CLOCKS = (0, 1, 4, 5, 6, 7)
COARSE = (5, 6)
COARSE_NS = 4000000
EQ = 0


class Code:
    """Words with labels; branches are patched when all labels are known."""

    def __init__(self):
        self.words, self.labels, self.patches, self.functions = [], {}, [], []

    def function(self, name):
        self.functions.append([name, len(self.words) * 4, 0])

    def end(self):
        self.functions[-1][2] = len(self.words) * 4 - self.functions[-1][1]

    def label(self, name):
        self.labels[name] = len(self.words)

    def emit(self, *words):
        self.words += words

    def branch(self, word, shift, label):  # imm19 at bit 5, or imm26 at bit 0
        self.patches.append((len(self.words), shift, label))
        self.words.append(word)

    def finish(self):
        for at, shift, label in self.patches:
            bits = 19 if shift else 26
            self.words[at] |= (self.labels[label] - at & (1 << bits) - 1) << shift
        return b"".join(struct.pack("<I", w) for w in self.words)


def movz_x(rd, imm, half=0):
    return 0xd2800000 | half << 21 | imm << 5 | rd


def movk_x(rd, imm, half):
    return 0xf2800000 | half << 21 | imm << 5 | rd


def cmp_w_imm(rn, imm):
    return 0x7100001f | imm << 10 | rn << 5


def cmn_x_imm(rn, imm):
    return 0xb100001f | imm << 10 | rn << 5


def mrs_clock(rt, clock):
    return 0b1101010100_1_11_011_1111_110_0000_00000 | clock << 5 | rt


def udiv_x(rd, rn, rm):
    return 0x9ac00800 | rm << 16 | rn << 5 | rd


def msub_x(rd, rn, rm, ra):
    return 0x9b008000 | rm << 16 | ra << 10 | rn << 5 | rd


def stp_x(rt, rt2, rn):
    return 0xa9000000 | rt2 << 10 | rn << 5 | rt


RET, SVC, MOV_W0_0 = 0xd65f03c0, 0xd4000001, 0x52800000
B, B_COND, CBZ_X, CBNZ_X = 0x14000000, 0x54000000, 0xb4000000, 0xb5000000


def load_constant(code, rd, value):
    code.emit(movz_x(rd, value & 0xffff))
    if value >> 16:
        code.emit(movk_x(rd, value >> 16, 1))


def system_call(code, label, number):
    code.label(label)
    code.emit(movz_x(8, number), SVC, RET)


def assemble():
    code = Code()
    code.function("__kernel_rt_sigreturn")  # unwinders recognise exactly these two words
    code.emit(movz_x(8, NR_SIGRETURN), SVC)
    code.end()

    code.function("__kernel_clock_gettime")  # w0 clock, x1 timespec
    for clock in CLOCKS:
        code.emit(cmp_w_imm(0, clock))
        code.branch(B_COND | EQ, 5, f"read{clock}")
    code.branch(B, 0, "gettime_call")
    for clock in CLOCKS:
        code.label(f"read{clock}")
        code.emit(mrs_clock(2, clock))
        code.branch(B, 0, "split")
    code.label("split")
    code.emit(cmn_x_imm(2, 1))
    code.branch(B_COND | EQ, 5, "gettime_call")
    load_constant(code, 3, 10**9)
    code.emit(udiv_x(4, 2, 3), msub_x(5, 4, 3, 2), stp_x(4, 5, 1), MOV_W0_0, RET)
    system_call(code, "gettime_call", NR_CLOCK_GETTIME)
    code.end()

    code.function("__kernel_gettimeofday")  # x0 timeval, x1 timezone
    code.branch(CBNZ_X | 1, 5, "timeofday_call")
    code.branch(CBZ_X | 0, 5, "timeofday_call")
    code.emit(mrs_clock(2, 0), cmn_x_imm(2, 1))
    code.branch(B_COND | EQ, 5, "timeofday_call")
    load_constant(code, 3, 10**9)
    code.emit(udiv_x(4, 2, 3), msub_x(5, 4, 3, 2))
    load_constant(code, 3, 1000)
    code.emit(udiv_x(5, 5, 3), stp_x(4, 5, 0), MOV_W0_0, RET)
    system_call(code, "timeofday_call", NR_GETTIMEOFDAY)
    code.end()

    code.function("__kernel_clock_getres")  # w0 clock, x1 timespec
    load_constant(code, 3, 1)
    for clock in CLOCKS:
        if clock not in COARSE:
            code.emit(cmp_w_imm(0, clock))
            code.branch(B_COND | EQ, 5, "resolution")
    load_constant(code, 3, COARSE_NS)
    for clock in COARSE:
        code.emit(cmp_w_imm(0, clock))
        code.branch(B_COND | EQ, 5, "resolution")
    code.branch(B, 0, "getres_call")
    code.label("resolution")
    code.branch(CBZ_X | 1, 5, "getres_done")
    code.emit(stp_x(31, 3, 1))
    code.label("getres_done")
    code.emit(MOV_W0_0, RET)
    system_call(code, "getres_call", NR_CLOCK_GETRES)
    code.end()
    return code.finish(), code.functions


def elf_hash(name):
    h = 0
    for c in name.encode():
        h = (h << 4) + c
        g = h & 0xf0000000
        h = (h ^ g >> 24) & ~g & 0xffffffff
    return h


class Strings:
    def __init__(self):
        self.data = b"\0"

    def add(self, text):
        at = len(self.data)
        self.data += text.encode() + b"\0"
        return at


def align(data, n):
    return data + bytes(-len(data) % n)


def build():
    text, functions = assemble()
    strings = Strings()
    soname = strings.add("linux-vdso.so.1")
    version = strings.add(VERSION)
    headers = 64 + 2 * 56
    names = [strings.add(name) for name, _, _ in functions]
    count = 1 + len(functions)

    image = bytes(headers)
    at = {}
    hash_table = struct.pack("<5I", 1, count, 1 if functions else 0, 0, 0)[:12]
    chain = [0] + [i + 1 if i + 1 < count else 0 for i in range(1, count)]
    hash_table += struct.pack(f"<{count}I", *chain)
    at["hash"], image = len(image), align(image + hash_table, 8)
    at["dynsym"] = len(image)
    symbols_at = at["dynsym"]
    image += bytes(24 * count)
    at["dynstr"], image = len(image), align(image + strings.data, 2)
    at["versym"], image = len(image), align(image + struct.pack(f"<{count}H", 0, *[2] * (count - 1)), 8)
    base_def = struct.pack("<4H3I", 1, 1, 1, 1, elf_hash("linux-vdso.so.1"), 20, 28)
    base_def += struct.pack("<2I", soname, 0)
    version_def = struct.pack("<4H3I", 1, 0, 2, 1, elf_hash(VERSION), 20, 0)
    version_def += struct.pack("<2I", version, 0)
    at["verdef"], image = len(image), align(image + base_def + version_def, 8)
    at["dynamic"] = len(image)
    dynamic = [(14, soname), (4, at["hash"]), (5, at["dynstr"]), (6, at["dynsym"]),
               (10, len(strings.data)), (11, 24), (0x6ffffffc, at["verdef"]), (0x6ffffffd, 2),
               (0x6ffffff0, at["versym"]), (0, 0)]
    image += b"".join(struct.pack("<QQ", tag, value) for tag, value in dynamic)
    image = align(image, 16)
    text_at = len(image)
    image += text

    symbols = bytes(24)
    for name, (_, offset, size) in zip(names, functions):
        symbols += struct.pack("<IBBHQQ", name, 0x12, 0, 1, text_at + offset, size)
    image = image[:symbols_at] + symbols + image[symbols_at + len(symbols):]
    ehdr = struct.pack("<16sHHIQQQIHHHHHH", b"\x7fELF\x02\x01\x01", 3, 183, 1, 0, 64, 0, 0, 64, 56,
                       2, 64, 0, 0)
    load = struct.pack("<IIQQQQQQ", 1, 5, 0, 0, 0, len(image), len(image), 4096)
    dyn = struct.pack("<IIQQQQQQ", 2, 4, at["dynamic"], at["dynamic"], at["dynamic"],
                      16 * len(dynamic), 16 * len(dynamic), 8)
    image = ehdr + load + dyn + image[headers:]
    assert len(image) <= 4096
    return image, text_at + functions[0][1]


def main():
    image, sigreturn = build()
    rows = ["    " + "".join(f"{b:#04x}, " for b in image[i:i + 16]).rstrip()
            for i in range(0, len(image), 16)]
    with open(sys.argv[1], "w", encoding="ascii") as out:
        out.write("// Generated by kernel/vdso_gen.py.\n#ifndef KERNEL_VDSO_BYTES_H\n"
                  "#define KERNEL_VDSO_BYTES_H\n\n#include <stdint.h>\n\n"
                  f"enum {{ VDSO_SIGRETURN = {sigreturn:#x} }};\n"
                  f"static const uint8_t vdso_bytes[{len(image)}] = {{\n")
        out.write("\n".join(rows) + "\n};\n\n#endif\n")


main()
