// Adam (Kingma and Ba 2015), computed as in torch.optim.Adam.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "vectors.h"

// A tensor of the network with Adam's moments; each is (rows, columns) float32, row after row.
struct Parameter {
    float *value, *mean, *square;
    int64_t rows, columns;
    int64_t size() const { return rows * columns; }
};

struct Adam {
    double beta1, beta2, epsilon, weight_decay;
    int64_t steps_done;  // before the first batch
    int32_t lazy;        // whether a row of a table that has no gradient is left unchanged
};

// The quantities of one step that are the same for all parameters.
struct AdamStep {
    float beta2, new1, new2, epsilon, weight_decay, size, correction; // new: 1 - beta, not of the rounded beta

    AdamStep(const Adam &adam, double learning_rate, int64_t step)
        : beta2(adam.beta2), new1(1 - adam.beta1), new2(1 - adam.beta2), epsilon(adam.epsilon),
          weight_decay(adam.weight_decay),
          size(learning_rate / (1 - std::pow(adam.beta1, step))),
          correction(1 / std::sqrt(1 - std::pow(adam.beta2, step))) {}

    template <typename Numbers>
    void move(Numbers &value, Numbers &mean, Numbers &square, const Numbers &g) const {
        const Numbers gradient = g + weight_decay * value;
        mean += new1 * (gradient - mean);
        square = beta2 * square + new2 * gradient * gradient;
        value -= size * mean / (square_root(square) * correction + epsilon);
    }
};

// Some adjacent numbers of a parameter and their moments, kept in registers during one or more
// steps.
template <int n> struct LoadedNumbers {
    const Parameter &parameter;
    const int64_t first;
    typename Pack<n>::Numbers value, mean, square;

    LoadedNumbers(const Parameter &p, int64_t first)
        : parameter(p), first(first), value(Pack<n>::load(p.value + first)), mean(Pack<n>::load(p.mean + first)),
          square(Pack<n>::load(p.square + first)) {}

    void write_back() const {
        Pack<n>::store(parameter.value + first, value);
        Pack<n>::store(parameter.mean + first, mean);
        Pack<n>::store(parameter.square + first, square);
    }
};

// Takes a step for n numbers, and resets their gradients to zero for the next batch.
inline void move(const Parameter &parameter, int64_t first, int64_t n, float *gradients,
                 const AdamStep &step) {
    in_parts(n, [&](auto width, int64_t i) {
        LoadedNumbers<width> numbers(parameter, first + i);
        step.move(numbers.value, numbers.mean, numbers.square, Pack<width>::load(gradients + i));
        numbers.write_back();
        Pack<width>::store(gradients + i, typename Pack<width>::Numbers{});
    });
}
