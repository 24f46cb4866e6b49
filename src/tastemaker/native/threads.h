// Runs work on several threads.
#pragma once

#include <thread>
#include <vector>

// Calls work(0), …, work(n - 1) at the same time, each on a thread of its own, so that they can wait for each other.
// One of them is the calling thread.
template <typename Work> void at_once(int n, const Work &work) {
    std::vector<std::thread> threads;
    for (int t = 1; t < n; ++t) threads.emplace_back([&work, t] { work(t); });
    work(0);
    for (std::thread &thread : threads) thread.join();
}

#ifdef __linux__
#include <pthread.h>

// The OpenMP runtime that PyTorch has loaded; null if its build has none with GCC's interface.
extern "C" {
__attribute__((weak)) void GOMP_parallel(void (*work)(void *), void *argument, unsigned n_threads, unsigned flags);
__attribute__((weak)) int omp_get_thread_num();
__attribute__((weak)) int omp_get_num_threads();
}

// In a forked child, OpenMP would wait for ever for the threads of its parent.
inline bool is_forked = false;
inline const int fork_handler = pthread_atfork(nullptr, nullptr, [] { is_forked = true; });
#endif

// Calls work(0), …, work(n - 1), in any order and perhaps at the same time.
//
// It runs on the threads on which PyTorch computes, where that is possible: threads that are started
// for each call take longer to start than many calls take, and share the cores with those of
// PyTorch, which wait actively for a while after each operation.
template <typename Work> void on_threads(int n, const Work &work) {
#ifdef __linux__
    if (n > 1 && GOMP_parallel && !is_forked) {
        struct Parts {
            int n;
            const Work &work;
        } parts{n, work};
        const auto run = [](void *argument) {
            const Parts &all = *static_cast<Parts *>(argument);
            const int n_threads = omp_get_num_threads();
            for (int part = omp_get_thread_num(); part < all.n; part += n_threads) all.work(part);
        };
        // On all threads (0), as PyTorch does: fewer would end the others, to be started again later.
        GOMP_parallel(run, &parts, 0, 0);
        return;
    }
#endif
    at_once(n, work);
}
