// The fully connected part of a network: layers with ReLUs on a user's and an item's vector.
#pragma once

#include <vector>

#include "layer.h"

// W1 [p_u; q_i] = W1_user p_u + W1_item q_i, where the user's half is computed once for a positive
// and its negatives.
class Tower {
    int columns;
    Layer first_user, first_item;
    std::vector<Layer> other_layers;
    // The outputs of each layer for the samples, and their gradients.
    std::vector<Floats> outputs, output_gradients;
    // For each sample, where its user's half begins; a look-up is faster than a division.
    std::vector<int> user_half_starts;
    Floats first_user_outputs, first_user_gradients, user_input_gradients, item_input_gradients;

  public:
    // The parameters: W1_user, its bias, W1_item, then each further layer's weight and bias.
    Tower(const Parameter *parameters, int n_other_layers, int positives, int columns)
        : columns(columns), first_user(parameters, parameters + 1), first_item(parameters + 2, nullptr),
          first_user_outputs(positives * padded(first_user.out)),
          first_user_gradients(first_user_outputs.size()),
          user_input_gradients(positives * padded(first_user.in)),
          item_input_gradients(positives * columns * padded(first_item.in)) {
        for (int l = 0; l < n_other_layers; ++l) other_layers.emplace_back(parameters + 3 + 2 * l, parameters + 4 + 2 * l);
        outputs.emplace_back(positives * columns * padded(first_item.out));
        for (const Layer &layer : other_layers) outputs.emplace_back(positives * columns * padded(layer.out));
        output_gradients = outputs;
        for (int s = 0; s < positives * columns; ++s) user_half_starts.push_back(s / columns * padded(first_user.out));
    }

    int width() const { return other_layers.empty() ? first_item.out : other_layers.back().out; }
    // The outputs of the last layer, (samples, padded(width())), and where to write the gradients
    // of the inputs of its ReLU.
    const float *output() const { return outputs.back().data(); }
    float *last_output_gradient() { return output_gradients.back().data(); }

    void load_weights() {
        first_user.load_weights(), first_item.load_weights();
        for (Layer &layer : other_layers) layer.load_weights();
    }

    float *write_gradients(float *to) const {
        to = first_item.write_gradients(first_user.write_gradients(to));
        for (const Layer &layer : other_layers) to = layer.write_gradients(to);
        return to;
    }

    // Computes the outputs for n positives, from users (n, user_stride) and
    // items (n * columns, item_stride).
    void forward(const float *users, int user_stride, const float *items, int item_stride, int n) {
        const int samples = n * columns;
        const auto first_bias = [&](int, int o) { return first_user.bias_at(o); };
        first_user.forward(users, user_stride, n, first_user_outputs.data(), first_bias, unchanged);
        const auto user_half = [&](int s, int o) { return load(&first_user_outputs[user_half_starts[s] + o]); };
        first_item.forward(items, item_stride, samples, outputs[0].data(), user_half, rectified);
        for (size_t l = 0; l < other_layers.size(); ++l) {
            const auto bias_at = [&](int, int o) { return other_layers[l].bias_at(o); };
            other_layers[l].forward(outputs[l].data(), padded(other_layers[l].in), samples, outputs[l + 1].data(),
                            bias_at, rectified);
        }
    }

    // From last_output_gradient(): adds to the layers' gradients, and writes those of the users' and items'
    // rows.
    void backward(const float *users, int user_stride, const float *items, int item_stride, int n,
                  float *user_gradients, float *item_gradients) {
        const int samples = n * columns;
        backward_to_first<true>(n);
        const float *first_gradients = output_gradients[0].data();
        first_user.add_weight_gradients(users, user_stride, first_user_gradients.data(), n);
        first_item.add_weight_gradients(items, item_stride, first_gradients, samples);
        first_item.backward(first_gradients, samples, item_input_gradients.data(), unchanged);
        copy_rows(item_input_gradients, first_item.in, samples, item_gradients, item_stride);
        backward_to_users(n, user_gradients, user_stride);
    }

    // From last_output_gradient(): writes the gradients of the users' rows only.
    void backward(int n, float *user_gradients, int user_stride) {
        backward_to_first<false>(n);
        backward_to_users(n, user_gradients, user_stride);
    }

  private:
    // Computes the gradients of the first layer's outputs, for each sample and summed by positive.
    template <bool adds_weight_gradients> void backward_to_first(int n) {
        const int width = padded(first_item.out), samples = n * columns;
        for (size_t l = other_layers.size(); l-- > 0;) {
            // Where a ReLU's output is 0, the gradient of its input is 0.
            const auto through_relu = [&, in = padded(other_layers[l].in)](int s, int i, const Vector &sums) {
                return load(&outputs[l][s * in + i]) > Vector{} ? sums : Vector{};
            };
            const float *next_gradients = output_gradients[l + 1].data();
            if (adds_weight_gradients) other_layers[l].add_weight_gradients(outputs[l].data(), padded(other_layers[l].in), next_gradients, samples);
            other_layers[l].backward(next_gradients, samples, output_gradients[l].data(), through_relu);
        }
        const float *first_gradients = output_gradients[0].data();
        for (int p = 0; p < n; ++p)
            for (int o = 0; o < width; o += LANES) {
                Vector total{};
                for (int c = 0; c < columns; ++c) total += load(first_gradients + (p * columns + c) * width + o);
                store(&first_user_gradients[p * width + o], total);
            }
    }

    void backward_to_users(int n, float *user_gradients, int user_stride) {
        first_user.backward(first_user_gradients.data(), n, user_input_gradients.data(), unchanged);
        copy_rows(user_input_gradients, first_user.in, n, user_gradients, user_stride);
    }

    static void copy_rows(const Floats &from, int width, int n, float *to, int stride) {
        for (int s = 0; s < n; ++s) copy(&from[s * padded(width)], width, to + s * stride);
    }
};
