// Branches and exception-generating instructions.
#include "emu/op.h"

OP(b)
{
    if (poll)
        POLL();
    JUMP();
}

OP(bl)
{
    POLL();
    PUSH_RETURN();
    SET_X(lr, RETURN_ADDRESS());
    JUMP();
}

OP(b_cond)
{
    if (poll)
        POLL();
    BRANCH_IF(COND(cond));
}

OP(cbz)
{
    if (poll)
        POLL();
    BRANCH_IF((XW(rt) != 0) == op);
}

OP(tbz)
{
    if (poll)
        POLL();
    BRANCH_IF((X(rt) >> bit & 1) == op);
}

OP(br)
{
    POLL();
    BRANCH_TO(X(rn));
}

OP(blr)
{
    POLL();
    uint64_t to = X(rn);
    PUSH_RETURN();
    SET_X(lr, RETURN_ADDRESS());
    BRANCH_TO(to);
}

OP(ret)
{
    POLL();
    RETURN_TO(X(rn));
}

OP(svc)
{
    TRAP(TRAP_SVC, (uint32_t)imm);
}

OP(brk)
{
    TRAP(TRAP_BRK, (uint32_t)imm);
}
