"""Who runs the rows. A runner turns (root, row) into a command line; everything else is shared.

ish      the program in ISH_BIN, roots imported by the fakefsify beside it
qemu     qemu-aarch64-static, in namespaces of its own (enter.py)
native   this machine's kernel and CPU, in the same roots built for its own architecture
other    any command with {root} in it, for example RUNNER='proot -r {root}'; the unpacked root is
         put there, `/bin/sh -c COMMAND` follows, and the environment is the row's
"""
import functools
import os
import platform
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
TOP = os.path.dirname(os.path.dirname(HERE))
DIRECTORY = "/root/t"
# All a row's program gets; `env:` of a row adds to it. The rows of stage env compare it.
ENVIRONMENT = {
    "HOME": "/root",
    "LANG": "C.UTF-8",
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "TERM": "dumb",
}


class RunnerError(Exception):
    pass


def checked(command, what):
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise RunnerError("%s failed: %s" % (what, (done.stderr or done.stdout).strip()[-500:]))
    return done.stdout


@functools.lru_cache(maxsize=None)
def archive_of(lane, architecture):
    """The archive of a tier or lane, from the root builder and its cache."""
    return checked([sys.executable, os.path.join(TOP, "tools", "rootfs", "make_root.py"), lane,
                    "--archive", "--arch", architecture], "building the %s root" % lane).strip()


def program_of(row):
    if "exec" in row.fields:
        return shlex.split(row.fields["exec"])
    return ["/bin/sh", "-c", row.fields["run"]]


class Runner:
    """`name` appears in reports; `architecture` is the one the archives are built for."""
    architecture = "arm64"

    def unpack(self, archive, folder):
        """Makes a root out of an archive; returns its path."""
        os.makedirs(folder)
        checked(["tar", "-x", "--numeric-owner", "-p", "-f", archive, "-C", folder],
                "unpacking " + archive)
        return folder

    def command(self, root, program, environment, directory, network):
        raise NotImplementedError


class Ish(Runner):
    name = "ish"

    def __init__(self):
        self.binary = os.path.abspath(os.environ.get("ISH_BIN")
                                      or os.path.join(TOP, "build-arm64-linux", "ish"))
        if not os.access(self.binary, os.X_OK):
            raise RunnerError("no program at %s (ISH_BIN)" % self.binary)

    def unpack(self, archive, folder):
        importer = os.path.join(os.path.dirname(self.binary), "fakefsify")
        checked([importer, archive, folder], "importing " + archive)
        return folder

    def command(self, root, program, environment, directory, network):
        command = [self.binary, "-f", root, "-w", directory]
        for item in sorted(environment.items()):
            command += ["-e", "%s=%s" % item]
        return command + program


class Namespaces(Runner):
    """Rows in a chroot with a process, mount and (unless they use it) network space of their own."""

    def __init__(self, name, architecture, options):
        self.name, self.architecture, self.options = name, architecture, options

    def command(self, root, program, environment, directory, network):
        command = [sys.executable, os.path.join(HERE, "enter.py")] + self.options
        command += ["--host-network"] if network else []
        for item in sorted(environment.items()):
            command += ["--env", "%s=%s" % item]
        return command + [root, directory] + program


class Template(Runner):
    """Another program's command line; it may not know about environments or directories."""

    def __init__(self, text):
        self.name, self.text = text.split()[0], text

    def command(self, root, program, environment, directory, network):
        settings = ["%s=%s" % item for item in sorted(environment.items())]
        start = "cd %s && exec env -i %s" % (shlex.quote(directory),
                                             " ".join(map(shlex.quote, settings + program)))
        return shlex.split(self.text.replace("{root}", shlex.quote(root))) + ["/bin/sh", "-c", start]


def make(name):
    if name == "ish":
        return Ish()
    if name == "qemu":
        qemu = shutil.which("qemu-aarch64-static")
        if not qemu:
            raise RunnerError("qemu-aarch64-static is not installed")
        return Namespaces("qemu", "arm64", ["--qemu", qemu])
    if name == "native":
        machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine())
        if sys.platform != "linux" or not machine:
            raise RunnerError("the native runner needs Linux on x86-64 or ARM64")
        return Namespaces("native", machine, [])
    if "{root}" in name:
        return Template(name)
    raise RunnerError("no runner called %r: ish, qemu, native, or a command with {root} in it" % name)


class Roots:
    """Fresh roots for one worker, made from archives when first asked for.

    A source that is a directory is used as it is, by every worker in turn: `exclusive` says so.
    """

    def __init__(self, runner, sources, folder):
        self.runner, self.sources, self.folder = runner, sources, folder
        self.made = {}

    def get(self, lane):
        if lane not in self.made:
            source = self.sources.get(lane) or archive_of(lane, self.runner.architecture)
            root = source
            if not os.path.isdir(source):
                root = self.runner.unpack(source, os.path.join(self.folder, lane))
            command = self.runner.command(root, ["/bin/mkdir", "-p", DIRECTORY], ENVIRONMENT, "/", False)
            checked(command, "the first program in the %s root" % lane)
            self.made[lane] = root
        return self.made[lane]

    def discard(self):
        shutil.rmtree(self.folder, ignore_errors=True)
