// Improves the vectors of the rows of a matrix for alternating least squares, by conjugate
// gradients. tastemaker.models.factorization.conjugate_gradients has the plain form.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <vector>

#include "multiply.h"
#include "threads.h"

namespace {

// Rows that are improved together, so that the fixed Gram matrix is read once for all of them.
constexpr int64_t ROWS_AT_ONCE = 8;

// Entries whose terms are added up in a sum of their own, so that a sum of very many terms stays
// exact in single precision.
constexpr int64_t ENTRIES_AT_ONCE = 512;

// Vectors of a table that are multiplied together.
constexpr int64_t VECTORS_AT_ONCE = 4;

// Rows of a table whose products are added up in single precision.
constexpr int64_t TABLE_ROWS_AT_ONCE = 256;

// The entries of one row of the matrix.
struct Entries {
    const int32_t *columns;
    const float *extra; // the confidence of each entry above 1
    int64_t n;
};

// The vectors of the columns, (n_columns, width), and their Gram matrix, (width, width).
struct Fixed {
    const float *vectors, *gram;
    int64_t width;
};

// Adds to `sums` the vectors of n entries, each times weight(entry, its product with x). The width
// is a multiple of LANES.
template <int n, typename Weight>
inline void add_vectors(const Entries &entries, int64_t first, const Fixed &fixed, const float *x,
                        const Weight &weight, float *sums) {
    const float *vectors[n];
    Vector products[n] = {};
    for (int j = 0; j < n; ++j) vectors[j] = fixed.vectors + entries.columns[first + j] * fixed.width;
    for (int64_t i = 0; i < fixed.width; i += LANES) {
        const Vector values = load(x + i);
        for (int j = 0; j < n; ++j) products[j] += values * load(vectors[j] + i);
    }
    float weights[n];
    for (int j = 0; j < n; ++j) weights[j] = weight(entries.extra[first + j], sum(products[j]));
    for (int64_t i = 0; i < fixed.width; i += LANES) {
        Vector total = load(sums + i);
        for (int j = 0; j < n; ++j) total += weights[j] * load(vectors[j] + i);
        store(sums + i, total);
    }
}

// Adds to `sums` the vectors of all entries, each times weight(extra confidence, product with x).
template <typename Weight>
void add_entries(const Entries &entries, const Fixed &fixed, const float *x, const Weight &weight,
                 std::vector<float> &block, float *sums) {
    for (int64_t start = 0; start < entries.n; start += ENTRIES_AT_ONCE) {
        const int64_t end = std::min(start + ENTRIES_AT_ONCE, entries.n);
        std::fill(block.begin(), block.end(), 0.0f);
        int64_t first = start;
        for (; first + VECTORS_AT_ONCE <= end; first += VECTORS_AT_ONCE)
            add_vectors<VECTORS_AT_ONCE>(entries, first, fixed, x, weight, block.data());
        for (; first < end; ++first) add_vectors<1>(entries, first, fixed, x, weight, block.data());
        for (int64_t i = 0; i < fixed.width; i += LANES)
            store(sums + i, load(sums + i) + load(&block[i]));
    }
}

// Improves the vectors of a few rows. A row's system has the matrix A = gram + penalty I + Σ extra
// v vᵀ and the target b = Σ (1 + extra) v, summed over its entries' vectors v. With the row's vector
// x, its part of the objective is Σ (1 + extra) - 2 b x + x A x.
class Solver {
    const Fixed fixed;
    // Of each row: b - A x, the direction of the next step, and the product of A with it.
    std::vector<float> residuals, directions, images;
    std::vector<float> block;

    // Computes the images of the rows' vectors (n, width), without the entries.
    void multiply_dense(const float *vectors, const float *penalties, int64_t n) {
        const int width = fixed.width;
        const auto with_penalty = [=](int row, int column) {
            return penalties[row] * load(vectors + row * width + column);
        };
        multiply({vectors, width, 1}, n, width, fixed.gram, width, with_penalty,
                 write_to(images.data(), width, unchanged));
    }

    // Computes the first residual and direction of a row, and returns its part of the objective.
    double begin(const Entries &entries, const float *x, int64_t row) {
        float *image = &images[row * fixed.width];
        double loss = dot(x, image, fixed.width);
        const auto weight = [&](float extra, float product) {
            loss += 1 + extra - product * (2 * (1 + extra) - extra * product);
            return extra * product - (1 + extra);
        };
        add_entries(entries, fixed, x, weight, block, image);
        for (int64_t i = 0; i < fixed.width; i += LANES)
            store(&residuals[row * fixed.width + i], -load(image + i));
        return loss;
    }

