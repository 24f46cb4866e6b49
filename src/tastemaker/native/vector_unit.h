// Products of matrices in bfloat16 by vectors (AVX512_BF16).
#pragma once

#include <cstring>

#include "half_tiles.h"

// Has the same functions as MatrixUnit.
class VectorUnit {
    static constexpr int ROWS = 8; // whose sums are in the registers, 2 vectors of each

    Tile<float> sums[2][4]; // of the last product and the one before, which may still be in use
    int last = 0;

    // Computes some rows of a product: c, or 0, plus a b.
    template <bool adds> static void multiply_rows(float *c, const Half *a, const Product &product) {
        constexpr int NEXT = sizeof(Tile<float>) / sizeof(float); // from one column of tiles to the next
        __m512 sums[ROWS][2];
        for (int r = 0; r < ROWS; ++r)
            for (int v = 0; v < 2; ++v)
                sums[r][v] = adds ? _mm512_load_ps(c + r * TILE + v * NEXT) : _mm512_setzero_ps();
        const Tile<Half> *b = product.b;
        for (int64_t i = 0; i < product.depth; ++i, a += TILE * DEEP, b += product.b_columns)
            for (int pair = 0; pair < TILE; ++pair) {
                const __m512bh low = load(b[0].numbers + pair * DEEP), high = load(b[1].numbers + pair * DEEP);
                for (int r = 0; r < ROWS; ++r) {
                    const __m512bh left = broadcast(a + r * DEEP + 2 * pair);
                    sums[r][0] = _mm512_dpbf16_ps(sums[r][0], left, low);
                    sums[r][1] = _mm512_dpbf16_ps(sums[r][1], left, high);
                }
            }
        for (int r = 0; r < ROWS; ++r)
            for (int v = 0; v < 2; ++v) _mm512_store_ps(c + r * TILE + v * NEXT, sums[r][v]);
    }

    static __m512bh load(const Half *pairs) { return (__m512bh)_mm512_load_si512(pairs); }

    static __m512bh broadcast(const Half *pair) {
        int32_t bits;
        std::memcpy(&bits, pair, sizeof bits);
        return (__m512bh)_mm512_set1_epi32(bits);
    }

    template <bool adds> static void multiply(Tile<float> *c, int64_t columns, const Product &product) {
        for (int tile = 0; tile < 2; ++tile)
            for (int row = 0; row < TILE; row += ROWS)
                multiply_rows<adds>(c[tile * columns].numbers + row * TILE,
                                    product.a[tile * product.a_columns].numbers + row * DEEP, product);
    }

  public:
    void start(const Product &product) {
        last = 1 - last;
        multiply<false>(sums[last], 2, product);
    }

    Tile<float> *finish() { return sums[last]; }

    void add_to(Tile<float> *c, int64_t columns, const Product &product) { multiply<true>(c, columns, product); }
};
