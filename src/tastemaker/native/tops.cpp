// Selects the best items for each user. A score is compared with the user's k-th best so far while
// it is in a register. Only items with a higher score are processed one by one, and only for these
// is it checked whether the user may get them. tastemaker.ranking.topk has the plain form.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <limits>
#include <vector>

#include "multiply.h"

namespace {

// Items in a tile: so few that their keys stay in a core's cache while all users are processed.
constexpr int64_t ITEMS_AT_ONCE = 512;

// Up to this number of users, most of a tile would be empty.
constexpr int64_t FEW = LANES / 4;

// A score and an item as one number, so that one comparison without branches orders two of them. The
// better entry is the greater number; of equal scores, that of the item with the lower code.
using Entry = uint64_t;

inline Entry entry_of(float score, uint32_t item) {
    uint32_t bits;
    std::memcpy(&bits, &score, sizeof bits);
    const uint32_t sign = 1u << 31;
    if (bits == sign) bits = 0; // -0 equals 0
    // A negative float with greater bits is lower.
    const uint32_t ordered = bits & sign ? ~bits : bits | sign;
    return uint64_t(ordered) << 32 | uint32_t(~item);
}

inline float score_of(Entry entry) {
    const uint32_t ordered = entry >> 32, sign = 1u << 31;
    const uint32_t bits = ordered & sign ? ordered ^ sign : ~ordered;
    float score;
    std::memcpy(&score, &bits, sizeof score);
    return score;
}

inline uint32_t item_of(Entry entry) { return ~uint32_t(entry); }

constexpr float NO_SCORE = -std::numeric_limits<float>::infinity();

// The items that users may not get: those that are not eligible, and those that a user has seen;
// user u's are seen[ends[u]] to seen[ends[u + 1] - 1].
struct Exclusion {
    const uint8_t *eligible; // (n_items,): whether each item is eligible; null if all are
    const int64_t *seen, *ends;
};

// Collects the k best of the items that one user may get. Items must come in the order of their
// codes.
class Best {
    const uint8_t *eligible;
    const int64_t *seen, *seen_end;
    std::vector<int64_t> sorted; // the items that the user has seen, where they are given unsorted
    std::vector<Entry> heap;     // k entries, the worst one at the front

    bool allowed(int64_t item) {
        if (eligible && !eligible[item]) return false;
        while (seen != seen_end && *seen < item) ++seen;
        return seen == seen_end || *seen != item;
    }

  public:
    Best(int64_t k, const Exclusion &exclusion, int64_t user)
        : eligible(exclusion.eligible), seen(exclusion.seen + exclusion.ends[user]),
          seen_end(exclusion.seen + exclusion.ends[user + 1]), heap(k, entry_of(NO_SCORE, 0)) {
        if (std::is_sorted(seen, seen_end)) return;
        sorted.assign(seen, seen_end);
        std::sort(sorted.begin(), sorted.end());
        seen = sorted.data(), seen_end = seen + sorted.size();
    }
    // A copy would point to the sorted items of the original.
    Best(const Best &) = delete;
    Best(Best &&) = default;

    // The score that the next item must exceed; in a tie, the earlier item is kept.
    float limit() const { return score_of(heap.front()); }

    // Replaces the worst entry by an item whose score exceeds the limit, if the user may get it.
    void take(int64_t item, float score) {
        if (!allowed(item)) return;
        const Entry entry = entry_of(score, item);
        size_t place = 0;
        for (size_t child; (child = 2 * place + 1) < heap.size(); place = child) {
            if (child + 1 < heap.size()) child += heap[child + 1] < heap[child];
            if (entry < heap[child]) break;
            heap[place] = heap[child];
        }
        heap[place] = entry;
    }

