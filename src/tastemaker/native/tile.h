// Scores, losses and gradients of some positives and their negatives, within one core's cache.
#pragma once

#include <algorithm>
#include <array>
#include <optional>

#include "loss.h"
#include "tower.h"

// s(u, i) = h · (p_u * q_i) + w · tower(p'_u, q'_i) + b + b_u + b_i, where each part is optional.
// A user's row is [p_u, p'_u, b_u], an item's [q_i, q'_i].
struct Network {
    Parameter users, items;
    Parameter item_biases;        // (n_items, 1); without rows if there is no b_i, and then no b_u
    const Parameter *weights;     // the tower's, then [h, w] and b
    int64_t n_weights;
    int64_t product;              // the length of p_u
    int64_t tower;                // the length of p'_u; 0 without a tower
    const float *user_penalties, *item_penalties;
    double regularization;
    Loss loss;
    int32_t has_output;           // whether there are [h, w] and b; without them, h is 1

    Network with(const Parameter *same_weights) const {
        Network network = *this;
        network.weights = same_weights;
        return network;
    }
    const Parameter &output() const { return weights[n_weights - 2]; }
    int64_t n_dense() const {
        int64_t n = 0;
        for (int64_t w = 0; w < n_weights; ++w) n += weights[w].size();
        return n;
    }
};

struct Batch {
    const int64_t *users;         // (n,)
    const int64_t *items;         // (n, columns), the positive first
    const float *weights;         // (n,) or null
    int64_t n, columns;

    // The positives from `first` on: `size` of them, fewer at the end of the batch, none beyond it.
    Batch part(int64_t first, int64_t size) const {
        first = std::min(first, n);
        return {users + first, items + first * columns, weights ? weights + first : nullptr,
                std::min(size, n - first), columns};
    }
};

// The histories of users as positives with drawn negatives, `width` rows for each user.
struct Histories {
    const int64_t *items;   // (n, width, columns), the positive first
    const uint8_t *filling; // (n, width, columns): whether an item is padding, which is not counted
    const float *weights;   // (n, width): the weight of each row's loss
    const float *slopes;    // (n, width, columns), subtracted from the gradients of the scores
    int64_t n, width, columns;
};

// The gradients of a batch: a user row for each positive; an item row and a score for each sample.
struct Gradients {
    Floats users, items, scores;
};

class Tile {
    const Network &net;
    const int columns, user_width, item_width, product;
    const bool has_biases;
    std::optional<Tower> tower;
    // The last layer [h, w] and its gradient; w is padded.
    Floats h, w, h_gradient, w_gradient;
    float b = 0, b_gradient = 0;
    Floats users, items, scores, score_gradients, user_gradients, factors;

  public:
    // The number of samples for which the tower's outputs fit the first-level cache.
    static constexpr int SAMPLES = 80;
    const int positives;

    Tile(const Network &net, int columns)
        : net(net), columns(columns), user_width(net.users.columns), item_width(net.items.columns),
          product(net.product), has_biases(net.item_biases.rows > 0), h(product, 1.0f), h_gradient(product),
          factors(product), positives(std::max(1, SAMPLES / columns)) {
        const int samples = positives * columns;
        users.resize(positives * user_width), items.resize(samples * item_width);
        scores.resize(samples), score_gradients.resize(samples), user_gradients.resize(users.size());
        if (!net.tower) return;
        tower.emplace(net.weights, (net.n_weights - 5) / 2, positives, columns);
        w.resize(padded(tower->width())), w_gradient.resize(w.size());
    }

    // Copies the current weights, and resets their gradients to zero.
    void load_weights() {
        if (tower) tower->load_weights();
        std::fill(h_gradient.begin(), h_gradient.end(), 0.0f), std::fill(w_gradient.begin(), w_gradient.end(), 0.0f);
        b_gradient = 0;
        if (!net.has_output) return;
        const float *value = net.output().value;
        std::copy_n(value, product, h.data());
        if (tower) std::copy_n(value + product, tower->width(), w.data());
        b = net.weights[net.n_weights - 1].value[0];
    }

