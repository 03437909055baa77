// The host's floating-point control word, behind one spelling. Private to emu/.
//
// While gadgets run it holds the guest's rounding mode, no trap, no flush-to-zero: results are then
// IEEE and the flags it accumulates are ones the guest would have raised too (emu/fp_fast.h keeps
// the exceptions away).
//
//   uint32_t fp_host_load(uint32_t fpcr)     sets the modes, clears the flags; returns the old word
//   void fp_host_restore(uint32_t word)
//   uint32_t fp_host_take_flags(void)        FPSR bits raised since; cleared
//   FP_HOST_TINY_AFTER_ROUNDING              1 if the host sees underflow where ARM does not
#ifndef EMU_FP_HOST_H
#define EMU_FP_HOST_H

#if defined(__x86_64__)
#include "emu/fp_host_x86.h"
#elif defined(__aarch64__)
#include "emu/fp_host_arm64.h"
#else
#error "no floating-point host interface for this processor"
#endif

#endif
