// Operations without an encoding: what the translator itself puts into blocks.
#include "emu/op.h"

OP(undefined)
{
    TRAP(TRAP_UNDEFINED, (uint32_t)imm);
}

// The end record of a block that stops at its page's end or at its length limit.
OP(fallthrough)
{
    POLL();
    e->ip = block_next((const struct block *)(e->ip + 1));
    e->status = OP_JUMP;
}
