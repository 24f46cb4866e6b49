// Dropout of the numbers of a tensor. tastemaker.training.kernels.dropout has the plain form.

#include "dropout.h"
#include "threads.h"

namespace {

// Numbers in a row, whose position decides what is dropped.
constexpr int64_t ROW = 4096;

// Rows for which one more thread is worth it.
constexpr int64_t ROWS_PER_THREAD = 16;

} // namespace

// The result (n,) does not depend on the number of threads.
extern "C" void dropout_apply(const float *x, int64_t n, const Dropout *dropout, int32_t n_threads, float *result) {
    const int64_t n_rows = (n + ROW - 1) / ROW;
    const int64_t n_used = std::min<int64_t>(n_threads, 1 + n_rows / ROWS_PER_THREAD);
    on_threads(n_used, [=](int thread) {
        for (int64_t row = n_rows * thread / n_used; row < n_rows * (thread + 1) / n_used; ++row) {
            const float *from = x + row * ROW;
            float *to = result + row * ROW;
            const int64_t width = std::min(ROW, n - row * ROW);
            dropout->for_row(row, width, [=](int64_t j, const Vector &factors) {
                if (j + LANES <= width) store(to + j, load(from + j) * factors);
                else for (int64_t i = j; i < width; ++i) to[i] = from[i] * factors[i - j];
            });
        }
    });
}
