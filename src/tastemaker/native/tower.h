// The fully connected part of a network: layers with ReLUs on a user's and an item's vector.
#pragma once

#include <vector>

#include "layer.h"

// W1 [p_u; q_i] = W1_user p_u + W1_item q_i, where the user's half is computed once for a positive
// and its negatives.
class Tower {
    int columns;
    Layer first_user, first_item;
    std::vector<Layer> rest;
    // The outputs of each layer for the samples, and their gradients.
    std::vector<Floats> outputs, of_outputs;
    // For each sample, where its user's half begins; a look-up is faster than a division.
    std::vector<int> halves;
    Floats first_of_users, of_first_of_users, of_user_inputs, of_item_inputs;

  public:
    // The parameters: W1_user, its bias, W1_item, then each further layer's weight and bias.
    Tower(const Parameter *parameters, int n_more, int positives, int columns)
        : columns(columns), first_user(parameters, parameters + 1), first_item(parameters + 2, nullptr),
          first_of_users(positives * padded(first_user.out)),
          of_first_of_users(first_of_users.size()),
          of_user_inputs(positives * padded(first_user.in)),
          of_item_inputs(positives * columns * padded(first_item.in)) {
        for (int l = 0; l < n_more; ++l) rest.emplace_back(parameters + 3 + 2 * l, parameters + 4 + 2 * l);
        outputs.emplace_back(positives * columns * padded(first_item.out));
        for (const Layer &layer : rest) outputs.emplace_back(positives * columns * padded(layer.out));
        of_outputs = outputs;
        for (int s = 0; s < positives * columns; ++s) halves.push_back(s / columns * padded(first_user.out));
    }

    int width() const { return rest.empty() ? first_item.out : rest.back().out; }
    // The outputs of the last layer, (samples, padded(width())), and where to write the gradients
    // of the inputs of its ReLU.
    const float *output() const { return outputs.back().data(); }
    float *of_output() { return of_outputs.back().data(); }

    void begin() {
        first_user.begin(), first_item.begin();
        for (Layer &layer : rest) layer.begin();
    }

    float *end(float *to) const {
        to = first_item.end(first_user.end(to));
        for (const Layer &layer : rest) to = layer.end(to);
        return to;
    }

    // Computes the outputs for n positives, from users (n, user_stride) and
    // items (n * columns, item_stride).
    void forward(const float *users, int user_stride, const float *items, int item_stride, int n) {
        const int samples = n * columns;
        const auto first_offset = [&](int, int o) { return first_user.offset(o); };
        first_user.forward(users, user_stride, n, first_of_users.data(), first_offset, as_it_is);
        const auto of_user = [&](int s, int o) { return load(&first_of_users[halves[s] + o]); };
        first_item.forward(items, item_stride, samples, outputs[0].data(), of_user, rectified);
        for (size_t l = 0; l < rest.size(); ++l) {
            const auto offset = [&](int, int o) { return rest[l].offset(o); };
            rest[l].forward(outputs[l].data(), padded(rest[l].in), samples, outputs[l + 1].data(),
                            offset, rectified);
        }
    }

    // From of_output(): adds to the layers' gradients, and writes those of the users' and items'
    // rows.
    void backward(const float *users, int user_stride, const float *items, int item_stride, int n,
                  float *of_users, float *of_items) {
        const int samples = n * columns;
        to_first<true>(n);
        const float *of_first = of_outputs[0].data();
        first_user.learn(users, user_stride, of_first_of_users.data(), n);
        first_item.learn(items, item_stride, of_first, samples);
        first_item.backward(of_first, samples, of_item_inputs.data(), as_it_is);
        copy_rows(of_item_inputs, first_item.in, samples, of_items, item_stride);
        to_users(n, of_users, user_stride);
    }

    // From of_output(): writes the gradients of the users' rows only.
    void backward(int n, float *of_users, int user_stride) {
        to_first<false>(n);
        to_users(n, of_users, user_stride);
    }

  private:
    // Computes the gradients of the first layer's outputs, for each sample and summed by positive.
    template <bool learns> void to_first(int n) {
        const int width = padded(first_item.out), samples = n * columns;
        for (size_t l = rest.size(); l-- > 0;) {
            // Where a ReLU's output is 0, the gradient of its input is 0.
            const auto through_relu = [&, in = padded(rest[l].in)](int s, int i, const Vector &sums) {
                return load(&outputs[l][s * in + i]) > Vector{} ? sums : Vector{};
            };
            const float *of_outputs_above = of_outputs[l + 1].data();
            if (learns) rest[l].learn(outputs[l].data(), padded(rest[l].in), of_outputs_above, samples);
            rest[l].backward(of_outputs_above, samples, of_outputs[l].data(), through_relu);
        }
        const float *of_first = of_outputs[0].data();
        for (int p = 0; p < n; ++p)
            for (int o = 0; o < width; o += LANES) {
                Vector total{};
                for (int c = 0; c < columns; ++c) total += load(of_first + (p * columns + c) * width + o);
                store(&of_first_of_users[p * width + o], total);
            }
    }

    void to_users(int n, float *of_users, int user_stride) {
        first_user.backward(of_first_of_users.data(), n, of_user_inputs.data(), as_it_is);
        copy_rows(of_user_inputs, first_user.in, n, of_users, user_stride);
    }

    static void copy_rows(const Floats &from, int width, int n, float *to, int stride) {
        for (int s = 0; s < n; ++s) copy(&from[s * padded(width)], width, to + s * stride);
    }
};
