// Causal attention within histories that are packed several to a row, and its gradients. Only pairs of
// events of one history are computed, and the attention to events is never in memory as a whole.
// tastemaker.models.sequence.attention has the plain form.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <vector>

#include "dropout.h"
#include "multiply.h"
#include "threads.h"

namespace {

// Queries that are processed together.
constexpr int64_t QUERIES = 32;

// The score of an event that the query must not see; its exponential is 0.
constexpr float IMPOSSIBLE = -1e30f;

struct Shape {
    int64_t rows, width, heads, size; // of the batch; of one head's vectors

    int64_t stride() const { return heads * size; } // of an event's vector
};

// Queries, keys and values, (rows, width, heads * size); the owners of the events, (rows, width); and what
// is added to the score of an event by its distance from the query, (heads, width), or null for 0.
struct Inputs {
    const float *queries, *keys, *values;
    const int64_t *owners;
    const float *distances;
};

// For (rows, width, heads * size): the result; for (rows, width, heads): the logarithm of the sum of
// the exponentials of a query's scores.
struct Outputs {
    float *attended, *log_sums;
};

// As in Inputs, but (threads, heads, width) for the distances, which are added to.
struct Gradients {
    const float *attended;
    float *queries, *keys, *values, *distances;
};

// The events of one history: n, from the flattened position `first` on.
struct History {
    int64_t first, n;
};

// Calls use(history) for all histories of a row.
template <typename Use> void for_histories(const int64_t *owners, int64_t row, int64_t width, const Use &use) {
    owners += row * width;
    for (int64_t start = 0, end; start < width; start = end) {
        for (end = start + 1; end < width && owners[end] == owners[start]; ++end) {}
        if (owners[start] >= 0) use(History{row * width + start, end - start});
    }
}

// The work of one thread, one history and head at a time.
class Worker {
    const Shape shape;
    const Inputs in;
    const Dropout dropout;
    const int64_t size, stride, width; // width: of a head's vector, padded
    const float scale;
    int64_t length = 0; // of the history, padded
    std::vector<float> key_columns, value_columns, key_rows, value_rows, query_rows, gradient_rows;
    std::vector<float> fractions, score_gradients, key_gradients, value_gradients;
    // What is added by distance, (heads, by_distance), from the largest distance to 0, and its gradients.
    const int64_t by_distance;
    std::vector<float> distance_scores, distance_gradients;

    // Copies n vectors, each padded with zeros.
    void pack_rows(const float *from, int64_t n, std::vector<float> &to) const {
        for (int64_t i = 0; i < n; ++i) copy(from + i * stride, size, &to[i * width]);
    }

    void unpack_rows(const std::vector<float> &from, int64_t n, float *to) const {
        for (int64_t i = 0; i < n; ++i) copy(&from[i * width], size, to + i * stride);
    }

    // Copies the vectors of a history as columns.
    void pack_columns(const float *from, int64_t n, std::vector<float> &to) const {
        for (int64_t i = 0; i < n; ++i)
            for (int64_t j = 0; j < size; ++j) to[j * length + i] = from[i * stride + j];
        for (int64_t j = 0; j < size; ++j) std::fill(to.data() + j * length + n, to.data() + (j + 1) * length, 0.0f);
    }

    // Returns a function that writes sums to vectors that are not padded.
    auto write_vectors(float *to) const {
        return [this, to](int row, int column, const Vector &sums) {
            float numbers[LANES];
            store(numbers, sums);
            const int64_t n = std::min<int64_t>(LANES, size - column);
            if (n == LANES) store(to + row * stride + column, sums);
            else std::copy(numbers, numbers + n, to + row * stride + column);
        };
    }

    // Returns a function that reads rows of padded vectors.
    auto from_rows(const std::vector<float> &rows) const {
        return [this, &rows](int row, int column) { return load(&rows[row * width + column]); };
    }

    // Where the number for a history's first event lies in distance_scores; those for later events follow.
    int64_t distance_offset(int64_t head, int64_t query) const { return head * by_distance + shape.width - 1 - query; }

