// A barrier for threads that wait for each other several thousand times a second.
#pragma once

#include <atomic>
#include <thread>

// Putting a thread to sleep and waking it takes longer than most waits here, so a thread spins. A
// long spin would keep the core from other threads, perhaps from the very thread that it waits for,
// so after MAX_SPINS checks the thread yields between checks.
class Barrier {
    const int n_threads;
    std::atomic<int> arrived{0}, round{0};
    static constexpr int MAX_SPINS = 1000;

  public:
    explicit Barrier(int n_threads) : n_threads(n_threads) {}

    void wait() {
        const int this_round = round.load();
        if (arrived.fetch_add(1) + 1 == n_threads) {
            arrived.store(0);
            round.store(this_round + 1);
            return;
        }
        for (int spin = 0; round.load(std::memory_order_acquire) == this_round; ++spin)
            if (spin > MAX_SPINS) std::this_thread::yield();
    }
};
