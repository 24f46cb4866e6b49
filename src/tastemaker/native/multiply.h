// The product of small matrices on which all other computations here are built.
#pragma once

#include "vectors.h"

// The registers hold ROWS x 2 vectors of sums.
constexpr int ROWS = LANES == 8 ? 4 : 8;

// Functions that give the initial value of a sum, or transform the finished sum.
constexpr auto from_zero = [](int, int) { return Vector{}; };
constexpr auto unchanged = [](int, int, const Vector &sums) { return sums; };
constexpr auto rectified = [](int, int, const Vector &sums) { return sums < Vector{} ? Vector{} : sums; };

// A matrix that is read one number at a time, transposed or not: a(row, column).
struct LeftMatrix {
    const float *start;
    int row_stride, column_stride;
};

// Writes the sums, transformed by finish, to c (m, n).
template <typename Finish> auto write_to(float *c, int n, Finish finish) {
    return [=](int row, int column, const Vector &sums) {
        store(c + row * n + column, finish(row, column, sums));
    };
}

template <int rows, int vectors, typename Start, typename Emit>
inline void multiply_block(LeftMatrix a, int row, int k, const float *b, int b_stride, int column,
                           const Start &start, const Emit &emit) {
    Vector sums[rows][vectors];
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) sums[r][v] = start(row + r, column + v * LANES);
    const float *left = a.start + row * a.row_stride, *b_row = b + column;
    for (int j = 0; j < k; ++j, left += a.column_stride, b_row += b_stride) {
        Vector right[vectors];
        for (int v = 0; v < vectors; ++v) right[v] = load(b_row + v * LANES);
        for (int r = 0; r < rows; ++r)
            for (int v = 0; v < vectors; ++v) sums[r][v] += left[r * a.row_stride] * right[v];
    }
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) emit(row + r, column + v * LANES, sums[r][v]);
}

// Computes start + a (m, k) b (k, n), with n padded, of which b_stride numbers separate two rows. For
// each vector of sums, start(row, column) returns the initial value, and emit(row, column, sums)
// receives the result.
template <typename Start, typename Emit>
inline void multiply(LeftMatrix a, int m, int k, const float *b, int b_stride, int n, const Start &start,
                     const Emit &emit) {
    int column = 0;
    for (; column + 2 * LANES <= n; column += 2 * LANES) {
        int row = 0;
        for (; row + ROWS <= m; row += ROWS)
            multiply_block<ROWS, 2>(a, row, k, b, b_stride, column, start, emit);
        for (; row < m; ++row) multiply_block<1, 2>(a, row, k, b, b_stride, column, start, emit);
    }
    if (column == n) return;
    int row = 0;
    for (; row + 2 * ROWS <= m; row += 2 * ROWS)
        multiply_block<2 * ROWS, 1>(a, row, k, b, b_stride, column, start, emit);
    for (; row < m; ++row) multiply_block<1, 1>(a, row, k, b, b_stride, column, start, emit);
}

// The same with the rows of b one after another.
template <typename Start, typename Emit>
inline void multiply(LeftMatrix a, int m, int k, const float *b, int n, const Start &start,
                     const Emit &emit) {
    multiply(a, m, k, b, n, n, start, emit);
}
