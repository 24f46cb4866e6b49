// Scores, costs and gradients of some positives and their negatives, within one core's cache.
#pragma once

#include <algorithm>
#include <optional>

#include "loss.h"
#include "tower.h"

// s(u, i) = h · (p_u * q_i) + w · tower(p'_u, q'_i) + b + b_u + b_i, each part there or not.
// A user's row is [p_u, p'_u, b_u], an item's [q_i, q'_i].
struct Network {
    Parameter users, items;
    Parameter item_biases;        // (n_items, 1); without rows where there is no b_i, and no b_u
    const Parameter *weights;     // the tower's, then [h, w] and b
    int64_t n_weights;
    int64_t product;              // numbers in p_u
    int64_t tower;                // numbers in p'_u; 0 without a tower
    const float *user_shares, *item_shares;
    double regularization;
    Loss loss;
    int32_t has_output;           // without [h, w] and b, h is 1

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

    // Some of it; fewer at the end, and none behind it.
    Batch part(int64_t first, int64_t size) const {
        first = std::min(first, n);
        return {users + first, items + first * columns, weights ? weights + first : nullptr,
                std::min(size, n - first), columns};
    }
};

// Of a batch: a row for each positive, and one for each of its samples.
struct Gradients {
    Floats users, items, scores;
};

class Tile {
    const Network &net;
    const int columns, of_user, of_item, product;
    const bool has_biases;
    std::optional<Tower> tower;
    Floats users, items, scores, of_scores, factors, of_output, ones;
    float of_output_bias = 0;

  public:
    // As many samples as keep the tower's outputs within the first cache.
    static constexpr int SAMPLES = 80;
    const int positives;

    Tile(const Network &net, int columns)
        : net(net), columns(columns), of_user(net.users.columns), of_item(net.items.columns),
          product(net.product), has_biases(net.item_biases.rows > 0), ones(product, 1.0f),
          positives(std::max(1, SAMPLES / columns)) {
        const int samples = positives * columns;
        users.resize(positives * of_user), items.resize(samples * of_item);
        scores.resize(samples), of_scores.resize(samples), factors.resize(product);
        of_output.resize(product);
        if (net.tower) {
            tower.emplace(net.weights, (net.n_weights - 5) / 2, positives, columns);
            of_output.resize(product + tower->width());
        }
    }

    void begin() {
        if (tower) tower->begin();
        std::fill(of_output.begin(), of_output.end(), 0.0f);
        of_output_bias = 0;
    }

    // Writes the gradients of the weights in their order.
    void end(float *to) const {
        if (tower) to = tower->end(to);
        if (!net.has_output) return;
        *std::copy(of_output.begin(), of_output.end(), to) = of_output_bias;
    }

    // Some positives of a batch of so many; gives their share of its cost.
    double run(const Batch &batch, int64_t first, int n, Gradients &gradients) {
        gather(batch, first, n);
        score(n);
        const double cost = costs(batch, first, n);
        float *of_users = &gradients.users[first * of_user];
        float *of_items = &gradients.items[first * columns * of_item];
        std::fill_n(of_users, n * of_user, 0.0f), std::fill_n(of_items, n * columns * of_item, 0.0f);
        backward(n, of_users, of_items);
        std::copy_n(of_scores.data(), n * columns, &gradients.scores[first * columns]);
        if (net.regularization == 0) return cost;
        return cost + penalty(batch, first, n, of_users, of_items, &gradients.scores[first * columns]);
    }

  private:
    const float *h() const { return net.has_output ? net.output().value : ones.data(); }

    void gather(const Batch &batch, int64_t first, int n) {
        for (int p = 0; p < n; ++p)
            std::copy_n(net.users.value + batch.users[first + p] * of_user, of_user, &users[p * of_user]);
        const int64_t *codes = batch.items + first * columns;
        for (int s = 0; s < n * columns; ++s) {
            std::copy_n(net.items.value + codes[s] * of_item, of_item, &items[s * of_item]);
            scores[s] = has_biases ? net.item_biases.value[codes[s]] : 0;
        }
    }

