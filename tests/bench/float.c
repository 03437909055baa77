// Floating point: double loops, branches on comparisons, single-precision vectors, the C library.
// Checksums are rounded so that a fused multiply-add does not show.
#include "bench.h"
#include <math.h>

enum { BODIES = 5 };

static void attract(double x[BODIES][3], double v[BODIES][3], const double mass[BODIES])
{
    for (int i = 0; i < BODIES; i++) {
        for (int j = i + 1; j < BODIES; j++) {
            double d[3], square = 0;
            for (int c = 0; c < 3; c++) {
                d[c] = x[i][c] - x[j][c];
                square += d[c] * d[c];
            }
            double force = 0.001 / (square * sqrt(square));
            for (int c = 0; c < 3; c++) {
                v[i][c] -= d[c] * mass[j] * force;
                v[j][c] += d[c] * mass[i] * force;
            }
        }
    }
}

static uint64_t run_nbody(unsigned scale)
{
    double x[BODIES][3] = {
        {0, 0, 0}, {4.84, -1.16, -.1}, {8.34, 4.12, -.4}, {12.9, -15.1, -.22}, {15.4, -25.9, .18}};
    double v[BODIES][3] = {
        {0, 0, 0}, {.6, 2.8, -.02}, {-1.0, 1.8, .008}, {1.08, .87, -.01}, {.98, .59, -.03}};
    static const double mass[BODIES] = {39.5, .037, .011, .0017, .002};
    for (unsigned step = 0; step < 10000 * scale; step++) {
        attract(x, v, mass);
        for (int i = 0; i < BODIES; i++) {
            for (int c = 0; c < 3; c++)
                x[i][c] += 0.001 * v[i][c];
        }
    }
    return (uint64_t)(int64_t)(x[0][0] * 100);
}

static uint64_t run_mandel(unsigned scale)
{
    uint64_t sum = 0;
    for (unsigned round = 0; round < scale; round++) {
        for (int y = 0; y < 120; y++) {
            for (int x = 0; x < 160; x++) {
                double cr = x / 64.0 - 2, ci = y / 64.0 - 1, zr = 0, zi = 0;
                int i = 0;
                for (; i < 150 && zr * zr + zi * zi < 4; i++) {
                    double t = zr * zr - zi * zi + cr;
                    zi = 2 * zr * zi + ci;
                    zr = t;
                }
                sum += i == 150; // inside; how fast the others leave depends on the last bit
            }
        }
    }
    return sum / scale / 16;
}

VECTORISED static void multiply(float *restrict c, const float *restrict a, const float *restrict b,
                                int n)
{
    for (int i = 0; i < n; i++) {
        for (int k = 0; k < n; k++) {
            float t = a[i * n + k];
            for (int j = 0; j < n; j++)
                c[i * n + j] += t * b[k * n + j];
        }
    }
}

static uint64_t run_matmulf(unsigned scale)
{
    enum { N = 128 };
    static float a[N * N], b[N * N], c[N * N];
    for (int i = 0; i < N * N; i++) {
        a[i] = (float)(i % 7);
        b[i] = (float)(i % 5);
        c[i] = 0;
    }
    for (unsigned i = 0; i < 4 * scale; i++)
        multiply(c, a, b, N);
    return (uint64_t)c[333];
}

static uint64_t run_libm(unsigned scale)
{
    double sum = 0;
    for (unsigned i = 0; i < 30000 * scale; i++) {
        double x = i * 0.001;
        sum += sin(x) + exp(-x) + log(x + 1);
    }
    return (uint64_t)(sum * 1000);
}

const struct workload float_workloads[] = {
    {"nbody", "float", run_nbody},
    {"mandel", "float", run_mandel},
    {"matmulf", "float", run_matmulf},
    {"libm", "float", run_libm},
    {0},
};
