// Layer normalisation and its gradients, for many rows of few numbers each.
// torch.nn.functional.layer_norm is the plain form.

#include <cmath>

#include "rows.h"

namespace {

// Numbers for which one more thread is worth it.
constexpr int64_t LEAST_NUMBERS = 1 << 14;

// The sum of what `at` returns for each part of a row.
template <typename At> float sum_of_row(int64_t size, const At &at) {
    Pack<16>::Numbers whole{};
    float rest = 0;
    in_parts(size, [&](auto width, int64_t j) {
        if constexpr (width == 16) whole += at(width, j);
        else rest += sum(at(width, j));
    });
    return sum(whole) + rest;
}

} // namespace

// Of a row: its mean, and 1 / standard deviation.
struct Moments {
    float mean, scale;

    static Moments of(const float *row, int64_t size, float epsilon) {
        const float mean = sum_of_row(size, [=](auto width, int64_t j) { return Pack<width>::load(row + j); }) / size;
        const float squares = sum_of_row(size, [=](auto width, int64_t j) {
            const auto difference = Pack<width>::load(row + j) - mean;
            return difference * difference;
        });
        return {mean, 1 / std::sqrt(squares / size + epsilon)};
    }

    template <int width> auto normal(const float *x) const { return (Pack<width>::load(x) - mean) * scale; }
};

// Writes (x - mean) / standard deviation * weight + bias, (m, size), for each row of x (m, size), and the
// moments of the rows, (m,), which the gradients need.
extern "C" void norm_apply(const float *x, int64_t m, int64_t size, const float *weight, const float *bias,
                           float epsilon, int32_t n_threads, Moments *moments, float *result) {
    const int n_used = threads_for(m * size, LEAST_NUMBERS, n_threads);
    on_threads(n_used, [=](int thread) {
        for (int64_t i = m * thread / n_used; i < m * (thread + 1) / n_used; ++i) {
            const float *row = x + i * size;
            const Moments own = moments[i] = Moments::of(row, size, epsilon);
            in_parts(size, [=](auto width, int64_t j) {
                typedef Pack<width> Some;
                const auto scaled = own.normal<width>(row + j) * Some::load(weight + j);
                Some::store(result + i * size + j, scaled + Some::load(bias + j));
            });
        }
    });
}

// From the gradients of the result, (m, size): writes those of x, and of the weight and then the bias, (2 * size,).
extern "C" void norm_differentiate(const float *x, int64_t m, int64_t size, const float *weight,
                                   const Moments *moments, const float *gradients, int32_t n_threads,
                                   float *x_gradients, float *of_parameters) {
    const int n_used = threads_for(m * size, LEAST_NUMBERS, n_threads);
    std::vector<Floats> of_threads(n_used, Floats(2 * size));
    on_threads(n_used, [&](int thread) {
        float *of_weight = of_threads[thread].data(), *of_bias = of_weight + size;
        for (int64_t i = m * thread / n_used; i < m * (thread + 1) / n_used; ++i) {
            const float *row = x + i * size, *gradient = gradients + i * size;
            const Moments own = moments[i];
            const auto weighted = [=](auto width, int64_t j) {
                return Pack<width>::load(gradient + j) * Pack<width>::load(weight + j);
            };
            const float mean = sum_of_row(size, weighted) / size;
            const float slope = sum_of_row(size, [=](auto width, int64_t j) {
                return weighted(width, j) * own.normal<width>(row + j);
            }) / size;
            in_parts(size, [=](auto width, int64_t j) {
                typedef Pack<width> Some;
                const auto normal = own.normal<width>(row + j), received = Some::load(gradient + j);
                Some::store(x_gradients + i * size + j, (weighted(width, j) - mean - normal * slope) * own.scale);
                Some::store(of_weight + j, Some::load(of_weight + j) + received * normal);
                Some::store(of_bias + j, Some::load(of_bias + j) + received);
            });
        }
    });
    std::copy_n(of_threads[0].data(), 2 * size, of_parameters);
    for (int thread = 1; thread < n_used; ++thread)
        for (int64_t j = 0; j < 2 * size; ++j) of_parameters[j] += of_threads[thread][j];
}
