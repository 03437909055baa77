// Hints, barriers, system registers, cache maintenance.
#include "emu/op.h"

OP(yield)
{
    POLL();
}