    void score(int n) {
        const float *h = this->h(), *w = h + product;
        if (tower) tower->forward(&users[product], of_user, &items[product], of_item, n);
        const float b = net.has_output ? net.weights[net.n_weights - 1].value[0] : 0;
        for (int p = 0, s = 0; p < n; ++p) {
            const float *user = &users[p * of_user];
            for (int d = 0; d < product; ++d) factors[d] = user[d] * h[d];
            const float own = b + (has_biases ? user[of_user - 1] : 0);
            for (int c = 0; c < columns; ++c, ++s) {
                scores[s] += own + dot(factors.data(), &items[s * of_item], product);
                if (tower) scores[s] += dot(w, tower->output() + s * padded(tower->width()), tower->width());
            }
        }
    }

    static float dot(const float *a, const float *b, int n) {
        float sum = 0;
        for (int i = 0; i < n; ++i) sum += a[i] * b[i];
        return sum;
    }

    // The cost, and the gradients of the scores.
    double costs(const Batch &batch, int64_t first, int n) {
        double cost = 0;
        for (int p = 0; p < n; ++p) {
            const double share = (batch.weights ? batch.weights[first + p] : 1.0) /
                                 (double(batch.n) * scores_that_count(net.loss, columns));
            float *gradients = &of_scores[p * columns];
            cost += share * cost_of_row(net.loss, &scores[p * columns], columns, gradients);
            for (int c = 0; c < columns; ++c) gradients[c] *= float(share);
        }
        return cost;
    }

    void backward(int n, float *of_users, float *of_items) {
        const float *h = this->h(), *w = h + product;
        for (int p = 0, s = 0; p < n; ++p) {
            const float *user = &users[p * of_user];
            float *of_user_row = of_users + p * of_user;
            for (int c = 0; c < columns; ++c, ++s) {
                const float g = of_scores[s], *item = &items[s * of_item];
                float *of_item_row = of_items + s * of_item;
                for (int d = 0; d < product; ++d) {
                    of_item_row[d] = g * h[d] * user[d];
                    of_user_row[d] += g * h[d] * item[d];
                    of_output[d] += g * user[d] * item[d];
                }
                of_output_bias += g;
                if (has_biases) of_user_row[of_user - 1] += g;
                if (!tower) continue;
                const int width = tower->width();
                const float *out = tower->output() + s * padded(width);
                float *of_out = tower->of_output() + s * padded(width);
                for (int i = 0; i < width; ++i) {
                    of_output[product + i] += g * out[i];
                    of_out[i] = g * w[i];
                }
            }
        }
        if (tower)
            tower->backward(&users[product], of_user, &items[product], of_item, n,
                            of_users + product, of_items + product);
    }

    // λ times the squared lengths of the user's row, as h weighs it, and of the positive's.
    double penalty(const Batch &batch, int64_t first, int n, float *of_users, float *of_items,
                   float *of_biases) {
        double cost = 0;
        const float *h = this->h();
        for (int p = 0; p < n; ++p) {
            const int64_t user = batch.users[first + p], item = batch.items[(first + p) * columns];
            const double scale = net.regularization / batch.n;
            const float for_user = scale * net.user_shares[user], for_item = scale * net.item_shares[item];
            const float *p_u = &users[p * of_user], *q_i = &items[p * columns * of_item];
            for (int d = 0; d < of_user; ++d) {
                const float weight = d < product ? h[d] : 1, weighted = weight * p_u[d];
                cost += for_user * weighted * weighted;
                of_users[p * of_user + d] += 2 * for_user * weight * weighted;
                if (d < product) of_output[d] += 2 * for_user * weighted * p_u[d];
            }
            for (int d = 0; d < of_item; ++d) {
                cost += for_item * q_i[d] * q_i[d];
                of_items[p * columns * of_item + d] += 2 * for_item * q_i[d];
            }
            if (has_biases) {
                const float b_i = net.item_biases.value[item];
                cost += for_item * b_i * b_i;
                of_biases[p * columns] += 2 * for_item * b_i;
            }
        }
        return cost;
    }
};
