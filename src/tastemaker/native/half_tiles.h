// Matrices in bfloat16, stored so that a processor multiplies them with sums in float32.
//
// A matrix is stored as tiles of 1 KiB, each of 16 rows. A product is c += a b. A row of a tile of a
// holds 32 numbers in bfloat16, and a row of a tile of c 16 numbers in float32. Row i of a tile of b
// holds the rows 2 i and 2 i + 1 of b, in pairs: b[2i][0], b[2i + 1][0], b[2i][1], and so on.
#pragma once

#include <cstdint>
#include <vector>

#include <immintrin.h>

constexpr int TILE = 16;      // rows of a tile, and columns of a tile of float32 or of pairs
constexpr int DEEP = 2 * TILE; // columns of a tile of bfloat16

template <typename Number> struct alignas(64) Tile { Number numbers[1024 / sizeof(Number)]; };

using Half = uint16_t;

// A matrix of tiles, row by row.
template <typename Number> struct TileMatrix {
    const int64_t columns;
    std::vector<Tile<Number>> tiles;

    TileMatrix(int64_t rows, int64_t columns) : columns(columns), tiles(rows * columns) {}

    Tile<Number> *at(int64_t row, int64_t column) { return &tiles[row * columns + column]; }
    // The address of one row of a tile.
    Number *row(int64_t tile_row, int64_t tile_column, int row) {
        return at(tile_row, tile_column)->numbers + row * (sizeof(Tile<Number>::numbers) / sizeof(Number) / TILE);
    }
};

// The product of two rows of tiles that begin at a, and two columns of tiles that begin at b, `depth`
// tiles long: 32 x 32 numbers. From one row of tiles to the next it is a_columns and b_columns tiles.
struct Product {
    const Tile<Half> *a;
    const int64_t a_columns;
    const Tile<Half> *b;
    const int64_t b_columns, depth;
};

// A vector of 32 numbers in bfloat16.
inline __m512i rounded(__m512 low, __m512 high) { return (__m512i)_mm512_cvtne2ps_pbh(high, low); }

// Returns the first n of 32 numbers times a factor, rounded; the others are 0 and are not read.
inline __m512i rounded(const float *numbers, int64_t n, float factor) {
    const uint32_t is_used = n >= DEEP ? ~0u : (1u << (n < 0 ? 0 : n)) - 1;
    const __m512 low = _mm512_maskz_loadu_ps(is_used, numbers);
    const __m512 high = _mm512_maskz_loadu_ps(is_used >> TILE, numbers + TILE);
    return rounded(low * factor, high * factor);
}

// Turns two rows of 32 numbers into pairs: of the first 16 columns in low, of the others in high.
inline void pair(__m512i &low, __m512i &high) {
    const __m512i step = _mm512_set1_epi32(0x00200000); // 32 in the upper half: the second row
    const __m512i column = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    const __m512i columns = _mm512_or_si512(_mm512_or_si512(column, _mm512_slli_epi32(column, 16)), step);
    const __m512i later = _mm512_add_epi16(columns, _mm512_set1_epi16(TILE));
    const __m512i first = low, second = high;
    low = _mm512_permutex2var_epi16(first, columns, second);
    high = _mm512_permutex2var_epi16(first, later, second);
}

// Writes 16 pairs to a column of a tile.
inline void store_column(Tile<Half> *tile, int column, __m512i pairs) {
    const __m512i rows = _mm512_set_epi32(240, 224, 208, 192, 176, 160, 144, 128, 112, 96, 80, 64, 48, 32, 16, 0);
    _mm512_i32scatter_epi32(reinterpret_cast<int *>(tile->numbers) + column, rows, pairs, 4);
}
