"""Resolves and downloads packages of another architecture with the host's own apt.

apt runs on a private state directory with an empty dpkg status, so the host's packages play no
part and no rights are needed. The archive and its signing keys are those of the host's own apt
sources; nothing is named here. apt checks the signatures of the index, and every package is
checked once more against the index's SHA-256 before it is used.
"""
import collections
import hashlib
import os
import re
import shlex
import shutil
import subprocess
import time
import urllib.parse

Deb = collections.namedtuple("Deb", "filename size sha256")

# An index older than this is fetched anew; younger ones make repeated builds quick and offline.
INDEX_LIFETIME_SECONDS = 12 * 3600
POCKETS = ("", "-updates", "-security")
ROLLING_NAMES = ("stable", "testing", "unstable", "oldstable")


class AptError(Exception):
    pass


# ---- the host's sources ------------------------------------------------------------------------

def parse_deb822(text):
    """Yields the fields of each stanza; continuation lines are joined by spaces."""
    for block in re.split(r"\n[ \t]*\n", text):
        fields, last = {}, None
        for line in block.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line[0] in " \t" and last:
                fields[last] += " " + line.strip()
            elif ":" in line:
                last, value = line.split(":", 1)
                fields[last] = value.strip()
        if fields:
            yield fields


def parse_one_line(text):
    """Yields the `deb [option=value] uri suite component...` lines of a .list file as deb822 fields."""
    names = {"signed-by": "Signed-By", "trusted": "Trusted", "check-valid-until": "Check-Valid-Until"}
    for line in text.splitlines():
        found = re.match(r"deb\s+(?:\[([^]]*)\]\s+)?(\S+)\s+(\S+)\s+(.*)$", line.split("#")[0].strip())
        if not found:
            continue
        options, uri, suite, components = found.groups()
        fields = {"Types": "deb", "URIs": uri, "Suites": suite, "Components": components.strip()}
        for option in (options or "").split():
            key, _, value = option.partition("=")
            if key in names:
                fields[names[key]] = value
        yield fields


def host_sources(etc="/etc/apt"):
    """Every source the host's apt knows, as deb822 field dictionaries."""
    parts = os.path.join(etc, "sources.list.d")
    listed = sorted(os.listdir(parts)) if os.path.isdir(parts) else []
    found = []
    for path in [os.path.join(etc, "sources.list")] + [os.path.join(parts, name) for name in listed]:
        if not os.path.isfile(path):
            continue
        with open(path) as source:
            text = source.read()
        if path.endswith(".sources"):
            found += list(parse_deb822(text))
        elif path.endswith(".list"):
            found += list(parse_one_line(text))
    return [fields for fields in found if "deb" in fields.get("Types", "").split()
            and fields.get("Enabled", "yes").lower() not in ("no", "false")]


def distribution_sources(sources, codename, suite):
    """The host's sources of its own distribution, with `suite` in place of the host's codename."""
    chosen = []
    for fields in sources:
        keyring = fields.get("Signed-By", "")
        if "main" not in fields.get("Components", "").split():
            continue
        if keyring and "debian-archive" not in keyring:
            continue  # somebody else's archive that happens to use the same suite names
        suites = []
        for name in fields.get("Suites", "").split():
            base, _, pocket = name.partition("-")
            pocket = "-" + pocket if pocket else ""
            if base in (codename,) + ROLLING_NAMES and pocket in POCKETS:
                suites.append(suite + pocket)
        if suites:
            chosen.append(dict(fields, Types="deb", Suites=" ".join(suites), Components="main"))
    return chosen


def sources_text(sources):
    """deb822 text of the given sources, as apt reads it on the host and in the guest."""
    order = ("Types", "URIs", "Suites", "Components", "Signed-By", "Trusted", "Check-Valid-Until")
    return "\n".join("".join("%s: %s\n" % (name, fields[name]) for name in order if name in fields)
                     for fields in sources)


def os_release(path="/etc/os-release"):
    fields = {}
    with open(path) as release:
        for line in release:
            key, _, value = line.strip().partition("=")
            fields[key] = "".join(shlex.split(value))
    return fields


def choose_sources(suite, mirror=None):
    """Sources for `suite`: those of a Debian host, or one made from `mirror`."""
    if mirror:
        return [{"Types": "deb", "URIs": mirror, "Suites": suite, "Components": "main",
                 "Signed-By": "/usr/share/keyrings/debian-archive-keyring.gpg"}]
    release = os_release()
    found = []
    if release.get("ID") == "debian":
        found = distribution_sources(host_sources(), release.get("VERSION_CODENAME", ""), suite)
    if not found:
        raise AptError("this host's apt has no Debian archive; name one with --mirror URI")
    return found


# ---- private apt -------------------------------------------------------------------------------