    // Writes the items, best first, and returns how many there are; leaves the rest of the row
    // unchanged.
    int64_t write(int64_t *items, float *scores) {
        std::sort(heap.begin(), heap.end(), std::greater<>());
        size_t n = 0;
        for (; n < heap.size() && score_of(heap[n]) > NO_SCORE; ++n)
            items[n] = item_of(heap[n]), scores[n] = score_of(heap[n]);
        return n;
    }
};

// Takes the items of some lanes of a vector of users, whose scores exceeded their limits. It is not
// inlined, since the product would otherwise leave the registers before every comparison.
__attribute__((noinline)) void take_lanes(uint32_t lanes, int64_t item, const Vector scores, Best *best,
                                          float *limits) {
    for (; lanes; lanes &= lanes - 1) {
        const int lane = __builtin_ctz(lanes);
        best[lane].take(item, scores[lane]);
        limits[lane] = best[lane].limit();
    }
}

// Scores every item for every user with one dot product each.
void one_by_one(const float *keys, int64_t n_items, int64_t size, const float *queries,
                std::vector<Best> &best) {
    for (int64_t item = 0; item < n_items; ++item)
        for (size_t u = 0; u < best.size(); ++u) {
            const float score = dot(keys + item * size, queries + u * size, size);
            if (score > best[u].limit()) best[u].take(item, score);
        }
}

// Does the same with products of matrices.
void tile_by_tile(const float *keys, int64_t n_items, int64_t size, const float *queries,
                  std::vector<Best> &best) {
    const int64_t n = best.size(), width = padded(n);
    // No score exceeds the limit of a padding column.
    std::vector<float> columns(size * width), limits(width, std::numeric_limits<float>::infinity());
    for (int64_t u = 0; u < n; ++u) {
        limits[u] = best[u].limit();
        for (int64_t d = 0; d < size; ++d) columns[d * width + u] = queries[u * size + d];
    }
    for (int64_t first = 0; first < n_items; first += ITEMS_AT_ONCE) {
        const auto take = [&](int row, int column, const Vector &scores) {
            if (const uint32_t lanes = above(scores, load(&limits[column])))
                take_lanes(lanes, first + row, scores, &best[column], &limits[column]);
        };
        multiply({keys + first * size, int(size), 1}, std::min(ITEMS_AT_ONCE, n_items - first), size,
                 columns.data(), width, from_zero, take);
    }
}

} // namespace

// Selects, for each of n users, the k best of n_items keys by their inner products with the user's
// query. For up to FEW users, the products are rounded differently than for more users.
extern "C" void tops_by_products(const float *keys, int64_t n_items, int64_t size,
                                 const float *queries, int64_t n, int64_t k,
                                 const uint8_t *eligible, const int64_t *seen, const int64_t *ends,
                                 int64_t *items, float *scores, int64_t *lengths) {
    std::vector<Best> best;
    best.reserve(n);
    for (int64_t u = 0; u < n; ++u) best.emplace_back(k, Exclusion{eligible, seen, ends}, u);
    if (n <= FEW)
        one_by_one(keys, n_items, size, queries, best);
    else
        tile_by_tile(keys, n_items, size, queries, best);
    for (int64_t u = 0; u < n; ++u) lengths[u] = best[u].write(items + u * k, scores + u * k);
}

// Does the same for scores (n, n_items), whose rows begin `stride` numbers apart.
extern "C" void tops_of_scores(const float *all_scores, int64_t stride, int64_t n_items, int64_t n,
                               int64_t k, const uint8_t *eligible, const int64_t *seen,
                               const int64_t *ends, int64_t *items, float *scores,
                               int64_t *lengths) {
    for (int64_t u = 0; u < n; ++u) {
        Best best(k, {eligible, seen, ends}, u);
        float limit = best.limit();
        const float *row = all_scores + u * stride;
        const auto take = [&](int64_t item) {
            if (!(row[item] > limit)) return;
            best.take(item, row[item]);
            limit = best.limit();
        };
        int64_t item = 0;
        for (; item + LANES <= n_items; item += LANES)
            for (uint32_t left = above(load(row + item), Vector{} + limit); left; left &= left - 1)
                take(item + __builtin_ctz(left));
        for (; item < n_items; ++item) take(item);
        lengths[u] = best.write(items + u * k, scores + u * k);
    }
}
