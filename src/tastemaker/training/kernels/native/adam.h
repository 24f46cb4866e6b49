// Adam (Kingma and Ba 2015), as torch.optim.Adam does it.
#pragma once

#include <cmath>
#include <cstdint>

// A tensor of the network with Adam's moments; (rows, columns) float32, one after another.
struct Parameter {
    float *value, *mean, *square;
    int64_t rows, columns;
    int64_t size() const { return rows * columns; }
};

struct Adam {
    const double *learning_rates;  // of the steps of this call, one after another
    double beta1, beta2, epsilon, weight_decay;
    // Steps that were done before this call.
    int64_t steps_done;
    // Whether a row of a table without a gradient is left as it is, moments and all.
    int32_t lazy;
};

// The numbers of one step that are the same for all parameters.
struct AdamStep {
    float beta1, beta2, epsilon, weight_decay, size, correction;

    AdamStep(const Adam &adam, int64_t nth)
        : AdamStep(adam, adam.learning_rates[nth], adam.steps_done + nth + 1) {}

    AdamStep(const Adam &adam, double learning_rate, int64_t step)
        : beta1(adam.beta1), beta2(adam.beta2), epsilon(adam.epsilon),
          weight_decay(adam.weight_decay),
          size(learning_rate / (1 - std::pow(adam.beta1, step))),
          correction(1 / std::sqrt(1 - std::pow(adam.beta2, step))) {}

    // Moves n numbers by their gradients, which it leaves at zero for the next batch.
    void update(float *__restrict value, float *__restrict mean, float *__restrict square,
                float *__restrict gradient, int64_t n) const {
        for (int64_t i = 0; i < n; ++i) {
            const float g = gradient[i] + weight_decay * value[i];
            mean[i] += (1 - beta1) * (g - mean[i]);
            square[i] = beta2 * square[i] + (1 - beta2) * g * g;
            value[i] -= size * mean[i] / (std::sqrt(square[i]) * correction + epsilon);
            gradient[i] = 0;
        }
    }

    void update(const Parameter &p, int64_t first, int64_t n, float *gradient) const {
        update(p.value + first, p.mean + first, p.square + first, gradient, n);
    }
};
