// Selects the best items for each user. A score is compared with the user's k-th best so far while
// it is in a register. Only items with a higher score are processed one by one, and only for these
// is it checked whether the user may get them. tastemaker.ranking.topk has the plain form.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "multiply.h"

namespace {

// Items in a tile: so few that their keys stay in a core's cache while all users are processed.
constexpr int64_t ITEMS_AT_ONCE = 512;

// Up to this number of users, most of a tile would be empty.
constexpr int64_t FEW = LANES / 4;

struct Entry {
    float score;
    int64_t item;
};

// The order of a list: by score, and equal scores by item code.
inline bool before(const Entry &one, const Entry &other) {
    return one.score > other.score || (one.score == other.score && one.item < other.item);
}

// The items that users may not get: those that are not eligible, and those that a user has seen;
// user u's are seen[ends[u]] to seen[ends[u + 1] - 1].
struct Exclusion {
    const uint8_t *eligible; // (n_items,): whether each item is eligible; null if all are
    const int64_t *seen, *ends;
};

// Collects the k best of the items that one user may get. Items must come in the order of their
// codes.
class Best {
    const size_t k;
    const uint8_t *eligible;
    std::vector<int64_t> seen;
    size_t next_seen = 0;
    std::vector<Entry> heap; // the worst entry is at the front

    bool allowed(int64_t item) {
        if (eligible && !eligible[item]) return false;
        while (next_seen < seen.size() && seen[next_seen] < item) ++next_seen;
        return next_seen == seen.size() || seen[next_seen] != item;
    }

  public:
    Best(int64_t k, const Exclusion &exclusion, int64_t user)
        : k(k), eligible(exclusion.eligible),
          seen(exclusion.seen + exclusion.ends[user], exclusion.seen + exclusion.ends[user + 1]) {
        std::sort(seen.begin(), seen.end());
        heap.reserve(k);
    }

    // The score that the next item must exceed; in a tie, the earlier item is kept.
    float limit() const {
        return heap.size() < k ? -std::numeric_limits<float>::infinity() : heap.front().score;
    }

    // Adds an item whose score exceeds the limit, if the user may get it.
    void take(int64_t item, float score) {
        if (!allowed(item)) return;
        if (heap.size() == k) {
            std::pop_heap(heap.begin(), heap.end(), before);
            heap.pop_back();
        }
        heap.push_back({score, item});
        std::push_heap(heap.begin(), heap.end(), before);
    }

    // Writes the items, best first, and returns how many there are; leaves the rest of the row
    // unchanged.
    int64_t write(int64_t *items, float *scores) {
        std::sort_heap(heap.begin(), heap.end(), before);
        for (size_t i = 0; i < heap.size(); ++i) items[i] = heap[i].item, scores[i] = heap[i].score;
        return heap.size();
    }
};

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
        const auto take = [&](int row, int column, const Vector &user_scores) {
            for (uint32_t left = above(user_scores, load(&limits[column])); left; left &= left - 1) {
                const int lane = __builtin_ctz(left), u = column + lane;
                best[u].take(first + row, user_scores[lane]);
                limits[u] = best[u].limit();
            }
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