    // Writes the scores of n queries for the first events, with IMPOSSIBLE for those that come later.
    void compute_scores(const float *queries, int64_t head, int64_t start, int64_t n, int64_t n_columns) {
        const auto scaled = [this](int, int, const Vector &sums) { return sums * scale; };
        multiply({queries, int(stride), 1}, n, size, key_columns.data(), length, n_columns, from_zero,
                 write_to(fractions.data(), n_columns, scaled));
        for (int64_t i = 0; i < n; ++i) {
            float *scores = &fractions[i * n_columns];
            if (in.distances) {
                const float *numbers = &distance_scores[distance_offset(head, start + i)];
                for (int64_t j = 0; j < n_columns; j += LANES) store(scores + j, load(scores + j) + load(numbers + j));
            }
            std::fill(scores + start + i + 1, scores + n_columns, IMPOSSIBLE);
        }
    }

    // Turns scores into exponentials, and returns the logarithm of their sum and its reciprocal.
    static void exponentiate(float *scores, int64_t n, float &log_sum, float &reciprocal) {
        Vector largest = load(scores), total{};
        for (int64_t j = LANES; j < n; j += LANES) {
            const Vector next = load(scores + j);
            largest = largest > next ? largest : next;
        }
        const float maximum = highest(largest);
        for (int64_t j = 0; j < n; j += LANES) {
            const Vector power = exponential(load(scores + j) - maximum);
            store(scores + j, power);
            total += power;
        }
        const float all = sum(total);
        log_sum = maximum + std::log(all), reciprocal = 1 / all;
    }

    // The number of an event and head, by which random numbers differ.
    uint32_t number(int64_t event, int64_t head) const { return event * shape.heads + head; }

  public:
    Worker(const Shape &shape, const Inputs &in, const Dropout &dropout)
        : shape(shape), in(in), dropout(dropout), size(shape.size), stride(shape.stride()), width(padded(size)),
          scale(1 / std::sqrt(float(size))), by_distance(shape.width + padded(shape.width)) {
        if (in.distances) {
            for (auto *numbers : {&distance_scores, &distance_gradients}) numbers->resize(shape.heads * by_distance);
            for (int64_t head = 0; head < shape.heads; ++head)
                std::reverse_copy(in.distances + head * shape.width, in.distances + (head + 1) * shape.width,
                                  distance_scores.data() + head * by_distance);
        }
        const int64_t longest = padded(shape.width);
        for (auto *columns : {&key_columns, &value_columns}) columns->resize(size * longest);
        for (auto *rows : {&key_rows, &value_rows, &key_gradients, &value_gradients}) rows->resize(longest * width);
        for (auto *rows : {&query_rows, &gradient_rows}) rows->resize(QUERIES * width);
        for (auto *rows : {&fractions, &score_gradients}) rows->resize(QUERIES * longest);
    }

    void attend(const History &history, int64_t head, const Outputs &out) {
        const int64_t offset = history.first * stride + head * size;
        length = padded(history.n);
        pack_columns(in.keys + offset, history.n, key_columns);
        pack_rows(in.values + offset, history.n, value_rows);
        for (int64_t start = 0; start < history.n; start += QUERIES) {
            const int64_t n = std::min(QUERIES, history.n - start), n_columns = padded(start + n);
            compute_scores(in.queries + offset + start * stride, head, start, n, n_columns);
            for (int64_t i = 0; i < n; ++i) {
                const uint32_t row = number(history.first + start + i, head);
                float *fraction = &fractions[i * n_columns], reciprocal;
                exponentiate(fraction, n_columns, out.log_sums[row], reciprocal);
                dropout.for_row(row, n_columns, [&](int64_t j, const Vector &factors) {
                    store(fraction + j, load(fraction + j) * factors * reciprocal);
                });
            }
            multiply({fractions.data(), int(n_columns), 1}, n, start + n, value_rows.data(), width, width, from_zero,
                     write_vectors(out.attended + offset + start * stride));
        }
    }

