// Draws items that a user has not touched; tastemaker.sampling has the plain form.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "threads.h"

namespace {

struct Unseen {
    const uint8_t *bits;    // whether user u touched item i, at u * n_items + i; or null
    const int64_t *below;   // u * (n_items + 1) + a_j - j of each touched item, ascending
    const int64_t *indptr;  // where each user's keys begin in below, and the end of the last's
    int64_t n_items;

    bool touched(int64_t user, int64_t item) const {
        const int64_t cell = user * n_items + item;
        return bits[cell >> 3] >> (cell & 7) & 1;
    }

    int64_t n_untouched(int64_t user) const { return n_items - (indptr[user + 1] - indptr[user]); }

    int64_t by_rank(int64_t user, int64_t rank) const {
        const int64_t key = user * (n_items + 1) + rank, *const first = below + indptr[user];
        // A multiplication, since the branches of std::upper_bound, and those that compilers make of
        // a condition here, are unpredictable for the processor.
        const int64_t *passed = first;
        for (int64_t n = indptr[user + 1] - indptr[user]; n > 0; n /= 2)
            passed += (n + 1) / 2 * (passed[(n - 1) / 2] <= key);
        return rank + (passed - first);
    }

    // Replaces n ranks by the items. The searches take each step together, since a single one would
    // wait for the memory at every step. passed has space for n numbers.
    void by_ranks(int64_t user, int64_t *ranks, int64_t n, int64_t *passed) const {
        const int64_t key = user * (n_items + 1), *const first = below + indptr[user];
        std::fill_n(passed, n, 0);
        for (int64_t left = indptr[user + 1] - indptr[user]; left > 0; left /= 2) {
            const int64_t middle = (left - 1) / 2, step = (left + 1) / 2;
            for (int64_t i = 0; i < n; ++i) passed[i] += step * (first[passed[i] + middle] <= key + ranks[i]);
        }
        for (int64_t i = 0; i < n; ++i) ranks[i] += passed[i];
    }
};

// SplitMix64 (Steele, Lea and Flood 2014): the number at a place in the sequence started by key.
uint64_t random_at(uint64_t key, uint64_t place) {
    uint64_t z = key + (place + 1) * 0x9e3779b97f4a7c15;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

int64_t uniform_below(int64_t bound, uint64_t random) {
    return static_cast<unsigned __int128>(random >> 2) * bound >> 62;
}

// Draws one item. place is the position of the draw among all draws, so the result does not depend
// on the thread or on the order of the draws.
int64_t draw_one(const Unseen &unseen, int64_t user, uint64_t key, int64_t place, int64_t n_places,
                 int n_attempts) {
    for (int attempt = 0; unseen.bits && attempt < n_attempts; ++attempt, place += n_places) {
        const int64_t item = uniform_below(unseen.n_items, random_at(key, place));
        if (!unseen.touched(user, item)) return item;
    }
    return unseen.by_rank(user, uniform_below(unseen.n_untouched(user), random_at(key, place)));
}

// Draws n distinct items, or all untouched items where there are fewer, by Floyd's algorithm
// (Bentley and Floyd 1987), and returns how many. numbers holds one random number for each step,
// at every `stride`-th position. scratch has space for n numbers.
int64_t draw_distinct(const Unseen &unseen, int64_t user, const int64_t *numbers, int64_t stride,
                      int64_t n, int64_t *items, int64_t *scratch) {
    const int64_t available = unseen.n_untouched(user), length = std::min(available, n);
    for (int64_t step = 0; step < length; ++step) {
        const int64_t highest = available - length + step;
        const int64_t drawn = numbers[step * stride] % (highest + 1);
        // As wide as the items, so that the compiler can vectorize the comparisons.
        int64_t is_taken = 0;
        for (int64_t i = 0; i < step; ++i) is_taken |= int64_t(items[i] == drawn);
        items[step] = is_taken ? highest : drawn;
    }
    unseen.by_ranks(user, items, length, scratch);
    std::fill(items + length, items + n, 0);
    return length;
}

// Draws for which one more thread is worth it.
constexpr int64_t DRAWS_PER_THREAD = 4096;

// Many draws come before a training on pairs, whose threads PyTorch's would disturb by waiting
// actively; so they have threads of their own.
int n_threads_for(int64_t n_draws, int n_threads) {
    return std::min<int64_t>(n_threads, 1 + n_draws / DRAWS_PER_THREAD);
}

} // namespace

// Draws n items for each user and writes them to items (n_users, n).
extern "C" void negatives_draw(const Unseen *unseen, const int64_t *users, int64_t n_users, int64_t n,
                     uint64_t key, int32_t n_attempts, int32_t n_threads, int64_t *items) {
    const int64_t n_places = n_users * n;
    const int n_used = n_threads_for(n_users * n, n_threads);
    at_once(n_used, [=](int thread) {
        const int64_t from = n_users * thread / n_used, to = n_users * (thread + 1) / n_used;
        for (int64_t u = from; u < to; ++u)
            for (int64_t place = u * n; place < (u + 1) * n; ++place)
                items[place] = draw_one(*unseen, users[u], key, place, n_places, n_attempts);
    });
}

// Draws up to n distinct items for each user with the random numbers (n, n_users); writes them to
// items (n_users, n), and the number of valid entries per row to lengths.
extern "C" void negatives_draw_distinct(const Unseen *unseen, const int64_t *users, int64_t n_users, int64_t n,
                         const int64_t *numbers, int32_t n_threads, int64_t *items,
                         int64_t *lengths) {
    const int n_used = n_threads_for(n_users * n, n_threads);
    at_once(n_used, [=](int thread) {
        const int64_t from = n_users * thread / n_used, to = n_users * (thread + 1) / n_used;
        std::vector<int64_t> scratch(n);
        for (int64_t u = from; u < to; ++u)
            lengths[u] = draw_distinct(*unseen, users[u], numbers + u, n_users, n, items + u * n, scratch.data());
    });
}
