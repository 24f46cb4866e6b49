// A table of users' or items' vectors, trained by Adam; a batch uses only some of its rows.
#pragma once

#include <vector>

#include "steps.h"

// Adam also moves a row that has no gradient, because of its moments. In a large table, updating
// all rows for every batch would take longer than everything else. A row there takes the steps that
// it missed when it is next needed.
class Table {
    static constexpr int64_t BLOCK = 16, PREFETCH_DISTANCE = 8;
    const Parameter table;
    const Adam &adam;
    const Steps &steps;
    const uint64_t n_threads;
    // Whether every step updates all rows, one after the other, which is fast if there are few.
    const bool is_small;
    std::vector<float> gradient;
    // For each row, the number of steps it has taken, and whether the current batch uses it.
    std::vector<int64_t> steps_taken;
    std::vector<char> is_touched;

    // A thread's part of a batch: the positions of its codes in the batch, and its distinct rows.
    struct ThreadPart {
        std::vector<int64_t> places, rows;
        int64_t n_places = 0, n_rows = 0;
    };
    std::vector<ThreadPart> thread_parts;

  public:
    // n_codes is the number of codes in a batch that refer to this table.
    Table(const Parameter &table, const Adam &adam, const Steps &steps, int64_t n_codes, int n_threads)
        : table(table), adam(adam), steps(steps), n_threads(n_threads),
          is_small(!adam.lazy && table.rows <= 8 * n_codes),
          gradient(table.size()), steps_taken(table.rows), is_touched(table.rows), thread_parts(n_threads) {}

    // Starts a batch: its rows of this thread take the steps that they missed, up to n_steps.
    // Whether a code belongs to the thread is practically random, so no branch depends on it.
    void catch_up(const int64_t *codes, int64_t n, int64_t n_steps, int thread) {
        ThreadPart &part = thread_parts[thread];
        part.places.resize(n + 1), part.rows.resize(n + 1);
        part.n_places = part.n_rows = 0;
        for (int64_t i = 0; i < n; ++i) {
            part.places[part.n_places] = i;
            part.n_places += belongs_to(codes[i], thread);
        }
        if (is_small) return;
        for (int64_t p = 0; p < part.n_places; ++p) {
            const int64_t row = codes[part.places[p]];
            part.rows[part.n_rows] = row;
            part.n_rows += !is_touched[row];
            is_touched[row] = true;
        }
        for (int64_t r = 0; r < part.n_rows; ++r) {
            if (r + PREFETCH_DISTANCE < part.n_rows) prefetch(part.rows[r + PREFETCH_DISTANCE]);
            catch_up(part.rows[r], n_steps);
        }
    }

    // All rows of this thread take the steps that they missed, up to n_steps.
    void catch_up(int64_t n_steps, int thread) {
        if (is_small) return;
        for (int64_t row = 0; row < table.rows; ++row)
            if (belongs_to(row, thread)) catch_up(row, n_steps);
    }

    // Adds up this thread's part of the gradients (n, columns) of the current batch, and takes the
    // nth step.
    void step(const int64_t *codes, const float *gradients, int64_t nth, int thread) {
        const ThreadPart &part = thread_parts[thread];
        const int64_t width = table.columns;
        for (int64_t p = 0; p < part.n_places; ++p) {
            const int64_t place = part.places[p];
            float *to = &gradient[codes[place] * width];
            const float *from = gradients + place * width;
            for (int64_t d = 0; d < width; ++d) to[d] += from[d];
        }
        for (int64_t row = 0; is_small && row < table.rows; row += BLOCK)
            if (belongs_to(row, thread)) {
                const int64_t first = row * width, n = std::min(BLOCK, table.rows - row) * width;
                move(table, first, n, &gradient[first], steps[nth]);
            }
        for (int64_t r = 0; r < part.n_rows; ++r) {
            const int64_t row = part.rows[r];
            is_touched[row] = false;
            float *row_gradient = &gradient[row * width];
            const auto is_zero = [](float g) { return g == 0; };
            if (!adam.lazy || !std::all_of(row_gradient, row_gradient + width, is_zero))
                move(table, row * width, width, row_gradient, steps[nth]);
            steps_taken[row] = nth + 1;
        }
    }

  private:
    // Rows are assigned to threads in blocks, so that two threads rarely write to the same cache
    // line, and by a hash, since a division would take longer than the other work on most rows.
    bool belongs_to(int64_t row, int thread) const {
        const uint64_t hash = uint32_t(uint64_t(row) / BLOCK) * 2654435769u;
        return int((hash * n_threads) >> 32) == thread;
    }

    // Prefetches a row. Rows are far apart in memory, and several can be fetched at the same time.
    void prefetch(int64_t row) const {
        const int64_t first = row * table.columns;
        __builtin_prefetch(table.value + first), __builtin_prefetch(table.mean + first);
        __builtin_prefetch(table.square + first), __builtin_prefetch(&gradient[first]);
        __builtin_prefetch(&steps_taken[row]);
    }

    void catch_up(int64_t row, int64_t n_steps) {
        const int64_t from = steps_taken[row], width = table.columns;
        steps_taken[row] = n_steps;
        if (!adam.lazy && from < n_steps) steps.take_without_gradient(table, row * width, width, from, n_steps);
    }
};
