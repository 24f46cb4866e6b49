// The feed-forward part of a transformer's block, and its gradients:
//
//     x + drop₂(W₂ drop₁(relu(W₁ x + b₁)) + b₂)
//
// It computes some rows at a time, so that what lies between x and the result stays in a core's
// cache. tastemaker.training.kernels.feed_forward has the plain form.

#include "dropout.h"
#include "rows.h"

namespace {

// Applies dropout to n rows, of which the first has the given number in its matrix.
void drop(const Dropout &dropout, int64_t first, int64_t n, int width, float *rows) {
    if (!dropout.n_dropped) return;
    for (int64_t i = 0; i < n; ++i)
        dropout.for_row(first + i, width, [to = rows + i * width](int64_t j, const Vector &factors) {
            store(to + j, load(to + j) * factors);
        });
}

// Adds n rows of `width` numbers to rows that are `stride` numbers apart, and writes the sums without padding.
void unpad_sum(const float *one, const float *rows, int64_t n, int64_t width, float *to, int64_t stride) {
    for (int64_t i = 0; i < n; ++i)
        in_parts(width, [&](auto part, int64_t j) {
            typedef Pack<part> Some;
            Some::store(to + i * width + j, Some::load(one + i * width + j) + Some::load(rows + i * stride + j));
        });
}

} // namespace

// Parameters of the two layers: W₁ (hidden, size), b₁ (hidden,), W₂ (size, hidden), b₂ (size,).
struct FeedForward {
    int64_t size, hidden;
    const float *weight_1, *bias_1, *weight_2, *bias_2;
    Dropout dropout_1, dropout_2;
};

namespace {

// The same in the form that layers take.
struct Parameters {
    Parameter weight_1, bias_1, weight_2, bias_2;

    explicit Parameters(const FeedForward &p)
        : weight_1(constant(p.weight_1, p.hidden, p.size)), bias_1(constant(p.bias_1, p.hidden, 1)),
          weight_2(constant(p.weight_2, p.size, p.hidden)), bias_2(constant(p.bias_2, p.size, 1)) {}
};

} // namespace

// Writes the result (m, size) for x (m, size), and, unless that is null, what enters the second layer, (m, hidden),
// which the gradients need.
extern "C" void feed_forward_apply(const float *x, int64_t m, const FeedForward *parameters, int32_t n_threads,
                                   float *entering, float *result) {
    const FeedForward &p = *parameters;
    const Parameters of(p);
    Layer first_layer(&of.weight_1, &of.bias_1), second_layer(&of.weight_2, &of.bias_2);
    first_layer.load_weights(), second_layer.load_weights();
    const int width = padded(p.size), hidden_width = padded(p.hidden);
    const int n_used = threads_for(m * p.size * p.hidden, LEAST_MULTIPLICATIONS, n_threads);
    on_threads(n_used, [&](int thread) {
        Floats hidden(ROWS_AT_ONCE * hidden_width), rows(ROWS_AT_ONCE * width);
        const auto bias_1_at = [&](int, int column) { return first_layer.bias_at(column); };
        const auto bias_2_at = [&](int, int column) { return second_layer.bias_at(column); };
        for_rows(m, thread, n_used, [&](int64_t first, int64_t n) {
            first_layer.forward(x + first * p.size, p.size, n, hidden.data(), bias_1_at, rectified);
            drop(p.dropout_1, first, n, hidden_width, hidden.data());
            if (entering) unpad(hidden.data(), n, p.hidden, entering + first * p.hidden, hidden_width);
            second_layer.forward(hidden.data(), hidden_width, n, rows.data(), bias_2_at, unchanged);
            drop(p.dropout_2, first, n, width, rows.data());
            unpad_sum(x + first * p.size, rows.data(), n, p.size, result + first * p.size, width);
        });
    });
}

// From the gradients of the result: writes those of x, (m, size), and of W₁, b₁, W₂ and b₂, one after another.
extern "C" void feed_forward_differentiate(const float *x, const float *entering, int64_t m,
                                           const FeedForward *parameters, const float *gradients, int32_t n_threads,
                                           float *x_gradients, float *of_parameters) {
    const FeedForward &p = *parameters;
    const Parameters of(p);
    const int width = padded(p.size), hidden_width = padded(p.hidden);
    const int n_used = threads_for(m * p.size * p.hidden, LEAST_MULTIPLICATIONS, n_threads);
    std::vector<Layer> first_layers(n_used, Layer(&of.weight_1, &of.bias_1));
    std::vector<Layer> second_layers(n_used, Layer(&of.weight_2, &of.bias_2));
    on_threads(n_used, [&](int thread) {
        Layer &first_layer = first_layers[thread], &second_layer = second_layers[thread];
        first_layer.load_weights(), second_layer.load_weights();
        Floats rows(ROWS_AT_ONCE * width), hidden(ROWS_AT_ONCE * hidden_width), hidden_gradients(hidden.size());
        // Where 0 enters the second layer, ReLU or dropout gave it, and the gradient is 0.
        const auto through_first = [&](int row, int column, const Vector &sums) {
            return load(&hidden[row * hidden_width + column]) > Vector{} ? sums * p.dropout_1.scale : Vector{};
        };
        for_rows(m, thread, n_used, [&](int64_t first, int64_t n) {
            pad(gradients + first * p.size, n, p.size, rows.data(), width);
            drop(p.dropout_2, first, n, width, rows.data());
            pad(entering + first * p.hidden, n, p.hidden, hidden.data(), hidden_width);
            second_layer.add_weight_gradients(hidden.data(), hidden_width, rows.data(), n);
            second_layer.backward(rows.data(), n, hidden_gradients.data(), through_first);
            first_layer.add_weight_gradients(x + first * p.size, p.size, hidden_gradients.data(), n);
            first_layer.backward(hidden_gradients.data(), n, rows.data(), unchanged);
            unpad_sum(gradients + first * p.size, rows.data(), n, p.size, x_gradients + first * p.size, width);
        });
    });
    write_sum(first_layers, of_parameters);
    write_sum(second_layers, of_parameters + p.hidden * (p.size + 1));
}
