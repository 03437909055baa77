// Scalar floating point.
#include "emu/op.h"

OP(fadd_s)
{
    if (type == 1) {
        double r = op_f64(VD(rn)) + op_f64(VD(rm));
        SET_VD(rd, op_bits64(r));
    } else {
        float r = op_f32(VS(rn)) + op_f32(VS(rm));
        SET_VS(rd, op_bits32(r));
    }
}
