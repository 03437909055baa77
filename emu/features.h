// What the processor says it is. Layer 2. Values are generated from the `feature` lines of a64.tbl
// that are ready; the identity is that of a Neoverse N1.
#ifndef EMU_FEATURES_H
#define EMU_FEATURES_H

#include <stdint.h>

// AT_HWCAP and AT_HWCAP2 bits that stand for instructions (arm64 hwcap.h); the kernel adds EVTSTRM
// and CPUID.
extern const uint64_t cpu_feature_hwcap, cpu_feature_hwcap2;
// ID_AA64*_EL1 as Linux shows them to EL0.
extern const uint64_t cpu_feature_pfr0, cpu_feature_pfr1, cpu_feature_isar0, cpu_feature_isar1;

// ID_*_EL1 of op0 3, op1 0, CRn 0, CRm 2..7.
uint64_t cpu_id_register(unsigned crm, unsigned op2);

#define CPU_MIDR   0x414fd0c1u // Arm, Neoverse N1 r4p1
#define CPU_REVIDR 0u
#define CPU_MPIDR  0x80000000u // uniform answer: EL0 never learns on which CPU it runs
// DIC = IDC = 0: a program that writes code must issue DC CVAU and IC IVAU. 64-byte lines.
#define CPU_CTR      0x8444c004u
#define CPU_DCZID    4u // DC ZVA clears 64 bytes
#define CPU_ZVA_SIZE 64u

#endif
