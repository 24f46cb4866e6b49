// Drops numbers at random.
#pragma once

#include <algorithm>
#include <cstdint>

#include "vectors.h"

typedef uint32_t Words __attribute__((vector_size(LANES * sizeof(uint32_t))));

inline Words broadcast(uint32_t word) { return Words{} + word; }

// A number is dropped with a probability of n_dropped / 256, and multiplied by `scale` otherwise. What
// is dropped depends only on the key and the number's position, so that it need not be stored.
struct Dropout {
    uint64_t key;
    uint32_t n_dropped;
    float scale;

    // Calls use(j, factors) for each vector of a row with the given number. Four vectors share the four
    // bytes of random words, which are hashed from their position as in Chris Wellons's lowbias32.
    template <typename Use> void for_row(uint32_t row, int64_t width, const Use &use) const {
        Words lane;
        for (int i = 0; i < LANES; ++i) lane[i] = i;
        for (int64_t start = 0; start < width; start += 4 * LANES) {
            Words bytes = hashed(hashed(lane + uint32_t(start / 4)) ^ broadcast(hash_of(row)));
            for (int64_t j = start; j < std::min(start + 4 * LANES, width); j += LANES, bytes >>= 8) {
                const auto is_kept = (bytes & 255) >= broadcast(n_dropped);
                use(j, is_kept ? Vector{} + scale : Vector{});
            }
        }
    }

  private:
    template <typename Word> static Word hashed(Word x) {
        x = (x ^ x >> 16) * 0x7feb352d;
        x = (x ^ x >> 15) * 0x846ca68b;
        return x ^ x >> 16;
    }
    uint32_t hash_of(uint32_t row) const { return hashed(hashed(row ^ uint32_t(key)) + uint32_t(key >> 32)); }
};