class Apt:
    """apt on a state directory of its own, for one suite and architecture. `kind`: "deb", or
    "deb-src" for source packages."""

    def __init__(self, cache, suite, arch, mirror=None, kind="deb"):
        self.sources = [dict(one, Types=kind) for one in choose_sources(suite, mirror)]
        text = sources_text(self.sources)
        tag = hashlib.sha256(text.encode()).hexdigest()[:8]
        self.state = os.path.join(cache, "apt", "%s-%s-%s" % (suite, arch, tag))
        self.archives = os.path.join(cache, "debs")
        self.stamp = os.path.join(self.state, "updated")
        for path in ("etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d",
                     "lists/partial", "cache", "none/partial"):
            os.makedirs(os.path.join(self.state, path), exist_ok=True)
        os.makedirs(os.path.join(self.archives, "partial"), exist_ok=True)
        self._write("etc/sources.list.d/archive.sources", text)
        self._write("status", "")
        self._write("apt.conf", self._configuration(arch))

    def _write(self, name, text):
        with open(os.path.join(self.state, name), "w") as out:
            out.write(text)

    def _configuration(self, arch):
        settings = {
            "Dir::Etc": self.state + "/etc", "Dir::State": self.state,
            "Dir::State::status": self.state + "/status", "Dir::State::lists": self.state + "/lists",
            "Dir::Cache": self.state + "/cache", "Dir::Cache::archives": self.archives,
            "Dir::Etc::trustedparts": "/etc/apt/trusted.gpg.d",
            "Dir::Etc::netrc": "/etc/apt/auth.conf", "Dir::Etc::netrcparts": "/etc/apt/auth.conf.d",
            "APT::Architecture": arch, "APT::Install-Recommends": "false",
            "APT::Sandbox::User": "", "APT::Get::Assume-Yes": "true",
            "Acquire::Languages": "none", "Acquire::ForceHash": "SHA256",
        }
        lines = ['%s "%s";' % item for item in settings.items()]
        lines += ['APT::Architectures { "%s"; };' % arch] + host_transport_settings()
        return "\n".join(lines) + "\n"

    def _run(self, *arguments, folder=None):
        environment = dict(os.environ, APT_CONFIG=self.state + "/apt.conf", LC_ALL="C")
        done = subprocess.run(("apt-get", "-qq") + arguments, env=environment, text=True, cwd=folder,
                              stdin=subprocess.DEVNULL, capture_output=True)
        if done.returncode:
            raise AptError("apt-get %s failed:\n%s" % (arguments[-1], done.stderr.strip()))
        return done.stdout

    def update(self, force=False):
        """Fetches the index when there is none, when it is old, or when forced."""
        try:
            fresh = time.time() - os.path.getmtime(self.stamp) < INDEX_LIFETIME_SECONDS
        except OSError:
            fresh = False
        if force or not fresh:
            self._run("-o", "APT::Update::Error-Mode=any", "update")
            self._write("updated", "")

    def resolve(self, packages):
        """The closure of `packages` (apt patterns allowed) without recommendations."""
        # Asked with an empty archive directory: apt leaves out of this list what it already has.
        text = self._run("-o", "Dir::Cache::archives=" + self.state + "/none", "--print-uris",
                         "install", *packages)
        debs = []
        for line in text.splitlines():
            _uri, name, size, checksum = shlex.split(line)
            kind, _, value = checksum.partition(":")
            if kind != "SHA256":
                raise AptError("the index has no SHA-256 for " + name)
            debs.append(Deb(name, int(size), value))
        if not debs:
            raise AptError("apt resolved %s to nothing" % " ".join(packages))
        return sorted(debs)

    def fetch(self, packages, debs):
        """Downloads what is missing of `debs`, the closure of `packages`; returns their paths."""
        paths = [os.path.join(self.archives, deb.filename) for deb in debs]
        for path, deb in zip(paths, debs):
            if os.path.exists(path) and file_sha256(path) != deb.sha256:
                os.remove(path)
        if not all(os.path.exists(path) for path in paths):
            self._run("--download-only", "install", *packages)
        for path, deb in zip(paths, debs):
            if file_sha256(path) != deb.sha256:
                raise AptError("%s does not match the signed index" % path)
        return paths

    def fetch_source(self, package):
        """Downloads a source package, checked by apt; returns the path of its upstream archive."""
        self._run("source", "--download-only", package, folder=self.archives)
        text = self._run("source", "--print-uris", package, folder=self.state + "/none")
        names = [shlex.split(line)[1] for line in text.splitlines() if line.startswith("'")]
        return next(os.path.join(self.archives, name) for name in names if ".orig.tar." in name)


def host_transport_settings():
    """The host's own proxy and certificate settings, which a private configuration would lose."""
    if not shutil.which("apt-config"):
        return []
    dump = subprocess.run(["apt-config", "dump"], text=True, capture_output=True).stdout
    return [line for line in dump.splitlines()
            if re.match(r"Acquire::(https?|Retries|Check-Valid-Until)\b", line, re.I)]


def file_sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as data:
        for block in iter(lambda: data.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def package_name(filename):
    """`name` of `name_version_arch.deb`, whose version is URL-quoted."""
    return urllib.parse.unquote(filename).split("_", 1)[0]