    void differentiate(const History &history, int64_t head, const Outputs &out, const Gradients &gradients) {
        const int64_t offset = history.first * stride + head * size;
        length = padded(history.n);
        pack_columns(in.keys + offset, history.n, key_columns);
        pack_columns(in.values + offset, history.n, value_columns);
        pack_rows(in.keys + offset, history.n, key_rows);
        std::fill(key_gradients.begin(), key_gradients.end(), 0.0f);
        std::fill(value_gradients.begin(), value_gradients.end(), 0.0f);
        for (int64_t start = 0; start < history.n; start += QUERIES) {
            const int64_t n = std::min(QUERIES, history.n - start), end = start + n, n_columns = padded(end);
            const int64_t from = offset + start * stride;
            const float *gradient = gradients.attended + from;
            pack_rows(in.queries + from, n, query_rows);
            pack_rows(gradient, n, gradient_rows);
            compute_scores(in.queries + from, head, start, n, n_columns);
            multiply({gradient, int(stride), 1}, n, size, value_columns.data(), length, n_columns, from_zero,
                     write_to(score_gradients.data(), n_columns, unchanged));
            for (int64_t i = 0; i < n; ++i) {
                // The softmax's gradient is p (g - Σ p g), and Σ p g is the product of the result and its gradient.
                const float mean = dot(gradient + i * stride, out.attended + from + i * stride, size);
                const uint32_t row = number(history.first + start + i, head);
                const float log_sum = out.log_sums[row];
                float *fraction = &fractions[i * n_columns], *score_gradient = &score_gradients[i * n_columns];
                float *distance_gradient = in.distances ? &distance_gradients[distance_offset(head, start + i)] : nullptr;
                dropout.for_row(row, n_columns, [&](int64_t j, const Vector &factors) {
                    const Vector share = exponential(load(fraction + j) - log_sum);
                    const Vector of_score = share * (load(score_gradient + j) * factors - mean);
                    store(fraction + j, share * factors);
                    store(score_gradient + j, of_score * scale);
                    if (distance_gradient) store(distance_gradient + j, load(distance_gradient + j) + of_score);
                });
            }
            multiply({score_gradients.data(), int(n_columns), 1}, n, end, key_rows.data(), width, width, from_zero,
                     write_vectors(gradients.queries + from));
            multiply({score_gradients.data(), 1, int(n_columns)}, end, n, query_rows.data(), width, width,
                     from_rows(key_gradients), write_to(key_gradients.data(), width, unchanged));
            multiply({fractions.data(), 1, int(n_columns)}, end, n, gradient_rows.data(), width, width,
                     from_rows(value_gradients), write_to(value_gradients.data(), width, unchanged));
        }
        unpack_rows(key_gradients, history.n, gradients.keys + offset);
        unpack_rows(value_gradients, history.n, gradients.values + offset);
    }

    // Writes what has been added up for the distances, (heads, width).
    void write_distance_gradients(float *to) const {
        for (int64_t head = 0; head < shape.heads; ++head) {
            const float *from = distance_gradients.data() + head * by_distance;
            std::reverse_copy(from, from + shape.width, to + head * shape.width);
        }
    }
};

// Calls work(worker, history, head) for all histories and heads, the rows divided among threads, and
// finish(worker, thread) at the end of each thread.
template <typename Work, typename Finish>
void on_histories(const Shape &shape, const Inputs &in, const Dropout &dropout, int n_threads, const Work &work,
                  const Finish &finish) {
    on_threads(n_threads, [&](int thread) {
        Worker worker(shape, in, dropout);
        for (int64_t row = shape.rows * thread / n_threads; row < shape.rows * (thread + 1) / n_threads; ++row)
            for_histories(in.owners, row, shape.width, [&](const History &history) {
                for (int64_t head = 0; head < shape.heads; ++head) work(worker, history, head);
            });
        finish(worker, thread);
    });
}

} // namespace

extern "C" void attention_attend(const Shape *shape, const Inputs *in, const Dropout *dropout, int32_t n_threads,
                                 const Outputs *out) {
    on_histories(*shape, *in, *dropout, n_threads, [=](Worker &worker, const History &history, int64_t head) {
        worker.attend(history, head, *out);
    }, [](Worker &, int) {});
}

extern "C" void attention_differentiate(const Shape *shape, const Inputs *in, const Dropout *dropout,
                                        int32_t n_threads, const Outputs *out, const Gradients *gradients) {
    on_histories(*shape, *in, *dropout, n_threads, [=](Worker &worker, const History &history, int64_t head) {
        worker.differentiate(history, head, *out, *gradients);
    }, [=](Worker &worker, int thread) {
        if (in->distances) worker.write_distance_gradients(gradients->distances + thread * shape->heads * shape->width);
    });
}
