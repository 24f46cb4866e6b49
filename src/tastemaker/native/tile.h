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
    const int columns, of_user, of_item, product;
    const bool has_biases;
    std::optional<Tower> tower;
    // The last layer [h, w] and its gradient; w is padded.
    Floats h, w, of_h, of_w;
    float b = 0, of_b = 0;
    Floats users, items, scores, of_scores, of_users, factors;

  public:
    // The number of samples for which the tower's outputs fit the first-level cache.
    static constexpr int SAMPLES = 80;
    const int positives;

    Tile(const Network &net, int columns)
        : net(net), columns(columns), of_user(net.users.columns), of_item(net.items.columns),
          product(net.product), has_biases(net.item_biases.rows > 0), h(product, 1.0f), of_h(product),
          factors(product), positives(std::max(1, SAMPLES / columns)) {
        const int samples = positives * columns;
        users.resize(positives * of_user), items.resize(samples * of_item);
        scores.resize(samples), of_scores.resize(samples), of_users.resize(users.size());
        if (!net.tower) return;
        tower.emplace(net.weights, (net.n_weights - 5) / 2, positives, columns);
        w.resize(padded(tower->width())), of_w.resize(w.size());
    }

    // Copies the current weights, and resets their gradients to zero.
    void begin() {
        if (tower) tower->begin();
        std::fill(of_h.begin(), of_h.end(), 0.0f), std::fill(of_w.begin(), of_w.end(), 0.0f);
        of_b = 0;
        if (!net.has_output) return;
        const float *value = net.output().value;
        std::copy_n(value, product, h.data());
        if (tower) std::copy_n(value + product, tower->width(), w.data());
        b = net.weights[net.n_weights - 1].value[0];
    }

    // Writes the gradients of the weights, in the order of the weights.
    void end(float *to) const {
        if (tower) to = tower->end(to);
        if (!net.has_output) return;
        to = std::copy(of_h.begin(), of_h.end(), to);
        if (tower) to = std::copy_n(of_w.begin(), tower->width(), to);
        *to = of_b;
    }

    // Computes the gradients of n positives from `first` on, and returns their part of the batch's
    // loss.
    double run(const Batch &batch, int64_t first, int n, Gradients &gradients) {
        gather(batch, first, n);
        score(n);
        const double loss = losses(batch, first, n);
        float *of_users = &gradients.users[first * of_user];
        float *of_items = &gradients.items[first * columns * of_item];
        float *of_biases = &gradients.scores[first * columns];
        std::copy_n(of_scores.data(), n * columns, of_biases);
        backward(n, of_users, of_items);
        if (net.regularization == 0) return loss;
        return loss + penalty(batch, first, n, of_users, of_items, of_biases);
    }

    // Computes only the scores (n, columns).
    void scores_of(const Batch &batch, int64_t first, int n, float *to) {
        gather(batch, first, n);
        score(n);
        std::copy_n(scores.data(), n * columns, to);
    }

    // Adds the gradient of the loss of n of a user's rows, from `first` on, to that of the user's
    // vector.
    void add_user_gradient(int64_t user, const Histories &all, int64_t first, int n, float *of_user_row) {
        const std::vector<int64_t> same(n, user);
        const int64_t row = user * all.width + first;
        gather({same.data(), all.items + row * columns, nullptr, n, columns}, 0, n);
        score(n);
        for (int s = 0; s < n * columns; ++s)
            if (all.filling[row * columns + s]) scores[s] = IMPOSSIBLE;
        for (int p = 0; p < n; ++p) {
            float *gradients = &of_scores[p * columns];
            loss_of_row(net.loss, &scores[p * columns], columns, gradients);
            for (int c = 0; c < columns; ++c)
                gradients[c] = all.weights[row + p] * gradients[c] - all.slopes[(row + p) * columns + c];
        }
        to_user(n, of_user_row);
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
            copy(net.users.value + batch.users[first + p] * of_user, of_user, &users[p * of_user]);
        const int64_t *codes = batch.items + first * columns;
        for (int s = 0; s < n * columns; ++s) {
            copy(net.items.value + codes[s] * of_item, of_item, &items[s * of_item]);
            scores[s] = b + (has_biases ? net.item_biases.value[codes[s]] : 0);
        }
    }

    void score(int n) {
        if (tower) tower->forward(&users[product], of_user, &items[product], of_item, n);
        const int width = w.size();
        for (int p = 0, s = 0; p < n; ++p) {
            const float *user = &users[p * of_user];
            for (int d = 0; d < product; ++d) factors[d] = user[d] * h[d];
            for (int c = 0; c < columns; ++c, ++s) {
                if (has_biases) scores[s] += user[of_user - 1];
                scores[s] += dot(&items[s * of_item], factors.data(), product);
                if (tower) scores[s] += dot(tower->output() + s * width, w.data(), width);
            }
        }
    }

    // Returns the loss, and writes the gradients of the scores.
    double losses(const Batch &batch, int64_t first, int n) {
        double loss = 0;
        for (int p = 0; p < n; ++p) {
            const double share = (batch.weights ? batch.weights[first + p] : 1.0) /
                                 (double(batch.n) * scores_that_count(net.loss, columns));
            float *gradients = &of_scores[p * columns];
            loss += share * loss_of_row(net.loss, &scores[p * columns], columns, gradients);
            for (int c = 0; c < columns; ++c) gradients[c] *= float(share);
        }
        return loss;
    }

    void backward(int n, float *of_users, float *of_items) {
        for (int s = 0; s < n * columns; ++s) of_b += of_scores[s];
        for (int p = 0; p < n; ++p) of_product(p, of_users + p * of_user, of_items + p * columns * of_item);
        if (!tower) return;
        of_last_layer(n * columns);
        tower->backward(&users[product], of_user, &items[product], of_item, n, of_users + product,
                        of_items + product);
    }

    // Adds up the gradients of the user's vector over n positives, which all have the same user.
    void to_user(int n, float *of_user_row) {
        const float *item = items.data();
        for (int s = 0; s < n * columns; ++s, item += of_item) {
            for (int d = 0; d < product; ++d) of_user_row[d] += of_scores[s] * h[d] * item[d];
            if (has_biases) of_user_row[of_user - 1] += of_scores[s];
        }
        if (!tower) return;
        of_last_layer(n * columns);
        tower->backward(n, of_users.data(), of_user);
        const int64_t in = net.tower;
        for (int p = 0; p < n; ++p)
            for (int d = 0; d < in; ++d) of_user_row[product + d] += of_users[p * of_user + d];
    }

    // Computes the gradients of a positive and its samples through h · (p_u * q_i) + b_u.
    void of_product(int p, float *of_user_row, float *of_item_rows) {
        const float *user = &users[p * of_user];
        std::fill_n(of_user_row, of_user, 0.0f);
        for (int c = 0, s = p * columns; c < columns; ++c, ++s) {
            const float g = of_scores[s], *item = &items[s * of_item];
            float *of_item_row = of_item_rows + c * of_item;
            for (int d = 0; d < product; ++d) {
                of_item_row[d] = g * h[d] * user[d];
                of_user_row[d] += g * h[d] * item[d];
                of_h[d] += g * user[d] * item[d];
            }
            if (has_biases) of_user_row[of_user - 1] += g;
        }
    }

    // Computes the gradients through w · tower: those of w, and of the inputs of the tower's last
    // ReLU.
    void of_last_layer(int samples) {
        const int width = w.size();
        for (int i = 0; i < width; i += LANES) {
            Vector of_weights = load(&of_w[i]);
            const Vector weights = load(&w[i]);
            for (int s = 0; s < samples; ++s) {
                const Vector out = load(tower->output() + s * width + i);
                of_weights += of_scores[s] * out;
                store(tower->of_output() + s * width + i, out > Vector{} ? of_scores[s] * weights : Vector{});
            }
            store(&of_w[i], of_weights);
        }
    }

    // Returns λ times the squared norms of the users' rows, weighted by h, and of the positives'
    // rows, each times its share and divided by the batch's size; adds the gradients.
    double penalty(const Batch &batch, int64_t first, int n, float *of_users, float *of_items,
                   float *of_biases) {
        double loss = 0;
        for (int p = 0; p < n; ++p) {
            const int64_t user = batch.users[first + p], item = batch.items[(first + p) * columns];
            const double scale = net.regularization / batch.n;
            const float for_user = scale * net.user_penalties[user], for_item = scale * net.item_penalties[item];
            const float *p_u = &users[p * of_user], *q_i = &items[p * columns * of_item];
            for (int d = 0; d < of_user; ++d) {
                const float weight = d < product ? h[d] : 1, weighted = weight * p_u[d];
                loss += for_user * weighted * weighted;
                of_users[p * of_user + d] += 2 * for_user * weight * weighted;
                if (d < product) of_h[d] += 2 * for_user * weighted * p_u[d];
            }
            for (int d = 0; d < of_item; ++d) {
                loss += for_item * q_i[d] * q_i[d];
                of_items[p * columns * of_item + d] += 2 * for_item * q_i[d];
            }
            if (has_biases) {
                const float b_i = net.item_biases.value[item];
                loss += for_item * b_i * b_i;
                of_biases[p * columns] += 2 * for_item * b_i;
            }
        }
        return loss;
    }
};
