// The fully connected part of a network: the user's and the item's vector, some layers with ReLUs.
#pragma once

#include <vector>

#include "layer.h"

// W1 [p_u; q_i] = W1_user p_u + W1_item q_i: the user's half is shared by all of a user's samples.
class Tower {
    int columns;
    Layer first_user, first_item;
    std::vector<Layer> rest;
    // What each layer gives for the samples, and the gradient of that.
    std::vector<Floats> outputs, of_outputs;
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
    }

    int width() const { return rest.empty() ? first_item.out : rest.back().out; }
    // (samples, padded(width())) of the last layer, and where to write its gradient.
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

    // Of n positives: users (n, user_stride), items (n * columns, item_stride).
    void forward(const float *users, int user_stride, const float *items, int item_stride, int n) {
        const int width = padded(first_item.out), samples = n * columns;
        first_user.forward(users, user_stride, n, first_of_users.data());
        for (int s = 0; s < samples; ++s)
            std::copy_n(&first_of_users[s / columns * width], width, &outputs[0][s * width]);
        first_item.add_forward(items, item_stride, samples, outputs[0].data());
        relu(outputs[0].data(), samples * width);
        for (size_t l = 0; l < rest.size(); ++l) {
            rest[l].forward(outputs[l].data(), padded(rest[l].in), samples, outputs[l + 1].data());
            relu(outputs[l + 1].data(), samples * padded(rest[l].out));
        }
    }

    // From of_output(): adds to the layers' gradients, and to those of the rows that were given.
    void backward(const float *users, int user_stride, const float *items, int item_stride, int n,
                  float *of_users, float *of_items) {
        const int width = padded(first_item.out), samples = n * columns;
        for (size_t l = rest.size(); l-- > 0;) {
            relu_backward(outputs[l + 1].data(), of_outputs[l + 1].data(), samples * padded(rest[l].out));
            rest[l].backward(outputs[l].data(), padded(rest[l].in), of_outputs[l + 1].data(),
                             samples, of_outputs[l].data());
        }
        float *of_first = of_outputs[0].data();
        relu_backward(outputs[0].data(), of_first, samples * width);
        std::fill_n(of_first_of_users.data(), n * width, 0.0f);
        for (int s = 0; s < samples; ++s)
            for (int o = 0; o < width; ++o) of_first_of_users[s / columns * width + o] += of_first[s * width + o];
        first_user.backward(users, user_stride, of_first_of_users.data(), n, of_user_inputs.data());
        first_item.backward(items, item_stride, of_first, samples, of_item_inputs.data());
        add_rows(of_user_inputs, first_user.in, n, of_users, user_stride);
        add_rows(of_item_inputs, first_item.in, samples, of_items, item_stride);
    }

  private:
    static void add_rows(const Floats &from, int width, int n, float *to, int stride) {
        for (int s = 0; s < n; ++s)
            for (int i = 0; i < width; ++i) to[s * stride + i] += from[s * padded(width) + i];
    }
};
