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
    Floats transposed, of_transposed, straight, offsets, of_offsets;

  public:
    const int in, out;

    Layer(const Parameter *weight, const Parameter *bias)
        : weight(weight), bias(bias), transposed(weight->columns * padded(weight->rows)),
          of_transposed(transposed.size()), straight(weight->rows * padded(weight->columns)),
          offsets(padded(weight->rows)), of_offsets(offsets.size()), in(weight->columns),
          out(weight->rows) {}

    // Copies the current weights, and resets the gradient to zero.
    void begin() {
        for (int o = 0; o < out; ++o)
            for (int i = 0; i < in; ++i)
                transposed[i * padded(out) + o] = straight[o * padded(in) + i] =
                    weight->value[o * in + i];
        if (bias) std::copy_n(bias->value, out, offsets.data());
        std::fill(of_transposed.begin(), of_transposed.end(), 0.0f);
        std::fill(of_offsets.begin(), of_offsets.end(), 0.0f);
    }

    Vector offset(int column) const { return load(&offsets[column]); }

    // outputs (n, padded(out)) = finish(start + inputs (n, in) Wᵀ).
    template <typename Start, typename Finish>
    void forward(const float *inputs, int stride, int n, float *outputs, const Start &start,
                 const Finish &finish) const {
        multiply({inputs, stride, 1}, n, in, transposed.data(), padded(out), start,
                 into(outputs, padded(out), finish));
    }

    // Adds to the gradient of the weights, given the gradients of the outputs (n, padded(out)).
    void learn(const float *inputs, int stride, const float *gradients, int n) {
        const int width = padded(out);
        const auto so_far = [&](int i, int o) { return load(&of_transposed[i * width + o]); };
        multiply({inputs, 1, stride}, in, n, gradients, width, so_far,
                 into(of_transposed.data(), width, as_it_is));
        for (int o = 0; bias && o < width; o += LANES) {
            Vector total = load(&of_offsets[o]);
            for (int s = 0; s < n; ++s) total += load(gradients + s * width + o);
            store(&of_offsets[o], total);
        }
    }

    // Computes the gradients of the inputs (n, padded(in)), transformed by finish, from the same.
    template <typename Finish>
    void backward(const float *gradients, int n, float *of_inputs, const Finish &finish) const {
        multiply({gradients, padded(out), 1}, n, out, straight.data(), padded(in), from_zero,
                 into(of_inputs, padded(in), finish));
    }

    // Writes the gradient in the order of the parameters, weight and bias; returns where it ends.
    float *end(float *to) const {
        for (int o = 0; o < out; ++o)
            for (int i = 0; i < in; ++i) *to++ = of_transposed[i * padded(out) + o];
        return bias ? std::copy_n(of_offsets.data(), out, to) : to;
    }
};
