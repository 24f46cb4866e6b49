// A fully connected layer, forward and backward, for some samples at a time.
#pragma once

#include <algorithm>
#include <vector>

#include "adam.h"
#include "multiply.h"

using Floats = std::vector<float>;

// Like torch.nn.Linear: a weight (out, in) and an optional bias. Gradients accumulate over a batch.
class Layer {
    const Parameter *weight, *bias;
    // The weights and their gradient as (in, padded(out)); the weights as (out, padded(in)); the
    // bias and its gradient.
    Floats transposed, transposed_gradient, untransposed, biases, bias_gradient;

  public:
    const int in, out;

    Layer(const Parameter *weight, const Parameter *bias)
        : weight(weight), bias(bias), transposed(weight->columns * padded(weight->rows)),
          transposed_gradient(transposed.size()), untransposed(weight->rows * padded(weight->columns)),
          biases(padded(weight->rows)), bias_gradient(biases.size()), in(weight->columns),
          out(weight->rows) {}

    // Copies the current weights, and resets the gradient to zero.
    void load_weights() {
        for (int o = 0; o < out; ++o)
            for (int i = 0; i < in; ++i)
                transposed[i * padded(out) + o] = untransposed[o * padded(in) + i] =
                    weight->value[o * in + i];
        if (bias) std::copy_n(bias->value, out, biases.data());
        std::fill(transposed_gradient.begin(), transposed_gradient.end(), 0.0f);
        std::fill(bias_gradient.begin(), bias_gradient.end(), 0.0f);
    }

    Vector bias_at(int column) const { return load(&biases[column]); }

    // outputs (n, padded(out)) = finish(start + inputs (n, in) Wᵀ).
    template <typename Start, typename Finish>
    void forward(const float *inputs, int stride, int n, float *outputs, const Start &start,
                 const Finish &finish) const {
        multiply({inputs, stride, 1}, n, in, transposed.data(), padded(out), start,
                 write_to(outputs, padded(out), finish));
    }

    // Adds to the gradient of the weights, given the gradients of the outputs (n, padded(out)).
    void add_weight_gradients(const float *inputs, int stride, const float *gradients, int n) {
        const int width = padded(out);
        const auto current = [&](int i, int o) { return load(&transposed_gradient[i * width + o]); };
        multiply({inputs, 1, stride}, in, n, gradients, width, current,
                 write_to(transposed_gradient.data(), width, unchanged));
        for (int o = 0; bias && o < width; o += LANES) {
            Vector total = load(&bias_gradient[o]);
            for (int s = 0; s < n; ++s) total += load(gradients + s * width + o);
            store(&bias_gradient[o], total);
        }
    }

    // Computes the gradients of the inputs (n, padded(in)), transformed by finish, from the same.
    template <typename Finish>
    void backward(const float *gradients, int n, float *input_gradients, const Finish &finish) const {
        multiply({gradients, padded(out), 1}, n, out, untransposed.data(), padded(in), from_zero,
                 write_to(input_gradients, padded(in), finish));
    }

    // Writes the gradient in the order of the parameters, weight and bias; returns where it ends.
    float *write_gradients(float *to) const {
        for (int o = 0; o < out; ++o)
            for (int i = 0; i < in; ++i) *to++ = transposed_gradient[i * padded(out) + o];
        return bias ? std::copy_n(bias_gradient.data(), out, to) : to;
    }
};
