// Work on the rows of a matrix, some at a time, on several threads.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "layer.h"
#include "threads.h"

// Rows that are computed together, so that they are in a core's cache.
constexpr int64_t ROWS_AT_ONCE = 64;

// Copies n rows of `width` numbers to or from rows that are `stride` numbers apart.
inline void pad(const float *from, int64_t n, int64_t width, float *to, int64_t stride) {
    for (int64_t i = 0; i < n; ++i) copy(from + i * width, width, to + i * stride);
}
inline void unpad(const float *from, int64_t n, int64_t width, float *to, int64_t stride) {
    for (int64_t i = 0; i < n; ++i) copy(from + i * stride, width, to + i * width);
}

// A parameter that is only read.
inline Parameter constant(const float *value, int64_t rows, int64_t columns) {
    return {const_cast<float *>(value), nullptr, nullptr, rows, columns};
}

// Multiplications of a layer for which one more thread is worth it.
constexpr int64_t LEAST_MULTIPLICATIONS = 1 << 20;

// The number of threads that are worth it, each for at least the given part of the work.
inline int threads_for(int64_t work, int64_t least, int n_threads) {
    return std::clamp<int64_t>(work / least, 1, n_threads);
}

// Calls work(first, n) for the parts of m rows, ROWS_AT_ONCE at most, that belong to a thread.
template <typename Work> void for_rows(int64_t m, int thread, int n_threads, const Work &work) {
    const int64_t n_parts = (m + ROWS_AT_ONCE - 1) / ROWS_AT_ONCE;
    for (int64_t part = n_parts * thread / n_threads; part < n_parts * (thread + 1) / n_threads; ++part)
        work(part * ROWS_AT_ONCE, std::min(ROWS_AT_ONCE, m - part * ROWS_AT_ONCE));
}

// Adds up the gradients of the threads' copies of a layer, in the order of its parameters.
inline void write_sum(const std::vector<Layer> &layers, float *to) {
    layers[0].write_gradients(to);
    Floats more((layers[0].in + 1) * layers[0].out);
    for (size_t thread = 1; thread < layers.size(); ++thread) {
        layers[thread].write_gradients(more.data());
        for (size_t i = 0; i < more.size(); ++i) to[i] += more[i];
    }
}