    // Writes the gradients of the weights, in the order of the weights.
    void write_gradients(float *to) const {
        if (tower) to = tower->write_gradients(to);
        if (!net.has_output) return;
        to = std::copy(h_gradient.begin(), h_gradient.end(), to);
        if (tower) to = std::copy_n(w_gradient.begin(), tower->width(), to);
        *to = b_gradient;
    }

    // Computes the gradients of n positives from `first` on, and returns their part of the batch's
    // loss.
    double run(const Batch &batch, int64_t first, int n, Gradients &gradients) {
        gather(batch, first, n);
        score(n);
        const double loss = losses(batch, first, n);
        float *user_gradients = &gradients.users[first * user_width];
        float *item_gradients = &gradients.items[first * columns * item_width];
        float *bias_gradients = &gradients.scores[first * columns];
        std::copy_n(score_gradients.data(), n * columns, bias_gradients);
        backward(n, user_gradients, item_gradients);
        if (net.regularization == 0) return loss;
        return loss + penalty(batch, first, n, user_gradients, item_gradients, bias_gradients);
    }

    // Computes only the scores (n, columns).
    void scores_of(const Batch &batch, int64_t first, int n, float *to) {
        gather(batch, first, n);
        score(n);
        std::copy_n(scores.data(), n * columns, to);
    }

    // Adds the gradient of the loss of n of a user's rows, from `first` on, to that of the user's
    // vector.
    void add_user_gradient(int64_t user, const Histories &all, int64_t first, int n, float *user_gradient) {
        const std::vector<int64_t> repeated_user(n, user);
        const int64_t row = user * all.width + first;
        gather({repeated_user.data(), all.items + row * columns, nullptr, n, columns}, 0, n);
        score(n);
        for (int s = 0; s < n * columns; ++s)
            if (all.filling[row * columns + s]) scores[s] = IMPOSSIBLE;
        for (int p = 0; p < n; ++p) {
            float *gradients = &score_gradients[p * columns];
            loss_of_row(net.loss, &scores[p * columns], columns, gradients);
            for (int c = 0; c < columns; ++c)
                gradients[c] = all.weights[row + p] * gradients[c] - all.slopes[(row + p) * columns + c];
        }
        to_user(n, user_gradient);
    }

    // Computes the scores of one user for n items from `first` on; n is at most `columns`.
    void scores_from(int64_t user, int64_t first, int n, float *to) {
        std::array<int64_t, SAMPLES> codes;
        for (int c = 0; c < columns; ++c) codes[c] = first + std::min(c, n - 1);
        gather({&user, codes.data(), nullptr, 1, columns}, 0, 1);
        score(1);
        std::copy_n(scores.data(), n, to);
    }

  private:
    void gather(const Batch &batch, int64_t first, int n) {
        for (int p = 0; p < n; ++p)
            copy(net.users.value + batch.users[first + p] * user_width, user_width, &users[p * user_width]);
        const int64_t *codes = batch.items + first * columns;
        for (int s = 0; s < n * columns; ++s) {
            copy(net.items.value + codes[s] * item_width, item_width, &items[s * item_width]);
            scores[s] = b + (has_biases ? net.item_biases.value[codes[s]] : 0);
        }
    }

    void score(int n) {
        if (tower) tower->forward(&users[product], user_width, &items[product], item_width, n);
        const int width = w.size();
        for (int p = 0, s = 0; p < n; ++p) {
            const float *user = &users[p * user_width];
            for (int d = 0; d < product; ++d) factors[d] = user[d] * h[d];
            for (int c = 0; c < columns; ++c, ++s) {
                if (has_biases) scores[s] += user[user_width - 1];
                scores[s] += dot(&items[s * item_width], factors.data(), product);
                if (tower) scores[s] += dot(tower->output() + s * width, w.data(), width);
            }
        }
    }

    // Returns the loss, and writes the gradients of the scores.
    double losses(const Batch &batch, int64_t first, int n) {
        double loss = 0;
        for (int p = 0; p < n; ++p) {
            const double weight = (batch.weights ? batch.weights[first + p] : 1.0) /
                                 (double(batch.n) * loss_divisor(net.loss, columns));
            float *gradients = &score_gradients[p * columns];
            loss += weight * loss_of_row(net.loss, &scores[p * columns], columns, gradients);
            for (int c = 0; c < columns; ++c) gradients[c] *= float(weight);
        }
        return loss;
    }

