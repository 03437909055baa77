"""Who runs the rows. A runner turns (root, row) into a command line; everything else is shared.

ish      the program in ISH_BIN, roots imported by the fakefsify beside it
qemu     qemu-aarch64-static, in namespaces of its own (enter.py)
native   this machine's kernel and CPU, in the same roots built for its own architecture
other    any command with {root} in it, for example RUNNER='proot -r {root}'; the unpacked root is
         put there, `/bin/sh -c COMMAND` follows, and the environment is the row's
"""
import collections
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


# What is to be run in a root. `terminal`: its standard input is one, and the program leads there.
# `handed`: folders of the host that the root shows at the same path, for reading.
Launch = collections.namedtuple("Launch", "program environment directory network terminal handed",
                                defaults=((),))


class RunnerError(Exception):
    pass


def checked(command, what):
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    except OSError as error:
        raise RunnerError("%s failed: %s" % (what, error)) from error
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
    """`name` appears in reports; `architecture` is the one the archives are built for;
    `takes_terminal` says that the command makes a session inside, which wants the terminal."""
    architecture = "arm64"
    takes_terminal = False

    def unpack(self, archive, folder):
        """Makes a root out of an archive; returns its path."""
        os.makedirs(folder)
        checked(["tar", "-x", "--numeric-owner", "-p", "-f", archive, "-C", folder],
                "unpacking " + archive)
        return folder

    def command(self, root, launch):
        raise NotImplementedError

    def tree(self, root):
        """Where the host keeps the files of a root."""
        return root

    def diagnostics(self, root):
        """What the runner itself had to say about the program just run in `root`."""
        return ""


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

    def command(self, root, launch):
        command = [self.binary, "--clear-env", "--log-file", root + ".log", "-f", root,
                   "-w", launch.directory]
        for item in sorted(launch.environment.items()):
            command += ["-e", "%s=%s" % item]
        for path in launch.handed:
            command += ["-b", "%s:%s:ro" % (path, path)]
        return command + launch.program

    def tree(self, root):
        return os.path.join(root, "data")

    def diagnostics(self, root):
        try:
            with open(root + ".log") as log:
                text = log.read()
        except FileNotFoundError:
            return ""
        os.remove(root + ".log")
        return text


class Namespaces(Runner):
    """Rows in a chroot with a process, mount and (unless they use it) network space of their own."""

    takes_terminal = True

    def __init__(self, name, architecture, options):
        self.name, self.architecture, self.options = name, architecture, options

    def command(self, root, launch):
        command = [sys.executable, os.path.join(HERE, "enter.py")] + self.options
        command += ["--host-network"] if launch.network else []
        command += ["--terminal"] if launch.terminal else []
        for path in launch.handed:
            command += ["--hand", path]
        for item in sorted(launch.environment.items()):
            command += ["--env", "%s=%s" % item]
        return command + [root, launch.directory] + launch.program


class Template(Runner):
    """Another program's command line; it may not know about environments or directories."""

    def __init__(self, text):
        self.name, self.text = text.split()[0], text

    def command(self, root, launch):
        settings = ["%s=%s" % item for item in sorted(launch.environment.items())]
        start = "cd %s && exec env -i %s" % (shlex.quote(launch.directory),
                                             " ".join(map(shlex.quote, settings + launch.program)))
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
    raise RunnerError("no runner %r: ish, qemu, native, or a command with {root} in it" % name)


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
            first = Launch(["/bin/mkdir", "-p", DIRECTORY], ENVIRONMENT, "/", False, False)
            checked(self.runner.command(root, first), "the first program in the %s root" % lane)
            self.made[lane] = root
        return self.made[lane]

    def discard(self):
        shutil.rmtree(self.folder, ignore_errors=True)
