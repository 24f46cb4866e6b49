// The losses of a positive with its negatives, and the gradients with respect to their scores.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

// The score of an item that must not count; its gradient is 0.
constexpr float IMPOSSIBLE = -1e9f;

enum class Loss : int32_t { bce = 0, bpr = 1, sampled_softmax = 2 };

// The sum of log(1 + e) over many e in [0, 1], with one logarithm for hundreds of them.
class LogOfProduct {
    double product = 1, sum = 0;

  public:
    void factor(float e) {
        product *= 1.0 + e;
        if (product > 1e250) sum += std::log(product), product = 1;
    }
    double value() const { return sum + std::log(product); }
};

// Sums log(1 + exp(x)) over many x, computed as max(x, 0) + log(1 + exp(-|x|)).
struct Softplus {
    LogOfProduct logs;
    double sum = 0;

    // Adds log(1 + exp(x)) to the sum, and returns its derivative, the sigmoid of x.
    float add(float x) {
        const float e = std::exp(-std::fabs(x));
        logs.factor(e);
        sum += std::max(x, 0.0f);
        return (x >= 0 ? 1.0f : e) / (1.0f + e);
    }
    double value() const { return sum + logs.value(); }
};

inline double bce_row(const float *scores, int n, float *gradients) {
    Softplus loss;
    gradients[0] = -loss.add(-scores[0]);
    for (int i = 1; i < n; ++i) gradients[i] = loss.add(scores[i]);
    return loss.value();
}

inline double bpr_row(const float *scores, int n, float *gradients) {
    Softplus loss;
    gradients[0] = 0;
    for (int i = 1; i < n; ++i) {
        gradients[i] = loss.add(scores[i] - scores[0]);
        gradients[0] -= gradients[i];
    }
    return loss.value();
}

inline double softmax_row(const float *scores, int n, float *gradients) {
    const float highest = *std::max_element(scores, scores + n);
    float total = 0;
    for (int i = 0; i < n; ++i) total += gradients[i] = std::exp(scores[i] - highest);
    for (int i = 0; i < n; ++i) gradients[i] /= total;
    gradients[0] -= 1;
    return std::log(total) + highest - scores[0];
}

// Returns the loss of n scores, the positive's first, and writes the gradients of the scores.
inline double loss_of_row(Loss kind, const float *scores, int n, float *gradients) {
    switch (kind) {
    case Loss::bce: return bce_row(scores, n, gradients);
    case Loss::bpr: return bpr_row(scores, n, gradients);
    default: return softmax_row(scores, n, gradients);
    }
}

// The number that the loss of a row is divided by, before the mean over the rows is taken.
inline int loss_divisor(Loss kind, int n) {
    switch (kind) {
    case Loss::bce: return n;
    case Loss::bpr: return n - 1;
    default: return 1;
    }
}
