"""Reads .deb packages through dpkg-deb, which knows every compression they come in."""
import contextlib
import io
import re
import subprocess
import tarfile


class Package:
    """Control data of one .deb; its files are read as a stream by `members`."""

    def __init__(self, path):
        self.path = path
        blob = subprocess.run(["dpkg-deb", "--ctrl-tarfile", path], check=True,
                              stdout=subprocess.PIPE).stdout
        self.control_files, self.built = {}, 0
        with tarfile.open(fileobj=io.BytesIO(blob)) as control:
            for member in control:
                if member.isfile():
                    self.control_files[member.name.removeprefix("./")] = control.extractfile(member).read()
                    self.built = max(self.built, member.mtime)
        self.control = self.control_files["control"].decode().rstrip("\n")
        self.fields = dict(re.findall(r"^([A-Za-z0-9-]+):[ \t]*(.*)$", self.control, re.M))
        self.name = self.fields["Package"]

    @property
    def info_name(self):
        """The stem of this package's files in var/lib/dpkg/info."""
        same = self.fields.get("Multi-Arch") == "same"
        return self.name + (":" + self.fields["Architecture"] if same else "")

    @property
    def conffiles(self):
        listed = self.control_files.get("conffiles", b"").decode().split("\n")
        return [line.strip() for line in listed if line.startswith("/")]

    @contextlib.contextmanager
    def members(self):
        """The data archive, open for one pass in order."""
        process = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", self.path], stdout=subprocess.PIPE)
        try:
            with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
                yield archive
            process.stdout.read()  # the padding after the archive's end, so that dpkg-deb ends well
        finally:
            process.stdout.close()
            status = process.wait()
        if status:
            raise OSError("dpkg-deb failed on %s" % self.path)

    def read(self, wanted):
        """Contents of the files named in `wanted` (paths without a leading slash)."""
        found = {}
        with self.members() as archive:
            for member in archive:
                name = member.name.removeprefix("./")
                if member.isreg() and name in wanted:
                    found[name] = archive.extractfile(member).read()
        return found
