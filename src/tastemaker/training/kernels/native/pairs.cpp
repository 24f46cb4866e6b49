// Minibatch Adam on positives and their negatives: exact gradients, many batches a call.
//
// A batch is cut into tiles that stay in a core's cache, forward and backward. Each thread keeps
// its own sums for the weights; the rows of the tables are shared out among the threads, so that
// nobody writes where another does.


#include <thread>

#include "adam.h"
#include "barrier.h"
#include "tile.h"

namespace {

// The rows of a table, dealt to the threads in blocks; the gradient is dense and zero in between.
class Table {
    const Parameter &table;
    Floats gradient;
    std::vector<std::vector<int64_t>> touched;
    std::vector<char> is_touched;
    static constexpr int64_t BLOCK = 16;

  public:
    Table(const Parameter &table, int n_threads, bool lazy)
        : table(table), gradient(table.size()), touched(n_threads),
          is_touched(lazy ? table.rows : 0) {}

    // Adds this thread's part of (n, columns) rows, and moves its rows of the table.
    void step(const int64_t *codes, int64_t n, const float *rows, const AdamStep &adam, int thread) {
        const int64_t n_threads = touched.size();
        const bool lazy = !is_touched.empty();
        for (int64_t i = 0; i < n; ++i) {
            if (codes[i] / BLOCK % n_threads != thread) continue;
            float *to = &gradient[codes[i] * table.columns];
            for (int64_t d = 0; d < table.columns; ++d) to[d] += rows[i * table.columns + d];
            if (lazy && !is_touched[codes[i]]) {
                is_touched[codes[i]] = true;
                touched[thread].push_back(codes[i]);
            }
        }
        if (lazy) {
            for (int64_t row : touched[thread]) {
                const float *of_row = &gradient[row * table.columns];
                if (std::any_of(of_row, of_row + table.columns, [](float g) { return g != 0; }))
                    move(row, 1, adam);
                is_touched[row] = false;
            }
            touched[thread].clear();
            return;
        }
        for (int64_t row = thread * BLOCK; row < table.rows; row += n_threads * BLOCK)
            move(row, std::min(BLOCK, table.rows - row), adam);
    }

  private:
    void move(int64_t row, int64_t n, const AdamStep &adam) {
        adam.update(table, row * table.columns, n * table.columns, &gradient[row * table.columns]);
    }
};

class Training {
    const Network &net;
    const Adam &adam;
    const Batch &all;
    const int64_t batch_size;
    const int n_threads;
    Gradients gradients;
    Table users, items, item_biases;
    std::vector<Floats> of_weights;
    std::vector<double> costs;
    Barrier together;

  public:
    Training(const Network &net, const Adam &adam, const Batch &all, int64_t batch_size,
             int n_threads)
        : net(net), adam(adam), all(all), batch_size(batch_size), n_threads(n_threads),
          users(net.users, n_threads, adam.lazy), items(net.items, n_threads, adam.lazy),
          item_biases(net.item_biases, n_threads, adam.lazy),
          of_weights(n_threads, Floats(net.n_dense())), costs(n_threads), together(n_threads) {
        const int64_t n = std::min(batch_size, all.n), samples = n * all.columns;
        gradients.users.resize(n * net.users.columns);
        gradients.items.resize(samples * net.items.columns);
        gradients.scores.resize(samples);
    }

    double run() {
        std::vector<std::thread> threads;
        for (int t = 1; t < n_threads; ++t) threads.emplace_back([this, t] { work(t); });
        work(0);
        for (std::thread &thread : threads) thread.join();
        double cost = 0;
        for (double of_thread : costs) cost += of_thread;
        return cost;
    }

  private:
    void work(int thread) {
        Tile tile(net, all.columns);
        for (int64_t first = 0, nth = 0; first < all.n; first += batch_size, ++nth) {
            const Batch batch = all.part(first, std::min(batch_size, all.n - first));
            const int64_t from = batch.n * thread / n_threads, to = batch.n * (thread + 1) / n_threads;
            tile.begin();
            for (int64_t at = from; at < to; at += tile.positives)
                costs[thread] += tile.run(batch, at, std::min<int64_t>(tile.positives, to - at), gradients);
            tile.end(of_weights[thread].data());
            together.wait();
            const AdamStep adam_step(adam, nth);
            users.step(batch.users, batch.n, gradients.users.data(), adam_step, thread);
            const int64_t samples = batch.n * batch.columns;
            items.step(batch.items, samples, gradients.items.data(), adam_step, thread);
            if (net.item_biases.rows)
                item_biases.step(batch.items, samples, gradients.scores.data(), adam_step, thread);
            move_weights(adam_step, thread);
            together.wait();
        }
    }

    // This thread's part of each weight: the threads' sums together, then the step.
    void move_weights(const AdamStep &adam_step, int thread) {
        int64_t start = 0;
        for (int64_t w = 0; w < net.n_weights; start += net.weights[w++].size()) {
            const int64_t size = net.weights[w].size();
            const int64_t from = size * thread / n_threads, to = size * (thread + 1) / n_threads;
            float *sum = &of_weights[0][start];
            for (int other = 1; other < n_threads; ++other)
                for (int64_t i = from; i < to; ++i) sum[i] += of_weights[other][start + i];
            adam_step.update(net.weights[w], from, to - from, sum + from);
        }
    }
};

} // namespace

// Trains on all positives, batch after batch; gives the sum of the batches' costs.
extern "C" double train(const Network *network, const Adam *adam, const Batch *positives,
                        int64_t batch_size, int32_t n_threads) {
    return Training(*network, *adam, *positives, batch_size, n_threads).run();
}
