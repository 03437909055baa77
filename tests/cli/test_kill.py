"""ish is killed (SIGKILL) in the middle of a load that changes owners, modes, devices, names: the
root opens again, fakefs-fsck has nothing to say or repairs it, no change that a call had
acknowledged is lost, and no file is there that the guest cannot see. KILL_ROUNDS: how often."""
import io
import os
import random
import shutil
import subprocess
import tarfile
import tempfile
import threading
import unittest

BUILD = os.environ["ISH_BUILD"]
ROUNDS = int(os.environ.get("KILL_ROUNDS", "5"))


class Model:
    """What the journal says there is."""

    def __init__(self, lines):
        self.names, self.objects, self.pending, self.done = {}, {}, {}, 0
        for line in lines:
            self.take(line)

    def take(self, line):
        kind, *words = line.split(" ")
        if kind == "?":
            self.pending[words[0]] = words[1:]
        elif kind == "=":
            self.pending.pop(words[0], None)
            self.done += 1
        elif kind == "S":
            self.names[words[0]] = words[1]
            self.objects[words[1]] = tuple(words[2:])
        elif kind == "D":
            del self.names[words[0]]
        elif kind == "R":
            self.rename(*words)
        elif kind == "X":
            self.exchange(*words)
        else:
            raise ValueError(line)

    def cut(self, top):
        """Takes a name and all below it out."""
        below = [n for n in self.names if n == top or n.startswith(top + "/")]
        return {n[len(top):]: self.names.pop(n) for n in below}

    def add(self, top, part):
        self.names.update({top + name: ino for name, ino in part.items()})

    def rename(self, old, new):
        part = self.cut(old)
        self.cut(new)
        self.add(new, part)

    def exchange(self, one, other):
        first, second = self.cut(one), self.cut(other)
        self.add(other, first)
        self.add(one, second)


class Kill(unittest.TestCase):
    maxDiff = 2000

    def setUp(self):
        self.dir = tempfile.mkdtemp(prefix="ish-kill-")
        self.addCleanup(shutil.rmtree, self.dir, ignore_errors=True)
        self.root = os.path.join(self.dir, "root")
        with open(os.environ["GUEST_FS_LOAD"], "rb") as program:
            data = program.read()
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as tar:
            for name in ("dev", "etc", "proc", "sys", "tmp"):
                info = tarfile.TarInfo(name)
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
            info = tarfile.TarInfo("load")
            info.size, info.mode = len(data), 0o755
            tar.addfile(info, io.BytesIO(data))
        subprocess.run([os.path.join(BUILD, "fakefsify"), "-", self.root], input=out.getvalue(),
                       check=True, stderr=subprocess.DEVNULL)

    def run_and_kill(self, seed, delay):
        """The whole lines a load wrote until it was killed."""
        command = [os.path.join(BUILD, "ish"), "-f", self.root, "/load", "run", str(seed)]
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE) as load:
            first = load.stdout.readline()  # it has begun
            timer = threading.Timer(delay, load.kill)
            timer.start()
            rest = load.stdout.read()
            timer.join()
            load.wait()
            self.assertEqual(load.returncode, -9, load.stderr.read())
        text = (first + rest).decode()
        return text[:text.rfind("\n") + 1].splitlines()

    def listing(self):
        done = subprocess.run([os.path.join(BUILD, "ish"), "-f", self.root, "/load", "list"],
                              stdin=subprocess.DEVNULL, capture_output=True, timeout=100)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        lines = done.stdout.decode().splitlines()
        self.assertEqual([line for line in lines if line.startswith("!")], [])
        return Model(lines)

    def on_host(self):
        data = os.path.join(self.root, "data")
        names = set()
        for at, dirs, files in os.walk(os.path.join(data, "w")):
            names.update(os.path.join(at, name)[len(data):] for name in dirs + files)
        return names

    def settle(self, model, seen):
        """Calls that were under way: renames are done or not; of the rest anything is right."""
        free = set()
        for call, one, other in model.pending.values():
            before = model.names.get(one), model.names.get(other)
            if call == "rename" and before[0] and seen.names.get(other) == before[0] != before[1]:
                model.rename(one, other)
            elif call == "exchange" and None not in before and seen.names.get(other) == before[0]:
                model.exchange(one, other)
            elif call not in ("rename", "exchange"):
                free |= {one} | {ino for m in (model, seen) for ino in [m.names.get(one)] if ino}
        return free

    def check(self, model, what):
        fsck = subprocess.run([os.path.join(BUILD, "fakefs-fsck"), "--repair", self.root],
                              capture_output=True, text=True)
        self.assertIn(fsck.returncode, (0, 1), what + fsck.stdout)
        seen = self.listing()
        free = self.settle(model, seen)
        names = {n: i for n, i in model.names.items() if n not in free}
        self.assertEqual(names, {n: i for n, i in seen.names.items() if n not in free}, what)
        for name, ino in names.items():
            if ino not in free:
                self.assertEqual(model.objects[ino], seen.objects[ino], what + name)
        self.assertEqual(self.on_host(), set(seen.names), what)
        return fsck.returncode

    def test_kill(self):
        """nothing acknowledged is lost, nothing is invisible, and the root opens"""
        chance = random.Random(os.environ.get("KILL_SEED", "1"))
        before, calls, repaired = [], 0, 0
        for turn in range(ROUNDS):
            journal = self.run_and_kill(turn, chance.uniform(0.05, 0.8))
            model = Model(before + journal)
            repaired += self.check(model, "round %d: " % turn)
            calls += model.done
            seen = self.listing()
            before = ["S %s %s %s" % (name, ino, " ".join(seen.objects[ino]))
                      for name, ino in seen.names.items()]
        print("# %d rounds, %d calls acknowledged, %d roots repaired" % (ROUNDS, calls, repaired))
        self.assertGreater(calls, ROUNDS * 10)


if __name__ == "__main__":
    unittest.main()
