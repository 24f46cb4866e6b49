// The one product of small matrices that everything else is made of.
#pragma once

#if defined(__AVX512F__)
constexpr int LANES = 16, ROWS = 8;
#elif defined(__AVX2__)
constexpr int LANES = 8, ROWS = 4;
#else
constexpr int LANES = 4, ROWS = 8;
#endif

// As wide as the processor's registers; read from and written to any address of a float.
typedef float Vector __attribute__((vector_size(LANES * sizeof(float)), aligned(4), may_alias));

// Rows are padded with zeros to whole vectors, so that no loop has a remainder.
constexpr int padded(int width) { return (width + LANES - 1) / LANES * LANES; }

inline Vector &vector_at(float *at) { return *reinterpret_cast<Vector *>(at); }
inline Vector vector_at(const float *at) { return *reinterpret_cast<const Vector *>(at); }

// A matrix that is only read number by number: a(row, column), transposed or not.
struct Left {
    const float *start;
    int row_stride, column_stride;
};

// ROWS x 2 vectors are as many sums as the registers hold.
template <int rows, int vectors>
inline void multiply_block(Left a, int k, const float *b, float *c, int n, bool add) {
    Vector sums[rows][vectors];
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v)
            sums[r][v] = add ? vector_at(c + r * n + v * LANES) : Vector{};
    for (int j = 0; j < k; ++j, b += n) {
        Vector right[vectors];
        for (int v = 0; v < vectors; ++v) right[v] = vector_at(b + v * LANES);
        for (int r = 0; r < rows; ++r) {
            const float left = a.start[r * a.row_stride + j * a.column_stride];
            for (int v = 0; v < vectors; ++v) sums[r][v] += left * right[v];
        }
    }
    for (int r = 0; r < rows; ++r)
        for (int v = 0; v < vectors; ++v) vector_at(c + r * n + v * LANES) = sums[r][v];
}

template <int rows>
inline void multiply_rows(Left a, int k, const float *b, float *c, int n, bool add) {
    int column = 0;
    for (; column + 2 * LANES <= n; column += 2 * LANES)
        multiply_block<rows, 2>(a, k, b + column, c + column, n, add);
    if (column < n) multiply_block<rows, 1>(a, k, b + column, c + column, n, add);
}

// c (m, n) = a (m, k) b (k, n), or added to what c holds; n is padded.
inline void multiply(Left a, int m, int k, const float *b, float *c, int n, bool add) {
    int row = 0;
    for (; row + ROWS <= m; row += ROWS) {
        multiply_rows<ROWS>({a.start + row * a.row_stride, a.row_stride, a.column_stride}, k, b,
                            c + row * n, n, add);
    }
    for (; row < m; ++row) {
        multiply_rows<1>({a.start + row * a.row_stride, a.row_stride, a.column_stride}, k, b,
                         c + row * n, n, add);
    }
}
