// Minibatch Adam on positives and their negatives: exact gradients, many batches per call.
//
// A batch is divided into tiles that stay in a core's cache, forward and backward. Each thread has
// its own sums for the gradients of the weights. The rows of the tables are divided among the
// threads, so that no two threads write to the same row.

#include "barrier.h"
#include "table.h"
#include "threads.h"
#include "tile.h"

namespace {

class Training {
    const std::vector<Parameter> weights;
    const Network net;
    const Adam adam;
    const int64_t batch_size;
    const int n_threads;
    // The steps of this epoch, including those of the current chunk.
    Steps steps;
    Table users, items, item_biases;
    std::vector<Floats> weight_gradients;
    std::vector<double> losses;
    Gradients gradients;
    Barrier barrier;

  public:
    Training(const Network &net, const Adam &adam, int64_t batch_size, int64_t columns,
             int n_threads)
        : weights(net.weights, net.weights + net.n_weights), net(net.with(weights.data())),
          adam(adam), batch_size(batch_size), n_threads(n_threads),
          steps(this->adam), users(net.users, this->adam, steps, batch_size, n_threads),
          items(net.items, this->adam, steps, batch_size * columns, n_threads),
          item_biases(net.item_biases, this->adam, steps, batch_size * columns, n_threads),
          weight_gradients(n_threads, Floats(net.n_dense())), losses(n_threads), barrier(n_threads) {}

    // Trains on a chunk of batches, and returns the sum of their losses.
    double run(const Batch &chunk, const double *learning_rates) {
        const int64_t n = std::min(batch_size, chunk.n), n_batches = (chunk.n - 1) / batch_size + 1;
        gradients.users.resize(n * net.users.columns);
        gradients.items.resize(n * chunk.columns * net.items.columns);
        gradients.scores.resize(n * chunk.columns);
        const int64_t first_step = steps.size();
        for (int64_t b = 0; b < n_batches; ++b) steps.add(learning_rates[b]);
        losses.assign(n_threads, 0);
        at_once(n_threads, [&](int thread) { work(chunk, first_step, thread); });
        double loss = 0;
        for (double thread_loss : losses) loss += thread_loss;
        return loss;
    }

    // All rows take the steps that they missed.
    void finish() {
        on_threads(n_threads, [&](int thread) {
            users.catch_up(steps.size(), thread);
            items.catch_up(steps.size(), thread);
            item_biases.catch_up(steps.size(), thread);
        });
    }

  private:
    void work(const Batch &chunk, int64_t step_index, int thread) {
        Tile tile(net, chunk.columns);
        Batch batch = chunk.part(0, batch_size);
        catch_up(batch, step_index, thread);
        barrier.wait();
        for (int64_t first = 0; first < chunk.n; first += batch_size, ++step_index) {
            const int64_t from = batch.n * thread / n_threads, to = batch.n * (thread + 1) / n_threads;
            tile.load_weights();
            for (int64_t at = from; at < to; at += tile.positives)
                losses[thread] += tile.run(batch, at, std::min<int64_t>(tile.positives, to - at), gradients);
            tile.write_gradients(weight_gradients[thread].data());
            barrier.wait();
            step(batch, step_index, thread);
            batch = chunk.part(first + batch_size, batch_size);
            catch_up(batch, step_index + 1, thread);
            barrier.wait();
        }
    }

    void catch_up(const Batch &batch, int64_t n_steps, int thread) {
        const int64_t samples = batch.n * batch.columns;
        users.catch_up(batch.users, batch.n, n_steps, thread);
        items.catch_up(batch.items, samples, n_steps, thread);
        if (net.item_biases.rows) item_biases.catch_up(batch.items, samples, n_steps, thread);
    }

    void step(const Batch &batch, int64_t step_index, int thread) {
        users.step(batch.users, gradients.users.data(), step_index, thread);
        items.step(batch.items, gradients.items.data(), step_index, thread);
        if (net.item_biases.rows) item_biases.step(batch.items, gradients.scores.data(), step_index, thread);
        int64_t start = 0;
        for (const Parameter &weight : weights) {
            // For this thread's part of the weights, adds up the sums of all threads and takes the
            // step.
            const int64_t from = weight.size() * thread / n_threads;
            const int64_t to = weight.size() * (thread + 1) / n_threads;
            float *sum = &weight_gradients[0][start];
            for (int other = 1; other < n_threads; ++other)
                for (int64_t i = from; i < to; ++i) sum[i] += weight_gradients[other][start + i];
            move(weight, from, to - from, sum + from, steps[step_index]);
            start += weight.size();
        }
    }
};

} // namespace

// One epoch of training: pairs_begin, pairs_train for each chunk of batches, pairs_finish, and
// pairs_discard.
extern "C" Training *pairs_begin(const Network *network, const Adam *adam, int64_t batch_size,
                           int64_t columns, int32_t n_threads) {
    return new Training(*network, *adam, batch_size, columns, n_threads);
}

extern "C" double pairs_train(Training *training, const Batch *chunk, const double *learning_rates) {
    return training->run(*chunk, learning_rates);
}

extern "C" void pairs_finish(Training *training) { training->finish(); }

extern "C" void pairs_discard(Training *training) { delete training; }

// Computes the scores (n, columns) of a batch.
extern "C" void pairs_score(const Network *network, const Batch *batch, int32_t n_threads, float *scores) {
    on_threads(n_threads, [=](int thread) {
        Tile tile(*network, batch->columns);
        tile.load_weights();
        const int64_t from = batch->n * thread / n_threads, to = batch->n * (thread + 1) / n_threads;
        for (int64_t at = from; at < to; at += tile.positives)
            tile.scores_of(*batch, at, std::min<int64_t>(tile.positives, to - at), scores + at * batch->columns);
    });
}

// Computes the scores (n, n_items) of all n users of the network for every item.
extern "C" void pairs_score_catalog(const Network *network, int32_t n_threads, float *scores) {
    const int64_t n_items = network->items.rows, n_users = network->users.rows;
    const int64_t n_blocks = (n_items - 1) / Tile::SAMPLES + 1;
    on_threads(n_threads, [=](int thread) {
        Tile tile(*network, Tile::SAMPLES);
        tile.load_weights();
        const int64_t from = n_blocks * thread / n_threads, to = n_blocks * (thread + 1) / n_threads;
        for (int64_t block = from; block < to; ++block) {
            const int64_t first = block * Tile::SAMPLES, n = std::min<int64_t>(Tile::SAMPLES, n_items - first);
            for (int64_t user = 0; user < n_users; ++user)
                tile.scores_from(user, first, n, scores + user * n_items + first);
        }
    });
}

// Computes the gradients of the losses of n users' histories with respect to the users' vectors,
// in the shape of those vectors.
extern "C" void pairs_user_gradients(const Network *network, const Histories *histories, int32_t n_threads, float *gradients) {
    on_threads(n_threads, [=](int thread) {
        Tile tile(*network, histories->columns);
        tile.load_weights();
        const int64_t from = histories->n * thread / n_threads, to = histories->n * (thread + 1) / n_threads;
        for (int64_t user = from; user < to; ++user) {
            float *user_gradient = gradients + user * network->users.columns;
            std::fill_n(user_gradient, network->users.columns, 0.0f);
            for (int64_t first = 0; first < histories->width; first += tile.positives)
                tile.add_user_gradient(user, *histories, first, std::min<int64_t>(tile.positives, histories->width - first), user_gradient);
        }
    });
}
