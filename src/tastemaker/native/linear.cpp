// A fully connected layer and its gradients, for many rows of few numbers each.
// torch.nn.functional.linear is the plain form.

#include "rows.h"

// Writes x Wᵀ + b, (m, out), for x (m, in), W (out, in) and b (out,).
extern "C" void linear_apply(const float *x, int64_t m, int64_t in, int64_t out, const float *weight,
                             const float *bias, int32_t n_threads, float *result) {
    const Parameter weights = constant(weight, out, in), biases = constant(bias, out, 1);
    Layer layer(&weights, &biases);
    layer.load_weights();
    const int n_used = threads_for(m * in * out, LEAST_MULTIPLICATIONS, n_threads), width = padded(out);
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
    const int n_used = threads_for(m * in * out, LEAST_MULTIPLICATIONS, n_threads), width = padded(out), in_width = padded(in);
    const Floats zero_bias(out); // its values do not affect gradients
    const Parameter weights = constant(weight, out, in), biases = constant(zero_bias.data(), out, 1);
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
    write_sum(layers, of_parameters);
}
