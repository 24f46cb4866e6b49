// A barrier for threads that wait for each other several thousand times a second.
#pragma once

#include <atomic>
#include <thread>

// Putting a thread to sleep and waking it takes longer than most waits here, so a thread spins. A
// long spin would keep the core from other threads, perhaps from the very thread that it waits for,
// so after LOOKS checks the thread yields between checks.
class Barrier {
    const int n_threads;
    std::atomic<int> arrived{0}, round{0};
    static constexpr int LOOKS = 1000;

  public:
    explicit Barrier(int n_threads) : n_threads(n_threads) {}

    void wait() {
        const int now = round.load();
        if (arrived.fetch_add(1) + 1 == n_threads) {
            arrived.store(0);
            round.store(now + 1);
            return;
        }
        for (int look = 0; round.load(std::memory_order_acquire) == now; ++look)
            if (look > LOOKS) std::this_thread::yield();
    }
};
