"""Writes dpkg's database: every merged package as "install ok unpacked".

`dpkg --configure -a` inside the guest then runs the maintainer scripts, as the second stage of any
Debian installation does. Preinst scripts are not run; no essential package depends on one.
"""
import re

SCRIPTS = ("preinst", "postinst", "prerm", "postrm", "config")
DIRECTORIES = ("info", "updates", "triggers", "alternatives", "parts")


def status_stanza(merged):
    text = re.sub(r"^(Package: .*)$", r"\1\nStatus: install ok unpacked", merged.package.control,
                  count=1, flags=re.M)
    conffiles = [path for path in merged.package.conffiles if path in merged.conffile_md5]
    if conffiles:
        text += "\nConffiles:" + "".join("\n %s %s" % (path, merged.conffile_md5[path])
                                         for path in conffiles)
    return text + "\n"


def write(root, all_merged, arch):
    base = "var/lib/dpkg/"
    for name in DIRECTORIES:
        root.directory(base + name)
    for merged in all_merged:
        stem = base + "info/" + merged.package.info_name
        root.file(stem + ".list", "\n".join(merged.listing) + "\n")
        for name, body in sorted(merged.package.control_files.items()):
            if name != "control":
                root.file("%s.%s" % (stem, name), body, mode=0o755 if name in SCRIPTS else 0o644)
    root.file(base + "info/format", "1\n")
    root.file(base + "arch", arch + "\n")
    root.file(base + "status", "\n".join(status_stanza(merged) for merged in all_merged))
    for name in ("available", "diversions", "statoverride"):
        root.file(base + name, "")
