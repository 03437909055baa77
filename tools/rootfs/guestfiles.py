"""Files a root needs that no package's archive holds.

On a Debian system the maintainer scripts make most of them; these are the ones a shell, apt and the
C library cannot start without, written so that those scripts later find what they expect. Nothing
of the host's goes in: name servers and certificates are handed over when the guest starts.
"""
import busybox

# path -> mode. Packages that ship one of these win.
DIRECTORIES = {
    "dev": 0o755, "dev/pts": 0o755, "dev/shm": 0o1777, "etc": 0o755, "home": 0o755, "mnt": 0o755,
    "opt": 0o755, "proc": 0o555, "root": 0o700, "run": 0o755, "srv": 0o755, "sys": 0o555,
    "tmp": 0o1777, "usr/local/bin": 0o755, "var": 0o755, "var/cache": 0o755, "var/lib": 0o755,
    "var/log": 0o755, "var/tmp": 0o1777,
}
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
TINY_PROFILE = "export PATH=%s\nexport PS1='\\w \\$ '\numask 022\n" % PATH
TINY_PASSWD = ("root:x:0:0:root:/root:/bin/sh\n"
               "daemon:x:1:1:daemon:/usr/sbin:/usr/sbin/nologin\n"
               "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n")
TINY_GROUP = "root:x:0:\ndaemon:x:1:\nadm:x:4:\ntty:x:5:\nshadow:x:42:\nusers:x:100:\nnogroup:x:65534:\n"

# Choices update-alternatives would make: link in /usr/bin -> first of these that is there.
ALTERNATIVES = {
    "awk": ("mawk",), "nawk": ("mawk",), "pager": ("less",), "editor": ("nano", "vim.tiny"),
    "vi": ("vim.basic", "vim.tiny"), "vim": ("vim.basic",), "ex": ("vim.basic", "vim.tiny"),
    "which": ("which.debianutils",), "nc": ("nc.openbsd", "nc.traditional"),
    "cc": ("gcc",), "c++": ("g++",), "c99": ("c99-gcc",), "f77": ("gfortran",),
    "lua": ("lua5.4",), "php": ("php8.2",), "guile": ("guile-3.0",),
}


def common(root):
    for path, mode in DIRECTORIES.items():
        root.directory(path, mode)
    root.file("etc/hostname", "ish\n")
    root.file("etc/hosts", "127.0.0.1\tlocalhost ish\n::1\tlocalhost ip6-localhost ip6-loopback\n")
    root.file("etc/resolv.conf", "# written when the guest starts\n")
    root.file("etc/shadow", "root:*:19000:0:99999:7:::\n", mode=0o640, gid=42)
    root.file("etc/fstab", "")


def tiny(root, packages):
    """A root around the static busybox: every applet is a link beside it."""
    common(root)
    carrier = next(package for package in packages if package.name == "busybox-static")
    binary = carrier.read({"bin/busybox", "usr/bin/busybox"}).popitem()[1]
    for name in busybox.applets(binary):
        if name != "busybox":
            root.symlink("usr/bin/" + name, "busybox")
    root.file("etc/profile", TINY_PROFILE)
    root.file("etc/passwd", TINY_PASSWD)
    root.file("etc/group", TINY_GROUP)
    root.file("etc/shells", "/bin/sh\n/bin/ash\n")
    root.file("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n")


def debian(root, packages, sources):
    """What the maintainer scripts of the base system would have made."""
    common(root)
    by_name = {package.name: package for package in packages}
    masters = by_name["base-passwd"].read({"usr/share/base-passwd/passwd.master",
                                           "usr/share/base-passwd/group.master"})
    for path, body in masters.items():
        name = path.rsplit("/", 1)[1].partition(".")[0]
        root.file("etc/" + name, body.replace(b":*:", b":x:"))
    copies = {"usr/share/base-files/profile": "etc/profile", "usr/share/base-files/motd": "etc/motd",
              "usr/share/base-files/nsswitch.conf": "etc/nsswitch.conf",
              "usr/share/libc-bin/nsswitch.conf": "etc/nsswitch.conf"}
    for owner in ("base-files", "libc-bin"):
        for path, body in sorted(by_name[owner].read(set(copies)).items()):
            root.file(copies[path], body)
    for name, choices in ALTERNATIVES.items():
        present = [choice for choice in choices if "usr/bin/" + choice in root.seen]
        if present:
            root.symlink("usr/bin/" + name, present[0])
    certificates(root, by_name.get("ca-certificates"))
    root.file("etc/apt/sources.list.d/debian.sources", sources)
    root.file("etc/apt/apt.conf.d/01small", 'APT::Install-Recommends "false";\n'
              'Acquire::Languages "none";\n')
    # Says "do not start it" to every maintainer script that would start a service.
    root.file("usr/sbin/policy-rc.d", "#!/bin/sh\nexit 101\n", mode=0o755)
    for path in ("var/lib/apt/lists/partial", "var/cache/apt/archives/partial", "var/log/apt",
                 "var/cache/debconf"):
        root.directory(path)


def certificates(root, package):
    """The bundle update-ca-certificates would make: every shipped certificate, in order of name."""
    if not package:
        return
    found = {}
    with package.members() as archive:
        for member in archive:
            if member.isreg() and member.name.endswith(".crt"):
                found[member.name] = archive.extractfile(member).read()
    root.file("etc/ssl/certs/ca-certificates.crt", b"".join(body for _, body in sorted(found.items())))