    // Takes one step of conjugate gradients. Changes the squared length of the residual, and
    // returns by how much the objective falls.
    double step(const Entries &entries, float *x, int64_t row, float &squared_length) {
        const int64_t width = fixed.width;
        float *r = &residuals[row * width], *p = &directions[row * width], *image = &images[row * width];
        add_entries(entries, fixed, p, [](float extra, float product) { return extra * product; }, block, image);
        const float curvature = dot(p, image, width);
        if (squared_length == 0 || curvature == 0) return 0; // the system is solved
        // After an overflow the vector is NaN, so that the caller notices it.
        const float size = curvature < INFINITY ? squared_length / curvature : NAN;
        for (int64_t i = 0; i < width; i += LANES) {
            store(x + i, load(x + i) + size * load(p + i));
            store(r + i, load(r + i) - size * load(image + i));
        }
        const double gain = double(size) * squared_length;
        const float ratio = dot(r, r, width) / squared_length;
        squared_length *= ratio;
        for (int64_t i = 0; i < width; i += LANES) store(p + i, load(r + i) + ratio * load(p + i));
        return gain;
    }

  public:
    explicit Solver(const Fixed &fixed)
        : fixed(fixed), residuals(ROWS_AT_ONCE * fixed.width), directions(residuals.size()),
          images(residuals.size()), block(fixed.width) {}

    // Improves the vectors of n rows by some steps, and writes their parts of the objective.
    void run(const Entries *rows, const float *penalties, int64_t n, int n_steps, float *vectors,
             double *losses) {
        const int64_t width = fixed.width;
        float squared_lengths[ROWS_AT_ONCE];
        multiply_dense(vectors, penalties, n);
        for (int64_t row = 0; row < n; ++row) {
            losses[row] = begin(rows[row], vectors + row * width, row);
            const float *r = &residuals[row * width];
            squared_lengths[row] = dot(r, r, width);
        }
        directions = residuals;
        for (int step_index = 0; step_index < n_steps; ++step_index) {
            multiply_dense(directions.data(), penalties, n);
            for (int64_t row = 0; row < n; ++row)
                losses[row] -= step(rows[row], vectors + row * width, row, squared_lengths[row]);
        }
    }
};

} // namespace

// Improves the vectors (n, width) of n rows of a matrix: row r's entries are ends[r] to
// ends[r + 1] - 1. Writes the part of each row in the objective to losses (n,).
extern "C" void als_improve(const int64_t *ends, const int32_t *columns, const float *extra,
                            const float *penalties, int64_t n, const float *fixed_vectors,
                            const float *gram, int64_t width, int32_t n_steps, int32_t n_threads,
                            float *vectors, double *losses) {
    const Fixed fixed{fixed_vectors, gram, width};
    std::atomic<int64_t> next{0};
    on_threads(n_threads, [&](int) {
        Solver solver(fixed);
        for (int64_t first; (first = next.fetch_add(ROWS_AT_ONCE)) < n;) {
            const int64_t n_rows = std::min(ROWS_AT_ONCE, n - first);
            Entries rows[ROWS_AT_ONCE];
            for (int64_t row = 0; row < n_rows; ++row) {
                const int64_t start = ends[first + row];
                rows[row] = {columns + start, extra + start, ends[first + row + 1] - start};
            }
            solver.run(rows, penalties + first, n_rows, n_steps, vectors + first * width, losses + first);
        }
    });
}

// Computes the Gram matrix (width, width) of a table (n, width).
extern "C" void als_gram(const float *vectors, int64_t n, int64_t width, int32_t n_threads, float *gram) {
    const int64_t n_parts = width / LANES;
    on_threads(n_threads, [=](int thread) {
        const int64_t from = n_parts * thread / n_threads * LANES, to = n_parts * (thread + 1) / n_threads * LANES;
        std::vector<double> sums((to - from) * width);
        const auto add = [&](int row, int column, const Vector &products) {
            for (int i = 0; i < LANES; ++i) sums[row * width + column + i] += products[i];
        };
        for (int64_t first = 0; first < n; first += TABLE_ROWS_AT_ONCE) {
            const float *block = vectors + first * width;
            multiply({block + from, 1, int(width)}, to - from, std::min(TABLE_ROWS_AT_ONCE, n - first), block,
                     width, from_zero, add);
        }
        std::copy(sums.begin(), sums.end(), gram + from * width);
    });
}
