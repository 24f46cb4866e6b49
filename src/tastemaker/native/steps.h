// The steps of an epoch, and the combined effect of many steps on a row that has no gradient.
#pragma once

#include <vector>

#include "adam.h"

// After i steps without a gradient, the moments are m β1^i and v β2^i, so the i-th moves a value
// by m w_i / (√v a_i + ε), with w_i = size_i β1^i and a_i = correction_i √β2^i. Only a few dozen of
// the w_i matter, and for those the a_i are close to one number a. The sum of all steps is
// therefore a series in the differences e_i = a_i - a,
//     m / d (Σ w_i - x Σ w_i e_i + x² Σ w_i e_i² - …)  with d = √v a + ε, x = √v / d.
struct Drift {
    float a, epsilon, mean_decay, square_decay;
    float terms[5];

    // Whether the first omitted term is below the precision of a float; x is at most 1 / a.
    bool is_accurate() const { return terms[4] <= 1e-7f * terms[0] * (a * a * a * a); }

    template <typename Numbers> void move(Numbers &value, Numbers &mean, Numbers &square) const {
        const Numbers root = square_root(square), inverse = 1 / (root * a + epsilon);
        const Numbers x = root * inverse;
        value -= mean * inverse * (terms[0] - x * (terms[1] - x * (terms[2] - x * terms[3])));
        mean *= mean_decay, square *= square_decay;
    }
};

class Steps {
    const Adam &adam;
    // The number of steps without a gradient after which a row practically does not move any more.
    const int64_t max_effective_steps;
    std::vector<AdamStep> steps;
    // The size and correction of each step again; and β1^i and √β2^i for i missed steps, at i - 1.
    std::vector<float> sizes, corrections, mean_decays, root_decays;

  public:
    explicit Steps(const Adam &adam)
        : adam(adam),
          max_effective_steps(adam.weight_decay ? INT64_MAX
                                                : int64_t(std::log(1e-8) / std::log(adam.beta1))) {
        for (int64_t i = 1; !adam.weight_decay && i <= max_effective_steps; ++i) {
            mean_decays.push_back(std::pow(adam.beta1, i));
            root_decays.push_back(std::pow(adam.beta2, i / 2.0));
        }
    }

    int64_t size() const { return steps.size(); }
    const AdamStep &operator[](int64_t nth) const { return steps[nth]; }

    void add(double learning_rate) {
        steps.emplace_back(adam, learning_rate, adam.steps_done + size() + 1);
        sizes.push_back(steps.back().size), corrections.push_back(steps.back().correction);
    }

    // Takes the steps from `from` to `to` - 1 for n numbers of a parameter, without gradients.
    void take_without_gradient(const Parameter &parameter, int64_t first, int64_t n, int64_t from,
                               int64_t to) const {
        const Drift drift = adam.weight_decay ? Drift{} : this->drift(from, to);
        const bool at_once = !adam.weight_decay && drift.is_accurate();
        in_parts(n, [&](auto width, int64_t i) {
            LoadedNumbers<width> numbers(parameter, first + i);
            if (at_once) drift.move(numbers.value, numbers.mean, numbers.square);
            else one_by_one(from, to, numbers.value, numbers.mean, numbers.square);
            numbers.write_back();
        });
    }

  private:
    template <typename Numbers>
    void one_by_one(int64_t from, int64_t to, Numbers &value, Numbers &mean, Numbers &square) const {
        const int64_t end = from + std::min(to - from, max_effective_steps);
        for (int64_t nth = from; nth < end; ++nth) steps[nth].move(value, mean, square, Numbers{});
        mean *= float(std::pow(adam.beta1, to - end)), square *= float(std::pow(adam.beta2, to - end));
    }

    Drift drift(int64_t from, int64_t to) const {
        const int64_t missed = to - from, n = std::min(missed, max_effective_steps);
        // Approximately the centre of the w_i.
        const int64_t middle = std::min(n, int64_t(1 / (1 - adam.beta1))) - 1;
        const float a = corrections[from + middle] * root_decays[middle];
        const float *size = &sizes[from], *correction = &corrections[from];
        float w0 = 0, w1 = 0, w2 = 0, w3 = 0, w4 = 0;
        for (int64_t i = 0; i < n; ++i) {
            const float w = size[i] * mean_decays[i], e = correction[i] * root_decays[i] - a;
            w0 += w, w1 += w * e, w2 += w * (e * e), w3 += w * (e * e * e), w4 += w * (e * e) * (e * e);
        }
        return {a, float(adam.epsilon), float(std::exp(missed * std::log(adam.beta1))),
                float(std::exp(missed * std::log(adam.beta2))), {w0, w1, w2, w3, w4}};
    }
};
