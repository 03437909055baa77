#!/usr/bin/env python3
"""Runs a program with a directory as its root, in namespaces of its own.

    enter.py [--qemu PATH] [--host-network] [--terminal] [--hand PATH]... [--env K=V]...
             ROOT DIRECTORY PROGRAM [ARGUMENT...]

With --qemu, ARM64 programs in there are run by that qemu through a binfmt_misc of this namespace
alone (Linux 6.7 or newer); the host's own table is never touched. Without it they must be native.
With --terminal the program leads a session whose controlling terminal is its standard input.
--hand shows a folder of the host at the same path.
The environment is what --env says and nothing else. When this process dies, so does all in there.
"""
import ctypes
import fcntl
import os
import signal
import socket
import struct
import sys
import termios

NEWNS, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET = (0x20000, 0x4000000, 0x8000000, 0x10000000,
                                                  0x20000000, 0x40000000)
MS_BIND, MS_REC, MS_PRIVATE = 0x1000, 0x4000, 0x40000
PR_SET_PDEATHSIG, SIGKILL = 1, 9
# e_ident, e_type EXEC or DYN, e_machine AArch64; the ABI byte and the low bit of e_type vary.
MAGIC = r"\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00"
MASK = r"\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff"

libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments):
        error = ctypes.get_errno()
        raise OSError(error, "%s: %s" % (name, os.strerror(error)))


def mount(source, target, kind="", flags=0, options=""):
    call("mount", source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags),
         options.encode())


def write(path, text):
    with open(path, "w") as out:
        out.write(text)


def map_users(pid):
    """Maps everything for root; others may map only themselves, as root."""
    uid, gid = os.getuid(), os.getgid()
    if uid:
        write("/proc/%d/setgroups" % pid, "deny")
    write("/proc/%d/uid_map" % pid, "0 0 4294967295" if uid == 0 else "0 %d 1" % uid)
    write("/proc/%d/gid_map" % pid, "0 0 4294967295" if uid == 0 else "0 %d 1" % gid)


def raise_loopback():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        request = struct.pack("16sh14x", b"lo", 1)  # IFF_UP
        fcntl.ioctl(control, 0x8914, request)  # SIOCSIFFLAGS


def mount_devices(root):
    dev = os.path.join(root, "dev")
    mount("tmpfs", dev, "tmpfs", 0, "mode=755")
    for name in ("null", "zero", "full", "random", "urandom", "tty"):
        path = os.path.join(dev, name)
        write(path, "")
        mount("/dev/" + name, path, "", MS_BIND)
    for name, kind, options in (("pts", "devpts", "newinstance,ptmxmode=0666,mode=620"),
                                ("shm", "tmpfs", "mode=1777"), ("mqueue", "mqueue", "")):
        os.mkdir(os.path.join(dev, name))
        mount(kind, os.path.join(dev, name), kind, 0, options)
    for name, target in (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "/proc/self/fd/0"),
                         ("stdout", "/proc/self/fd/1"), ("stderr", "/proc/self/fd/2")):
        os.symlink(target, os.path.join(dev, name))


def enter(root, directory, qemu, network, handed):
    mount("none", "/", "", MS_REC | MS_PRIVATE)
    if qemu:
        mount("binfmt_misc", "/proc/sys/fs/binfmt_misc", "binfmt_misc")
        # P: argv[0] is kept. F: the interpreter is opened now, so the root need not hold it.
        write("/proc/sys/fs/binfmt_misc/register", ":arm64:M::%s:%s:%s:PF" % (MAGIC, MASK, qemu))
    mount_devices(root)
    mount("proc", os.path.join(root, "proc"), "proc")
    resolver = os.path.join(root, "etc", "resolv.conf")
    if network and os.path.exists(resolver):
        mount("/etc/resolv.conf", resolver, "", MS_BIND)
    for path in handed:
        mount(path, root + path, "", MS_BIND)
    socket.sethostname("ish")
    os.chroot(root)
    os.chdir(directory)


def main():
    arguments, qemu, network, environment, terminal = sys.argv[1:], None, False, {}, False
    handed = []
    while arguments and arguments[0].startswith("--"):
        option = arguments.pop(0)
        if option == "--qemu":
            qemu = arguments.pop(0)
        elif option == "--host-network":
            network = True
        elif option == "--terminal":
            terminal = True
        elif option == "--hand":
            handed.append(arguments.pop(0))
        elif option == "--env":
            key, _, value = arguments.pop(0).partition("=")
            environment[key] = value
        else:
            sys.exit("enter.py: unknown option " + option)
    root, directory, *program = arguments
    flags = NEWUSER | NEWNS | NEWPID | NEWIPC | NEWUTS | (0 if network else NEWNET)

    def first():
        """The first process of the new process space: sets up, then waits for the program, whose
        end is the end of everything. It cannot be the program itself: signals spare the first."""
        if not network:
            raise_loopback()
        enter(root, directory, qemu, network, handed)
        # Python ignores the first two, a shell the others in the background; programs must not.
        for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT):
            signal.signal(number, signal.SIG_DFL)
        return in_child(lambda: start(program, environment, terminal))

    sys.exit(in_child(lambda: in_child(first), flags))


def start(program, environment, terminal):
    """Becomes the program."""
    if terminal:
        os.setsid()
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    os.execve(program[0], program, environment)


def in_child(work, flags=0):
    """Exit status of `work` run in a child, which dies with us. With flags, the child unshares them
    first; its user map has to be written from out here, where the rights are."""
    ready_read, ready_write = os.pipe()
    mapped_read, mapped_write = os.pipe()
    child = os.fork()
    if child == 0:
        libc.prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0)
        try:
            if flags:
                call("unshare", flags)
                os.write(ready_write, b"x")
                os.read(mapped_read, 1)
            os._exit(work() or 0)
        except OSError as error:
            os.write(2, ("enter.py: %s\n" % error).encode())
            os._exit(125)
    os.close(ready_write)
    if flags and os.read(ready_read, 1):
        map_users(child)
        os.write(mapped_write, b"x")
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)


if __name__ == "__main__":
    main()
