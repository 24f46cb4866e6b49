// The loss of a softmax over a whole catalog and its gradients, with products in bfloat16.
// tastemaker.training.kernels.softmax has the plain form.

#include <atomic>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "threads.h"

#if !defined(__AVX512F__)

extern "C" int32_t softmax_has_unit(int32_t) { return 0; }

#else

#include <cpuid.h>

// Code for a matrix unit is compiled by GCC for Linux alone.
#if defined(__linux__) && !defined(__clang__)
#define HAS_MATRIX_UNIT
#include <sys/syscall.h>
#include <unistd.h>
#pragma GCC target("avx512bf16,amx-tile,amx-bf16")
#include "matrix_unit.h"
#elif defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx512bf16"))), apply_to = function)
#else
#pragma GCC target("avx512bf16")
#endif
#include "softmax_worker.h"
#include "vector_unit.h"

namespace {

// Calls work(part, from, to) on threads: each has one of n_parts equal parts of whole chunks of keys.
template <typename Work> void on_chunks(int64_t n_keys, int n_parts, const Work &work) {
    const int64_t n_chunks = (n_keys + KEYS - 1) / KEYS;
    on_threads(n_parts, [&](int part) {
        work(part, n_chunks * part / n_parts * KEYS, n_chunks * (part + 1) / n_parts * KEYS);
    });
}

// Adds up the sums over n_parts parts of the keys, of whose logarithms each part has m.
void add_sums(std::vector<float> &log_sums, int64_t m, int n_parts) {
    for (int64_t i = 0; i < m; ++i) {
        float highest = log_sums[i], total = 0;
        for (int part = 1; part < n_parts; ++part) highest = std::max(highest, log_sums[part * m + i]);
        for (int part = 0; part < n_parts; ++part) total += std::exp(log_sums[part * m + i] - highest);
        log_sums[i] = highest + std::log(total);
    }
}

// The score of a row of one table and a row of the other.
float score(const Vectors &one, int64_t i, const Vectors &other, int64_t j) {
    __m512 sums{};
    for (int64_t column = 0; column < one.d; column += DEEP)
        sums = _mm512_dpbf16_ps(sums, (__m512bh)one.rounded(i, column), (__m512bh)other.rounded(j, column));
    return _mm512_reduce_add_ps(sums);
}

// Returns the sum of the losses; see softmax_loss.
template <typename Unit>
double loss_and_gradients(const Vectors &queries, const Vectors &keys, const int64_t *targets, const float *weights,
                          int n_threads, float *query_gradients, float *key_gradients) {
    const int64_t m = queries.n, d = queries.d;
    std::vector<float> log_sums(n_threads * m), parts((n_threads - 1) * m * d);
    on_chunks(keys.n, n_threads, [&](int part, int64_t from, int64_t to) {
        Worker<Unit>(queries, keys).log_sums(from, to, &log_sums[part * m]);
    });
    add_sums(log_sums, m, n_threads);
    on_chunks(keys.n, n_threads, [&](int part, int64_t from, int64_t to) {
        float *gradients = part == 0 ? query_gradients : &parts[(part - 1) * m * d];
        Worker<Unit>(queries, keys).gradients(from, to, weights, log_sums.data(), gradients, key_gradients);
        for (int64_t i = 0; i < m; ++i)
            if (from <= targets[i] && targets[i] < to)
                for (int64_t j = 0; j < d; ++j)
                    key_gradients[targets[i] * d + j] -= weights[i] * queries.numbers[i * d + j];
    });
    double loss = 0;
    for (int64_t i = 0; i < m; ++i) {
        loss += double(weights[i]) * (log_sums[i] - score(queries, i, keys, targets[i]));
        const float *target = keys.numbers + targets[i] * d;
        float *gradients = query_gradients + i * d;
        for (int64_t j = 0; j < d; ++j) {
            for (int part = 1; part < n_threads; ++part) gradients[j] += parts[((part - 1) * m + i) * d + j];
            gradients[j] = weights[i] * (gradients[j] - target[j]);
        }
    }
    return loss;
}

constexpr int32_t MATRIX_UNIT = 0, VECTOR_UNIT = 1;

bool multiplies_vectors() {
    constexpr uint32_t AVX512_BF16 = 1 << 5;
    uint32_t a, b, c, d;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) && (a & AVX512_BF16);
}

// Returns whether the processor has a matrix unit that the system lets this process use.
bool multiplies_tiles() {
#ifdef HAS_MATRIX_UNIT
    constexpr uint32_t AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24;
    uint32_t a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || !(d & AMX_BF16) || !(d & AMX_TILE)) return false;
    constexpr int REQUEST = 0x1023, TILE_DATA = 18; // a process must ask for the unit's registers
    return syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
#else
    return false;
#endif
}

} // namespace

// Returns whether this process can use a unit. The matrix unit is the faster one.
extern "C" int32_t softmax_has_unit(int32_t unit) {
    return multiplies_vectors() && (unit == VECTOR_UNIT || multiplies_tiles());
}

// Returns the sum of the losses times their weights (m,); writes the gradients of the queries (m, d), and
// adds those of the keys (n_keys, d).
extern "C" double softmax_loss(int32_t unit, const float *queries, int64_t m, const float *keys, int64_t n_keys,
                               int64_t d, const int64_t *targets, const float *weights, int32_t n_threads,
                               float *query_gradients, float *key_gradients) {
    auto *compute = loss_and_gradients<VectorUnit>;
#ifdef HAS_MATRIX_UNIT
    if (unit == MATRIX_UNIT) compute = loss_and_gradients<MatrixUnit>;
#endif
    return compute({queries, m, d}, {keys, n_keys, d}, targets, weights, n_threads, query_gradients, key_gradients);
}

#ifdef __clang__
#pragma clang attribute pop
#endif
#endif
