"""Runs one guest program in ish, in an empty root of its own: run.py ISH PROGRAM [argument ...]"""
import os
import shutil
import subprocess
import sys
import tempfile

ish, program = sys.argv[1:3]
with tempfile.TemporaryDirectory(prefix="ish-guest-") as root:
    os.chmod(root, 0o755)
    for name in ("dev", "proc", "sys", "tmp", "bin", "etc"):
        os.mkdir(os.path.join(root, name))
    shutil.copy(program, os.path.join(root, "bin", "program"))
    sys.exit(subprocess.run([ish, "-r", root, "-w", "/tmp", "/bin/program"] + sys.argv[3:]).returncode)
