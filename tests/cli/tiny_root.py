"""A tiny root for tests of the command line, made from the archive the root builder keeps."""
import os
import subprocess
import sys
import tempfile

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.environ["ISH_BUILD"]
ISH = os.path.join(BUILD, "ish")
PATIENCE = 30  # seconds until a test that waits has failed


def make():
    """A folder of the caller's to remove, and a root in it that nobody else uses."""
    work = tempfile.mkdtemp(prefix="ish-cli-")
    archive = subprocess.run([sys.executable, "tools/rootfs/make_root.py", "tiny", "--archive"],
                             cwd=TOP, text=True, check=True, stdout=subprocess.PIPE).stdout.strip()
    root = os.path.join(work, "root")
    subprocess.run([os.path.join(BUILD, "fakefsify"), archive, root], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return work, root
