// A step of Adam for the tensors of a network, and of the average of their values. torch.optim.Adam and
// tastemaker.training.averaging are the plain form.

#include "adam.h"
#include "threads.h"

namespace {

// Numbers from which on a tensor is divided among the threads, and written past the caches: a table
// would otherwise displace from them all that the next step needs.
constexpr int64_t LARGE = 1 << 17;

// Numbers for which memory is requested ahead.
constexpr int64_t AHEAD = 128;

inline void write(float *to, const Vector &numbers, bool past_caches) {
    if (!past_caches) return store(to, numbers);
#if defined(__AVX512F__)
    _mm512_stream_ps(to, numbers);
#elif defined(__AVX2__)
    _mm256_stream_ps(to, numbers);
#elif defined(__SSE__)
    _mm_stream_ps(to, numbers);
#else
    store(to, numbers);
#endif
}

} // namespace

// One tensor with Adam's moments, the average of its values or null, its gradient or null, and the number of
// steps that it has taken, where torch.optim.Adam keeps it.
struct AdamTensor {
    Parameter parameter;
    float *average;
    const float *gradient;
    float *steps_done;
};

namespace {

bool is_aligned(const AdamTensor &tensor) {
    const Parameter &p = tensor.parameter;
    const auto bits = uintptr_t(p.value) | uintptr_t(p.mean) | uintptr_t(p.square) | uintptr_t(tensor.average);
    return bits % sizeof(Vector) == 0;
}

// Takes the step for n numbers from the given one on, and moves the average by a fraction towards the result.
template <int n>
void step_for(const AdamTensor &tensor, int64_t first, const AdamStep &step, float fraction, bool past_caches) {
    typedef Pack<n> Some;
    LoadedNumbers<n> numbers(tensor.parameter, first);
    step.move(numbers.value, numbers.mean, numbers.square, Some::load(tensor.gradient + first));
    typename Some::Numbers average{};
    if (tensor.average) {
        average = Some::load(tensor.average + first);
        average += fraction * (numbers.value - average);
    }
    if constexpr (n == LANES) {
        write(tensor.parameter.value + first, numbers.value, past_caches);
        write(tensor.parameter.mean + first, numbers.mean, past_caches);
        write(tensor.parameter.square + first, numbers.square, past_caches);
        if (tensor.average) write(tensor.average + first, average, past_caches);
    } else {
        numbers.write_back();
        if (tensor.average) Some::store(tensor.average + first, average);
    }
}

void prefetch(const AdamTensor &tensor, int64_t first) {
    const Parameter &p = tensor.parameter;
    for (const float *numbers : {(const float *)p.value, (const float *)p.mean, (const float *)p.square, tensor.gradient})
        __builtin_prefetch(numbers + first, 0, 0);
    if (tensor.average) __builtin_prefetch(tensor.average + first, 0, 0);
}

void step_for_range(const AdamTensor &tensor, int64_t first, int64_t last, const AdamStep &step, float fraction) {
    const bool is_large = tensor.parameter.size() >= LARGE, past_caches = is_large && is_aligned(tensor);
    for (; first + LANES <= last; first += LANES) {
        if (is_large) prefetch(tensor, first + AHEAD);
        step_for<LANES>(tensor, first, step, fraction, past_caches);
    }
    for (; first < last; ++first) step_for<1>(tensor, first, step, fraction, false);
#if defined(__SSE__)
    if (past_caches) _mm_sfence();
#endif
}

} // namespace

// Takes a step for the tensors that have a gradient, and counts it; moves the averages of all of them.
extern "C" void adam_step(const AdamTensor *tensors, int64_t n_tensors, const Adam *adam, double learning_rate,
                          float fraction, int32_t n_threads) {
    bool any_large = false;
    for (int64_t i = 0; i < n_tensors; ++i) any_large |= tensors[i].parameter.size() >= LARGE;
    const int n_used = any_large ? n_threads : 1;
    on_threads(n_used, [=](int thread) {
        for (int64_t i = 0; i < n_tensors; ++i) {
            const AdamTensor &tensor = tensors[i];
            const int64_t n = tensor.parameter.size(), vectors = n / LANES;
            int64_t first = 0, last = n;
            if (n >= LARGE) {
                first = vectors * thread / n_used * LANES;
                if (thread + 1 < n_used) last = vectors * (thread + 1) / n_used * LANES;
            } else if (thread) {
                continue;
            }
            if (tensor.gradient) {
                step_for_range(tensor, first, last, AdamStep(*adam, learning_rate, *tensor.steps_done + 1), fraction);
            } else if (tensor.average) {
                for (; first < last; ++first)
                    tensor.average[first] += fraction * (tensor.parameter.value[first] - tensor.average[first]);
            }
        }
    });
    for (int64_t i = 0; i < n_tensors; ++i)
        if (tensors[i].gradient) ++*tensors[i].steps_done;
}
