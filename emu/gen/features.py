"""Emits what the CPU advertises: HWCAP and ID registers, from the features marked ready."""


def emit(table):
    hwcap, regs = {"hwcap": 0, "hwcap2": 0}, {}
    used = {r.feat for r in table.rows if r.feat}
    for name, info in table.features.items():
        if name not in table.ready:
            continue
        if name not in used and name not in ("fp", "asimd"):
            raise SystemExit(f"a64_gen: feature {name} is ready but has no rows")
        for word in hwcap:
            if info[word] is not None:
                hwcap[word] |= 1 << info[word]
        for reg, shift, value in info["id"]:
            field = regs.setdefault(reg, {})
            field[shift] = max(field.get(shift, 0), value)
    # FP and AdvSIMD absent is 0xf in PFR0; the value present is 0.
    pfr0 = regs.setdefault("PFR0", {})
    for name, shift in (("fp", 16), ("asimd", 20)):
        if name not in table.ready:
            pfr0[shift] = 15
    out = ["// Generated from a64.tbl: what the processor advertises.",
           '#include "emu/features.h"', "",
           f"const uint64_t cpu_feature_hwcap = {hwcap['hwcap']:#x}ull;",
           f"const uint64_t cpu_feature_hwcap2 = {hwcap['hwcap2']:#x}ull;"]
    for reg in ("PFR0", "PFR1", "ISAR0", "ISAR1"):
        value = sum(v << s for s, v in regs.get(reg, {}).items())
        out.append(f"const uint64_t cpu_feature_{reg.lower()} = {value:#x}ull;")
    out += ["", "uint64_t cpu_id_register(unsigned crm, unsigned op2)", "{",
            "    switch (crm << 3 | op2) {"]
    for number, reg in ((0o40, "pfr0"), (0o41, "pfr1"), (0o60, "isar0"), (0o61, "isar1")):
        out += [f"    case {number:#x}:", f"        return cpu_feature_{reg};"]
    out += ["    default:", "        return 0;", "    }", "}"]
    return "\n".join(out + [""])
