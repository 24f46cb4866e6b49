// Vectors of numbers in the processor's registers (SIMD).
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

#if defined(__SSE__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
constexpr int LANES = 16;
#elif defined(__AVX2__)
constexpr int LANES = 8;
#else
constexpr int LANES = 4;
#endif

// A vector of n numbers. Rows are short, and operations on part of a register can be faster.
template <int n> struct Pack {
    typedef float Numbers __attribute__((vector_size(n * sizeof(float))));

    static Numbers load(const float *from) {
        Numbers numbers;
        std::memcpy(&numbers, from, sizeof numbers);
        return numbers;
    }
    static void store(float *to, const Numbers &numbers) { std::memcpy(to, &numbers, sizeof numbers); }
};

// A vector as wide as a register.
using Vector = Pack<LANES>::Numbers;

inline Vector load(const float *from) { return Pack<LANES>::load(from); }
inline void store(float *to, const Vector &numbers) { Pack<LANES>::store(to, numbers); }

// Returns one bit per number: whether it is greater than the number at the same position in the
// other vector. A comparison with NaN gives 0.
inline uint32_t above(const Vector &one, const Vector &other) {
#if defined(__AVX512F__)
    return _mm512_cmp_ps_mask(one, other, _CMP_GT_OQ);
#elif defined(__AVX2__)
    return _mm256_movemask_ps(_mm256_cmp_ps(one, other, _CMP_GT_OQ));
#elif defined(__SSE__)
    return _mm_movemask_ps(_mm_cmpgt_ps(one, other));
#else
    uint32_t bits = 0;
    for (int i = 0; i < LANES; ++i) bits |= uint32_t(one[i] > other[i]) << i;
    return bits;
#endif
}

// Rows are padded with zeros to whole vectors, so that no loop has a remainder.
constexpr int padded(int width) { return (width + LANES - 1) / LANES * LANES; }

// Divides n numbers into parts of 16, 8, 4 or 1, and calls work with the width and start of each
// part.
template <typename Work> inline void in_parts(int64_t n, Work work) {
    int64_t i = 0;
    for (; i + 16 <= n; i += 16) work(std::integral_constant<int, 16>(), i);
    for (; i + 8 <= n; i += 8) work(std::integral_constant<int, 8>(), i);
    for (; i + 4 <= n; i += 4) work(std::integral_constant<int, 4>(), i);
    for (; i < n; ++i) work(std::integral_constant<int, 1>(), i);
}

inline void copy(const float *from, int64_t n, float *to) {
    in_parts(n, [&](auto width, int64_t i) { Pack<width>::store(to + i, Pack<width>::load(from + i)); });
}

// The sum of a vector's numbers.
template <typename Numbers> inline float sum(const Numbers &numbers) {
    constexpr int half = sizeof(Numbers) / sizeof(float) / 2;
    if constexpr (half == 0) {
        return numbers[0];
    } else {
        typename Pack<half>::Numbers low, high;
        std::memcpy(&low, &numbers, sizeof low);
        std::memcpy(&high, reinterpret_cast<const char *>(&numbers) + sizeof low, sizeof high);
        return sum(low + high);
    }
}

// The highest of a vector's numbers.
inline float highest(const Vector &numbers) {
    float result = numbers[0];
    for (int i = 1; i < LANES; ++i) result = numbers[i] > result ? numbers[i] : result;
    return result;
}

#if defined(__AVX512F__)
// The same in registers: GCC keeps a vector of this width in memory if its halves are read there.
inline float sum(const Pack<16>::Numbers &numbers) {
    return sum<Pack<8>::Numbers>(_mm512_castps512_ps256(numbers) + _mm512_extractf32x8_ps(numbers, 1));
}
#endif

// The exponentials of numbers up to 88, with a relative error below 1e-6, and 0 below -88: a power of
// 2 by the exponent of a float, times a polynomial for the remaining fraction in [-1/2, 1/2].
inline Vector exponential(const Vector &numbers) {
    typedef int32_t Integers __attribute__((vector_size(sizeof(Vector))));
    const Vector lowest = Vector{} - 127;
    Vector x = numbers * 1.44269504f;
    x = x < lowest ? lowest : x;
    const Vector halves = x < Vector{} ? Vector{} - 0.5f : Vector{} + 0.5f;
    const Integers whole = __builtin_convertvector(x + halves, Integers);
    const Vector fraction = x - __builtin_convertvector(whole, Vector);
    Vector power = Vector{} + 0.0013276469f;
    for (float factor : {0.0096755414f, 0.0555071329f, 0.2402211973f, 0.6931469670f, 1.0000000717f})
        power = power * fraction + factor;
    const Integers bits = (whole + 127) << 23;
    Vector scale;
    std::memcpy(&scale, &bits, sizeof scale);
    return power * scale;
}

template <typename Numbers> inline Numbers square_root(const Numbers &numbers) {
    Numbers roots;
    for (size_t i = 0; i < sizeof(Numbers) / sizeof(float); ++i) roots[i] = std::sqrt(numbers[i]);
    return roots;
}

inline float dot(const float *a, const float *b, int64_t n) {
    Vector sums{};
    int64_t n_whole = 0;
    for (; n_whole + LANES <= n; n_whole += LANES) sums += load(a + n_whole) * load(b + n_whole);
    float total = n_whole ? sum(sums) : 0;
    in_parts(n - n_whole, [&](auto width, int64_t i) {
        total += sum(Pack<width>::load(a + n_whole + i) * Pack<width>::load(b + n_whole + i));
    });
    return total;
}
