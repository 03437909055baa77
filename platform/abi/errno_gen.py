"""Derives the error-number header and tables from errno.tbl: errno_gen.py TABLE HEADER TABLE_INC"""
import sys


def main():
    rows = [line.split(None, 2) for line in open(sys.argv[1])
            if line.strip() and not line.startswith("#")]
    with open(sys.argv[2], "w") as out:
        out.write("// Generated from platform/abi/errno.tbl.\n#ifndef PLATFORM_ABI_LINUX_ERRNO_H\n"
                  "#define PLATFORM_ABI_LINUX_ERRNO_H\nenum {\n")
        for number, name, _ in rows:
            out.write("    LINUX_%s = %s,\n" % (name, number))
        out.write("    LINUX_EWOULDBLOCK = LINUX_EAGAIN,\n    LINUX_ERRNO_MAX = 4095,\n};\n#endif\n")
    with open(sys.argv[3], "w") as out:
        out.write("// Generated from platform/abi/errno.tbl.\n")
        for number, name, text in rows:
            out.write("#if defined(%s)\n    {%s, %s, \"%s\", \"%s\"},\n#else\n    {%s, 0, \"%s\", \"%s\"},\n#endif\n"
                      % (name, number, name, name, text.strip(), number, name, text.strip()))


main()
