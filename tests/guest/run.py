"""Runs one guest program in ish, in an empty root of its own:
run.py [--memory SIZE] ISH PROGRAM [argument ...]"""
import os
import shutil
import subprocess
import sys
import tempfile

args = sys.argv[1:]
options = []
if args[0] == "--memory":
    options = args[:2]
    args = args[2:]
ish, program = args[:2]
with tempfile.TemporaryDirectory(prefix="ish-guest-") as root:
    os.chmod(root, 0o755)
    for name in ("dev", "proc", "sys", "tmp", "bin", "etc"):
        os.mkdir(os.path.join(root, name))
    shutil.copy(program, os.path.join(root, "bin", "program"))
    sys.exit(subprocess.run([ish, *options, "-r", root, "-w", "/tmp", "/bin/program", *args[2:]]).returncode)
