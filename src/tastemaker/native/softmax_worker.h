// The softmax over a whole catalog on one thread. Neither the scores nor their exponentials are ever in
// memory as a whole. The scores are computed twice, for the sums of the exponentials and for the
// gradients, which is faster than to write and read them.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "half_tiles.h"

// Keys, and queries, whose exponentials are in the cache together.
constexpr int64_t KEYS = 128, QUERIES = 128;

// Numbers of the queries of a block, whose forms and gradients are in the cache together.
constexpr int64_t BLOCK_NUMBERS = 1 << 17;

// A block of scores in the registers has this many keys and queries.
constexpr int SIDE = 2 * TILE;

constexpr float LOG2_E = 1.44269504f;

struct Vectors {
    const float *numbers; // (n, d)
    int64_t n, d;

    // Returns 32 numbers of a row from a column on, times a factor; numbers outside are 0.
    __m512i rounded(int64_t row, int64_t column, float factor = 1) const {
        return row < n ? ::rounded(numbers + row * d + column, d - column, factor) : __m512i{};
    }
};

// Computes 2^x with a relative error below 3e-6, by a polynomial for the fraction of x.
inline __m512 power_of_2(__m512 x) {
    const __m512 fraction = _mm512_reduce_ps(x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
    __m512 power = _mm512_set1_ps(0.01353417f);
    power = power * fraction + 0.05201146f;
    power = power * fraction + 0.24144276f;
    power = power * fraction + 0.69300383f;
    power = power * fraction + 1.00000259f;
    return _mm512_scalef_ps(power, x);
}

// The work of one thread: all queries, and the keys of whole chunks. Unit computes the products.
template <typename Unit> class Worker {
    const Vectors queries, keys;
    const int64_t depth, n_groups; // tiles in a row of a vector; groups of queries in a block
    Unit unit;
    TileMatrix<Half> key_rows, key_columns; // of a chunk
    TileMatrix<Half> query_pairs, query_rows; // of a block: (d, queries) and (queries, d)
    TileMatrix<Half> exponentials, exponential_pairs; // of a chunk and a group: (keys, queries)
    TileMatrix<float> key_gradients, query_gradients; // of a chunk; of a block, (d, queries)
    Tile<float> *scores; // of a block, 2 x 2 tiles

    // Fills query_pairs from the queries of a block.
    void pack_queries(int64_t start) {
        for (int64_t i = 0; i < n_groups * QUERIES; ++i)
            for (int64_t j = 0; j < depth; ++j)
                store_column(query_pairs.at(i / QUERIES * depth + j, i % QUERIES / TILE), i % TILE,
                             queries.rounded(start + i, j * DEEP));
    }

    // Fills query_rows from the queries of a block, times their weights.
    void pack_weighted_queries(int64_t start, const float *weights) {
        for (int64_t i = 0; i < n_groups * QUERIES; i += 2)
            for (int64_t j = 0; j < depth; ++j) {
                __m512i low = weighted(start + i, j, weights), high = weighted(start + i + 1, j, weights);
                pair(low, high);
                _mm512_store_si512(query_rows.row(i / DEEP, 2 * j, i % DEEP / 2), low);
                _mm512_store_si512(query_rows.row(i / DEEP, 2 * j + 1, i % DEEP / 2), high);
            }
    }

    __m512i weighted(int64_t i, int64_t j, const float *weights) const {
        return queries.rounded(i, j * DEEP, i < queries.n ? weights[i] : 0);
    }

    // Fills key_rows from the keys of a chunk.
    void pack_keys(int64_t start) {
        for (int64_t i = 0; i < KEYS; ++i)
            for (int64_t j = 0; j < depth; ++j)
                _mm512_store_si512(key_rows.row(i / TILE, j, i % TILE), keys.rounded(start + i, j * DEEP));
    }

    // Fills key_columns from key_rows.
    void transpose_keys() {
        for (int64_t i = 0; i < KEYS; i += 2)
            for (int64_t j = 0; j < depth; ++j) {
                __m512i low = _mm512_load_si512(key_rows.row(i / TILE, j, i % TILE));
                __m512i high = _mm512_load_si512(key_rows.row(i / TILE, j, i % TILE + 1));
                pair(low, high);
                store_column(key_columns.at(2 * j, i / DEEP), i % DEEP / 2, low);
                store_column(key_columns.at(2 * j + 1, i / DEEP), i % DEEP / 2, high);
            }
    }

    // Computes the scores of a chunk's keys for a group of queries, 32 x 32 at a time, and calls
    // use(first key, first query) for each of these blocks. While it runs, a matrix unit computes the
    // next block.
    template <typename Use> void for_scores(int64_t chunk, int64_t group, const Use &use) {
        constexpr int64_t ACROSS = QUERIES / SIDE, N_BLOCKS = KEYS / SIDE * ACROSS;
        const auto start = [&](int64_t block) {
            unit.start({key_rows.at(block / ACROSS * 2, 0), depth,
                        query_pairs.at(group * depth, block % ACROSS * 2), QUERIES / TILE, depth});
        };
        start(0);
        for (int64_t block = 0; block < N_BLOCKS; ++block) {
            scores = unit.finish();
            if (block + 1 < N_BLOCKS) start(block + 1);
            const int64_t key = block / ACROSS * SIDE;
            for (int64_t i = std::max<int64_t>(0, keys.n - chunk - key); i < SIDE; ++i)
                for (int half = 0; half < 2; ++half) store_scores(i, half, _mm512_set1_ps(-1e30f));
            use(key, block % ACROSS * SIDE);
        }
    }

    // The scores of a key for one half of the queries of a block.
    __m512 load_scores(int64_t key, int half) const {
        return _mm512_load_ps(scores[key / TILE * 2 + half].numbers + key % TILE * TILE);
    }
    void store_scores(int64_t key, int half, __m512 values) {
        _mm512_store_ps(scores[key / TILE * 2 + half].numbers + key % TILE * TILE, values);
    }

    // Adds the exponentials of a block's scores, less the highest, to totals.
    void add_exponentials(float *highest, float *totals) {
        for (int half = 0; half < 2; ++half) {
            const __m512 before = _mm512_loadu_ps(highest + half * TILE);
            __m512 now = before;
            for (int64_t i = 0; i < SIDE; ++i) now = _mm512_max_ps(now, load_scores(i, half));
            const __m512 shifts = now * LOG2_E;
            __m512 total[2] = {_mm512_loadu_ps(totals + half * TILE) * power_of_2(before * LOG2_E - shifts)};
            for (int64_t i = 0; i < SIDE; ++i)
                total[i % 2] += power_of_2(load_scores(i, half) * LOG2_E - shifts);
            _mm512_storeu_ps(highest + half * TILE, now);
            _mm512_storeu_ps(totals + half * TILE, total[0] + total[1]);
        }
    }

    // Turns the scores of a block into exponentials, less the logarithms of their sums.
    void write_exponentials(int64_t key, int64_t query, const float *log_sums) {
        const __m512 shifts[2] = {_mm512_loadu_ps(log_sums), _mm512_loadu_ps(log_sums + TILE)};
        for (int64_t i = 0; i < SIDE; i += 2) {
            __m512i rows[2];
            for (int r = 0; r < 2; ++r) {
                rows[r] = rounded(power_of_2(load_scores(i + r, 0) * LOG2_E - shifts[0]),
                                  power_of_2(load_scores(i + r, 1) * LOG2_E - shifts[1]));
                _mm512_store_si512(exponentials.row((key + i) / TILE, query / DEEP, i % TILE + r), rows[r]);
            }
            pair(rows[0], rows[1]);
            for (int half = 0; half < 2; ++half)
                _mm512_store_si512(exponential_pairs.row(key / DEEP, query / TILE + half, i / 2), rows[half]);
        }
    }

    // Adds the products of exponentials and vectors to the gradients of a chunk and of a group.
    void add_gradients(int64_t group) {
        for (int64_t i = 0; i < KEYS / TILE; i += 2)
            for (int64_t j = 0; j < 2 * depth; j += 2)
                unit.add_to(key_gradients.at(i, j), 2 * depth,
                            {exponentials.at(i, 0), QUERIES / DEEP,
                             query_rows.at(group * (QUERIES / DEEP), j), 2 * depth, QUERIES / DEEP});
        for (int64_t i = 0; i < 2 * depth; i += 2)
            for (int64_t j = 0; j < QUERIES / TILE; j += 2)
                unit.add_to(query_gradients.at(group * 2 * depth + i, j), QUERIES / TILE,
                            {key_columns.at(i, 0), KEYS / DEEP, exponential_pairs.at(0, j),
                             QUERIES / TILE, KEYS / DEEP});
    }

    void write_key_gradients(int64_t chunk, float *gradients) {
        for (int64_t i = 0; i < std::min(KEYS, keys.n - chunk); ++i)
            for (int64_t j = 0; j < keys.d; j += TILE) {
                const float *from = key_gradients.row(i / TILE, j / TILE, i % TILE);
                float *to = gradients + (chunk + i) * keys.d + j;
                for (int64_t column = 0; column < std::min<int64_t>(TILE, keys.d - j); ++column)
                    to[column] += from[column];
            }
    }

    void write_query_gradients(int64_t block, float *gradients) {
        for (int64_t i = 0; i < std::min(n_groups * QUERIES, queries.n - block); ++i)
            for (int64_t j = 0; j < queries.d; ++j)
                gradients[(block + i) * queries.d + j] =
                    query_gradients.row(i / QUERIES * 2 * depth + j / TILE, i % QUERIES / TILE, j % TILE)[i % TILE];
    }

    int64_t block_size() const { return n_groups * QUERIES; }

  public:
    Worker(const Vectors &queries, const Vectors &keys)
        : queries(queries), keys(keys), depth((keys.d + DEEP - 1) / DEEP),
          n_groups(std::min((queries.n + QUERIES - 1) / QUERIES,
                            std::max<int64_t>(1, BLOCK_NUMBERS / (depth * DEEP) / QUERIES))),
          key_rows(KEYS / TILE, depth), key_columns(2 * depth, KEYS / DEEP),
          query_pairs(n_groups * depth, QUERIES / TILE), query_rows(n_groups * (QUERIES / DEEP), 2 * depth),
          exponentials(KEYS / TILE, QUERIES / DEEP), exponential_pairs(KEYS / DEEP, QUERIES / TILE),
          key_gradients(KEYS / TILE, 2 * depth), query_gradients(n_groups * 2 * depth, QUERIES / TILE) {}

    // Writes the logarithm of the sum of the exponentials of the scores of keys from..to.
    void log_sums(int64_t from, int64_t to, float *results) {
        for (int64_t block = 0; block < queries.n; block += block_size()) {
            std::vector<float> highest(block_size(), -INFINITY), totals(block_size());
            pack_queries(block);
            for (int64_t chunk = from; chunk < to; chunk += KEYS) {
                pack_keys(chunk);
                for (int64_t group = 0; group * QUERIES < queries.n - block && group < n_groups; ++group)
                    for_scores(chunk, group, [&](int64_t, int64_t query) {
                        add_exponentials(&highest[group * QUERIES + query], &totals[group * QUERIES + query]);
                    });
            }
            for (int64_t i = 0; i < std::min(block_size(), queries.n - block); ++i)
                results[block + i] = highest[i] + std::log(totals[i]);
        }
    }

    // Computes gradients from keys from..to.
    void gradients(int64_t from, int64_t to, const float *weights, const float *log_sums, float *of_queries,
                   float *of_keys) {
        for (int64_t block = 0; block < queries.n; block += block_size()) {
            std::vector<float> shifts(block_size());
            for (int64_t i = 0; i < std::min(block_size(), queries.n - block); ++i)
                shifts[i] = log_sums[block + i] * LOG2_E;
            pack_queries(block);
            pack_weighted_queries(block, weights);
            std::fill(query_gradients.tiles.begin(), query_gradients.tiles.end(), Tile<float>{});
            for (int64_t chunk = from; chunk < to; chunk += KEYS) {
                pack_keys(chunk);
                transpose_keys();
                std::fill(key_gradients.tiles.begin(), key_gradients.tiles.end(), Tile<float>{});
                for (int64_t group = 0; group * QUERIES < queries.n - block && group < n_groups; ++group) {
                    for_scores(chunk, group, [&](int64_t key, int64_t query) {
                        write_exponentials(key, query, &shifts[group * QUERIES + query]);
                    });
                    add_gradients(group);
                }
                write_key_gradients(chunk, of_keys);
            }
            write_query_gradients(block, of_queries);
        }
    }
};
