// Finds the items with the largest inner products with an item, where vectors are sparse.
// tastemaker.models.linear.nearest has the plain form.

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <utility>
#include <vector>

#include "threads.h"

namespace {

// Items that a thread takes at a time: few, since popular items take far longer than others.
constexpr int64_t ITEMS_AT_ONCE = 4;

// A sparse matrix in compressed rows.
struct Rows {
    const int64_t *ends; // row r has the entries ends[r] to ends[r + 1] - 1
    const int32_t *columns;
    const double *values;
};

using Candidate = std::pair<double, int32_t>; // similarity and code

bool is_better(const Candidate &a, const Candidate &b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
}

// Computes the similarities of one item after another to all items with a common user.
class Similarities {
    const Rows by_item, by_user;
    std::vector<double> sums; // by item; all are 0 between two items
    std::vector<int32_t> touched;
    std::vector<Candidate> candidates;

  public:
    Similarities(Rows by_item, Rows by_user, int64_t n_items)
        : by_item(by_item), by_user(by_user), sums(n_items) {}

    // Returns the k best of the other items whose similarity is not 0, in descending order; if there are fewer,
    // any further items, maybe the item itself, follow with 0. A thread needs 28 bytes for each item of the catalog.
    const std::vector<Candidate> &nearest(int32_t item, int64_t k) {
        for (int64_t e = by_item.ends[item]; e < by_item.ends[item + 1]; ++e) add(by_item.columns[e], by_item.values[e]);
        sums[item] = 0, candidates.clear();
        for (int32_t other : touched) {
            if (sums[other] != 0) candidates.emplace_back(sums[other], other);
            sums[other] = 0; // an item whose sum was 0 in between is listed twice
        }
        touched.clear();
        if (int64_t(candidates.size()) > k) {
            std::nth_element(candidates.begin(), candidates.begin() + k, candidates.end(), is_better);
            candidates.resize(k);
        }
        std::sort(candidates.begin(), candidates.end(), is_better);
        fill(k);
        return candidates;
    }

  private:
    void add(int32_t user, double weight) {
        for (int64_t e = by_user.ends[user]; e < by_user.ends[user + 1]; ++e) {
            double &sum = sums[by_user.columns[e]];
            if (sum == 0) touched.push_back(by_user.columns[e]);
            sum += weight * by_user.values[e];
        }
    }

    // Completes the candidates to k by items that are not among them.
    void fill(int64_t k) {
        const std::vector<Candidate>::size_type n = candidates.size();
        for (const Candidate &candidate : candidates) sums[candidate.second] = 1;
        for (int32_t code = 0; int64_t(candidates.size()) < k; ++code)
            if (sums[code] == 0) candidates.emplace_back(0.0, code);
        for (std::vector<Candidate>::size_type c = 0; c < n; ++c) sums[candidates[c].second] = 0;
    }
};

} // namespace

// For the items first to last - 1, writes the codes of the k most similar other items, best first, and their
// similarities to rows of k, where k <= n_items; the last similarities of an item with fewer neighbours are 0.
extern "C" void neighbours_nearest(const int64_t *item_ends, const int32_t *item_users, const double *item_values,
                                   const int64_t *user_ends, const int32_t *user_items, const double *user_values,
                                   int64_t n_items, int64_t first, int64_t last, int64_t k, int64_t n_threads,
                                   int32_t *codes, float *values) {
    std::atomic<int64_t> next{first};
    on_threads(int(n_threads), [&](int) {
        Similarities similarities({item_ends, item_users, item_values}, {user_ends, user_items, user_values}, n_items);
        for (int64_t start; (start = next.fetch_add(ITEMS_AT_ONCE)) < last;)
            for (int64_t item = start; item < std::min(start + ITEMS_AT_ONCE, last); ++item) {
                int64_t place = (item - first) * k;
                for (const Candidate &candidate : similarities.nearest(int32_t(item), k)) {
                    codes[place] = candidate.second;
                    values[place++] = float(candidate.first);
                }
            }
    });
}
