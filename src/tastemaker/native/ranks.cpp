// Counts the items that score lower than a target, where a score is an inner product. A tile of
// scores is compared and counted in the registers. tastemaker.ranking.ranks has the plain form.

#include <algorithm>
#include <cstdint>
#include <vector>

#include "multiply.h"

namespace {

typedef int32_t Counts __attribute__((vector_size(LANES * sizeof(int32_t))));

// Items in a tile: so few that their keys stay in a core's cache while all users are processed.
constexpr int64_t ITEMS_AT_ONCE = 512;

// Computes the scores of some items for one query, bit for bit as in a tile.
class SelectedItemScores {
    const float *keys;
    const int size;
    std::vector<float> query, selected_keys, scores;

  public:
    SelectedItemScores(const float *keys, int size) : keys(keys), size(size), query(size * LANES) {}

    // Returns (n, LANES); the scores are in the first column.
    const float *compute(const float *user, const int64_t *items, int64_t n) {
        for (int d = 0; d < size; ++d) query[d * LANES] = user[d];
        selected_keys.resize(n * size), scores.resize(n * LANES);
        for (int64_t i = 0; i < n; ++i) copy(keys + items[i] * size, size, &selected_keys[i * size]);
        multiply({selected_keys.data(), size, 1}, n, size, query.data(), LANES, from_zero,
                 write_to(scores.data(), LANES, unchanged));
        return scores.data();
    }
};

} // namespace

// For each of n users with one target each, writes the target's score to target_scores, and the
// number of items that score lower to below; keys is (n_items, size). The items that are not ranked
// are not counted: those of user u are not_ranked[ends[u]] to not_ranked[ends[u + 1] - 1], which include
// the target.
extern "C" void ranks_count_below(const float *keys, int64_t n_items, int64_t size, const float *queries,
                            int64_t n, const int64_t *targets, const int64_t *not_ranked,
                            const int64_t *ends, float *target_scores, int64_t *below) {
    const int width = padded(n);
    std::vector<float> columns(size * width), limits(width);
    SelectedItemScores selected(keys, size);
    for (int64_t u = 0; u < n; ++u) {
        const int64_t *items = not_ranked + ends[u], n_selected = ends[u + 1] - ends[u];
        const float *scores = selected.compute(queries + u * size, items, n_selected);
        target_scores[u] = limits[u] = scores[(std::find(items, items + n_selected, targets[u]) - items) * LANES];
        below[u] = 0;
        for (int64_t i = 0; i < n_selected; ++i) below[u] -= scores[i * LANES] < target_scores[u];
        for (int64_t d = 0; d < size; ++d) columns[d * width + u] = queries[u * size + d];
    }
    std::vector<int32_t> counts(width);
    const auto count = [&](int, int column, const Vector &scores) {
        Counts current;
        std::memcpy(&current, &counts[column], sizeof current);
        current -= scores < load(&limits[column]);
        std::memcpy(&counts[column], &current, sizeof current);
    };
    for (int64_t first = 0; first < n_items; first += ITEMS_AT_ONCE)
        multiply({keys + first * size, int(size), 1}, std::min(ITEMS_AT_ONCE, n_items - first), size,
                 columns.data(), width, from_zero, count);
    for (int64_t u = 0; u < n; ++u) below[u] += counts[u];
}
