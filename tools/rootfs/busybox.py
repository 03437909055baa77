"""Lists the applets of a busybox binary without running it.

busybox keeps its applet names as one run of NUL-terminated strings, sorted, which begins with the
two spellings of test, `[` and `[[`, and ends with an empty name.
"""

START = b"\0[\0[[\0"


def applets(binary):
    at = binary.find(START)
    if at < 0:
        raise ValueError("no applet table in this busybox")
    end = binary.index(b"\0\0", at + 1)
    names = binary[at + 1:end].decode("ascii").split("\0")
    if "sh" not in names or names != sorted(names):
        raise ValueError("the applet table of this busybox is not as expected")
    return names
