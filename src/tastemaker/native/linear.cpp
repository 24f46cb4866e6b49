// A fully connected layer and its gradients, for many rows of few numbers each.
// torch.nn.functional.linear is the plain form.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "layer.h"
#include "threads.h"

namespace {

// Rows that are computed together, so that they are in a core's cache.
constexpr int64_t ROWS_AT_ONCE = 64;

// Multiplications for which one more thread is worth it.
constexpr int64_t LEAST_WORK = 1 << 20;

// Copies n rows of `width` numbers to or from rows that are `stride` numbers apart.
void pad(const float *from, int64_t n, int64_t width, float *to, int64_t stride) {
    for (int64_t i = 0; i < n; ++i) copy(from + i * width, width, to + i * stride);
}
void unpad(const float *from, int64_t n, int64_t width, float *to, int64_t stride) {
    for (int64_t i = 0; i < n; ++i) copy(from + i * stride, width, to + i * width);
}

Parameter parameter(const float *value, int64_t rows, int64_t columns) {
    return {const_cast<float *>(value), nullptr, nullptr, rows, columns};
}

int n_threads_for(int64_t m, int64_t in, int64_t out, int n_threads) {
    return std::clamp<int64_t>(m * in * out / LEAST_WORK, 1, n_threads);
}

// Calls work(first, n) for the parts of m rows, ROWS_AT_ONCE at most, that belong to a thread.
template <typename Work> void for_rows(int64_t m, int thread, int n_threads, const Work &work) {
    const int64_t n_parts = (m + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    for (int64_t part = n_parts * thread / n_threads; part < n_parts * (thread + 1) / n_threads; ++part)
        work(part * ROWS_AT_ONCE, std::min(ROWS_AT_ONCE, m - part * ROWS_AT_ONCE));
}

} // namespace

// Writes x Wᵀ + b, (m, out), for x (m, in), W (out, in) and b (out,).
extern "C" void linear_apply(const float *x, int64_t m, int64_t in, int64_t out, const float *weight,
                             const float *bias, int32_t n_threads, float *result) {
    const Parameter weights = parameter(weight, out, in), biases = parameter(bias, out, 1);
    Layer layer(&weights, &biases);
    layer.load_weights();
    const int n_used = n_threads_for(m, in, out, n_threads), width = padded(out);
    on_threads(n_used, [&](int thread) {
        Floats rows(ROWS_AT_ONCE * width);
        const auto bias_at = [&](int, int column) { return layer.bias_at(column); };
        for_rows(m, thread, n_used, [&](int64_t first, int64_t n) {
            float *to = width == out ? result + first * out : rows.data();
            layer.forward(x + first * in, in, n, to, bias_at, unchanged);
            if (width != out) unpad(rows.data(), n, out, result + first * out, width);
        });
    });
}

// From the gradients of the result, (m, out): writes those of x, (m, in), and of W and then b, (out * in + out,).
extern "C" void linear_differentiate(const float *x, int64_t m, int64_t in, int64_t out, const float *weight,
                                     const float *gradients, int32_t n_threads, float *x_gradients,
                                     float *of_parameters) {
    const int n_used = n_threads_for(m, in, out, n_threads), width = padded(out), in_width = padded(in);
    const Floats zero_bias(out); // its values do not affect gradients
    const Parameter weights = parameter(weight, out, in), biases = parameter(zero_bias.data(), out, 1);
    std::vector<Layer> layers(n_used, Layer(&weights, &biases));
    on_threads(n_used, [&](int thread) {
        Layer &layer = layers[thread];
        layer.load_weights();
        Floats rows(ROWS_AT_ONCE * width), x_rows(ROWS_AT_ONCE * in_width);
        for_rows(m, thread, n_used, [&](int64_t first, int64_t n) {
            pad(gradients + first * out, n, out, rows.data(), width);
            layer.add_weight_gradients(x + first * in, in, rows.data(), n);
            layer.backward(rows.data(), n, x_rows.data(), unchanged);
            unpad(x_rows.data(), n, in, x_gradients + first * in, in_width);
        });
    });
    layers[0].write_gradients(of_parameters);
    Floats more((in + 1) * out);
    for (int thread = 1; thread < n_used; ++thread) {
        layers[thread].write_gradients(more.data());
        for (size_t i = 0; i < more.size(); ++i) of_parameters[i] += more[i];
    }
}
