// A table of users or items under Adam, of which a batch touches only some rows.
#pragma once

#include <vector>

#include "steps.h"

// Adam moves a row without a gradient too, by what its moments remember. Going through the whole
// table for every batch would take longer than all else where the table is large, so that a row
// there is only taken through the steps that it missed when it is next needed.
class Table {
    static constexpr int64_t BLOCK = 16, AHEAD = 8;
    const Parameter table;
    const Adam &adam;
    const Steps &steps;
    const uint64_t n_threads;
    // Whether every step goes through all rows: fast, one behind the other, where they are few.
    const bool is_small;
    std::vector<float> gradient;
    // By row, how many of the steps it has taken, and whether the batch has touched it.
    std::vector<int64_t> taken;
    std::vector<char> is_touched;

    // What a thread has to do with a batch: which of its codes are the thread's, and which rows.
    struct Share {
        std::vector<int64_t> places, rows;
        int64_t n_places = 0, n_rows = 0;
    };
    std::vector<Share> shares;

  public:
    // Takes how many of a batch's codes are of the table.
    Table(const Parameter &table, const Adam &adam, const Steps &steps, int64_t n_codes, int n_threads)
        : table(table), adam(adam), steps(steps), n_threads(n_threads),
          is_small(!adam.lazy && table.rows <= 8 * n_codes),
          gradient(table.size()), taken(table.rows), is_touched(table.rows), shares(n_threads) {}

    // Takes up a batch, and brings this thread's part of its rows to where all steps so far would
    // have them. What belongs to whom is as good as random: no branch depends on it.
    void catch_up(const int64_t *codes, int64_t n, int64_t n_steps, int thread) {
        Share &share = shares[thread];
        share.places.resize(n + 1), share.rows.resize(n + 1);
        share.n_places = share.n_rows = 0;
        for (int64_t i = 0; i < n; ++i) {
            share.places[share.n_places] = i;
            share.n_places += is_mine(codes[i], thread);
        }
        if (is_small) return;
        for (int64_t p = 0; p < share.n_places; ++p) {
            const int64_t row = codes[share.places[p]];
            share.rows[share.n_rows] = row;
            share.n_rows += !is_touched[row];
            is_touched[row] = true;
        }
        for (int64_t r = 0; r < share.n_rows; ++r) {
            if (r + AHEAD < share.n_rows) fetch(share.rows[r + AHEAD]);
            catch_up(share.rows[r], n_steps);
        }
    }

    // Likewise all of this thread's rows.
    void catch_up(int64_t n_steps, int thread) {
        if (is_small) return;
        for (int64_t row = 0; row < table.rows; ++row)
            if (is_mine(row, thread)) catch_up(row, n_steps);
    }

    // Adds this thread's part of the gradients (n, columns) of the batch taken up last, and takes
    // the nth step.
    void step(const int64_t *codes, const float *gradients, int64_t nth, int thread) {
        const Share &share = shares[thread];
        const int64_t width = table.columns;
        for (int64_t p = 0; p < share.n_places; ++p) {
            const int64_t place = share.places[p];
            float *to = &gradient[codes[place] * width];
            const float *from = gradients + place * width;
            for (int64_t d = 0; d < width; ++d) to[d] += from[d];
        }
        for (int64_t row = 0; is_small && row < table.rows; row += BLOCK)
            if (is_mine(row, thread)) {
                const int64_t first = row * width, n = std::min(BLOCK, table.rows - row) * width;
                move(table, first, n, &gradient[first], steps[nth]);
            }
        for (int64_t r = 0; r < share.n_rows; ++r) {
            const int64_t row = share.rows[r];
            is_touched[row] = false;
            float *of_row = &gradient[row * width];
            const auto is_zero = [](float g) { return g == 0; };
            if (!adam.lazy || !std::all_of(of_row, of_row + width, is_zero))
                move(table, row * width, width, of_row, steps[nth]);
            taken[row] = nth + 1;
        }
    }

  private:
    // Dealt in blocks, so that two threads rarely write to one line of the cache; by a hash, since
    // to divide takes longer than all else that is done for most rows.
    bool is_mine(int64_t row, int thread) const {
        const uint64_t hash = uint32_t(uint64_t(row) / BLOCK) * 2654435769u;
        return int((hash * n_threads) >> 32) == thread;
    }

    // Rows are far apart in memory, and several of them on the way at once.
    void fetch(int64_t row) const {
        const int64_t first = row * table.columns;
        __builtin_prefetch(table.value + first), __builtin_prefetch(table.mean + first);
        __builtin_prefetch(table.square + first), __builtin_prefetch(&gradient[first]);
        __builtin_prefetch(&taken[row]);
    }

    void catch_up(int64_t row, int64_t n_steps) {
        const int64_t from = taken[row], width = table.columns;
        taken[row] = n_steps;
        if (!adam.lazy && from < n_steps) steps.idle(table, row * width, width, from, n_steps);
    }
};
