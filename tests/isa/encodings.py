#!/usr/bin/env python3
"""Every word that the table takes is an instruction for llvm-mc too, and the others are not; a word
that is CONSTRAINED UNPREDICTABLE may be either.

encodings.py PROGRAM LLVM_MC      PROGRAM prints the words (encodings.c)
"""

import re
import subprocess
import sys

FEATURES = ("v8a fp-armv8 neon aes sha2 crc lse fullfp16 rdm rcpc ccpp dotprod jsconv complxnum sha3 sm4 "
            "fp16fml rcpc-immo flagm altnzcv fptoint i8mm bf16 sb ccdp ssbs dit rand pan ras lor")
# Where llvm-mc and the processor at EL0 differ, and why: (mask, value, what we say, reason).
KNOWN = (
    (0xff000000, 0xd5000000, None, "system space: llvm-mc takes any register name, EL0 does not"),
    (0xff000000, 0xd4000000, "undefined", "HVC, SMC, DCPS and HLT are UNDEFINED at EL0"),
    (0xfffffbff, 0xd69f03e0, "undefined", "ERET and DRPS are UNDEFINED at EL0"),
    (0xffff0000, 0x00000000, "undefined", "UDF is an instruction for llvm-mc"),
)
WARNING = re.compile(r"^<stdin>:(\d+):\d+: warning: (invalid|potentially undefined)", re.M)


def ask(llvm_mc, words):
    """States in llvm-mc's opinion."""
    text = "".join(f"0x{w[6:8]} 0x{w[4:6]} 0x{w[2:4]} 0x{w[0:2]}\n" for w in words)
    out = subprocess.run([llvm_mc, "--disassemble", "--triple=aarch64",
                          "--mattr=" + ",".join("+" + f for f in FEATURES.split())],
                         input=text, capture_output=True, text=True, check=False)
    states = ["valid"] * len(words)
    for line, what in WARNING.findall(out.stderr):
        states[int(line) - 1] = "undefined" if what == "invalid" else "unpredictable"
    return states


def known(word, state):
    for mask, value, ours, _ in KNOWN:
        if word & mask == value and ours in (None, state):
            return True
    return False


def main(program, llvm_mc):
    lines = subprocess.run([program], capture_output=True, text=True, check=True).stdout.split("\n")
    rows = [line.split() for line in lines if line]
    theirs = ask(llvm_mc, [r[0] for r in rows])
    wrong, count, choices = {}, {}, {}
    for (word, state, row), other in zip(rows, theirs):
        count[state] = count.get(state, 0) + 1
        if state == "unpredictable" or (other == "unpredictable" and state == "valid"):
            choices[row] = choices.get(row, 0) + 1
            continue
        if state != other and not known(int(word, 16), state):
            wrong.setdefault((row, state, other), []).append(word)
    for (row, state, other), words in sorted(wrong.items()):
        print(f"# {row}: we say {state}, llvm-mc {other}: {len(words)} words, {' '.join(words[:4])}")
    print("# unpredictable words, executed some permitted way: " + " ".join(sorted(choices)))
    print("# " + ", ".join(f"{n} {state}" for state, n in sorted(count.items())))
    print(f"{'not ok' if wrong else 'ok'} 1 - the table and llvm-mc agree on {len(rows)} words\n1..1")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