    void backward(int n, float *user_gradients, float *item_gradients) {
        for (int s = 0; s < n * columns; ++s) b_gradient += score_gradients[s];
        for (int p = 0; p < n; ++p) product_gradients(p, user_gradients + p * user_width, item_gradients + p * columns * item_width);
        if (!tower) return;
        last_layer_gradients(n * columns);
        tower->backward(&users[product], user_width, &items[product], item_width, n, user_gradients + product,
                        item_gradients + product);
    }

    // Adds up the gradients of the user's vector over n positives, which all have the same user.
    void to_user(int n, float *user_gradient) {
        const float *item = items.data();
        for (int s = 0; s < n * columns; ++s, item += item_width) {
            for (int d = 0; d < product; ++d) user_gradient[d] += score_gradients[s] * h[d] * item[d];
            if (has_biases) user_gradient[user_width - 1] += score_gradients[s];
        }
        if (!tower) return;
        last_layer_gradients(n * columns);
        tower->backward(n, user_gradients.data(), user_width);
        const int64_t in = net.tower;
        for (int p = 0; p < n; ++p)
            for (int d = 0; d < in; ++d) user_gradient[product + d] += user_gradients[p * user_width + d];
    }

    // Computes the gradients of a positive and its samples through h · (p_u * q_i) + b_u.
    void product_gradients(int p, float *user_gradient, float *item_gradients) {
        const float *user = &users[p * user_width];
        std::fill_n(user_gradient, user_width, 0.0f);
        for (int c = 0, s = p * columns; c < columns; ++c, ++s) {
            const float g = score_gradients[s], *item = &items[s * item_width];
            float *item_gradient = item_gradients + c * item_width;
            for (int d = 0; d < product; ++d) {
                item_gradient[d] = g * h[d] * user[d];
                user_gradient[d] += g * h[d] * item[d];
                h_gradient[d] += g * user[d] * item[d];
            }
            if (has_biases) user_gradient[user_width - 1] += g;
        }
    }

    // Computes the gradients through w · tower: those of w, and of the inputs of the tower's last
    // ReLU.
    void last_layer_gradients(int samples) {
        const int width = w.size();
        for (int i = 0; i < width; i += LANES) {
            Vector weight_gradients = load(&w_gradient[i]);
            const Vector weights = load(&w[i]);
            for (int s = 0; s < samples; ++s) {
                const Vector out = load(tower->output() + s * width + i);
                weight_gradients += score_gradients[s] * out;
                store(tower->last_output_gradient() + s * width + i, out > Vector{} ? score_gradients[s] * weights : Vector{});
            }
            store(&w_gradient[i], weight_gradients);
        }
    }

    // Returns λ times the squared norms of the users' rows, weighted by h, and of the positives'
    // rows, each times its penalty and divided by the batch's size; adds the gradients.
    double penalty(const Batch &batch, int64_t first, int n, float *user_gradients, float *item_gradients,
                   float *bias_gradients) {
        double loss = 0;
        for (int p = 0; p < n; ++p) {
            const int64_t user = batch.users[first + p], item = batch.items[(first + p) * columns];
            const double scale = net.regularization / batch.n;
            const float user_penalty = scale * net.user_penalties[user], item_penalty = scale * net.item_penalties[item];
            const float *p_u = &users[p * user_width], *q_i = &items[p * columns * item_width];
            for (int d = 0; d < user_width; ++d) {
                const float weight = d < product ? h[d] : 1, weighted = weight * p_u[d];
                loss += user_penalty * weighted * weighted;
                user_gradients[p * user_width + d] += 2 * user_penalty * weight * weighted;
                if (d < product) h_gradient[d] += 2 * user_penalty * weighted * p_u[d];
            }
            for (int d = 0; d < item_width; ++d) {
                loss += item_penalty * q_i[d] * q_i[d];
                item_gradients[p * columns * item_width + d] += 2 * item_penalty * q_i[d];
            }
            if (has_biases) {
                const float b_i = net.item_biases.value[item];
                loss += item_penalty * b_i * b_i;
                bias_gradients[p * columns] += 2 * item_penalty * b_i;
            }
        }
        return loss;
    }
};
