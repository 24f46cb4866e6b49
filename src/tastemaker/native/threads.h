// Runs work on several threads.
#pragma once

#include <thread>
#include <vector>

// Calls work(0), …, work(n - 1) on n threads, one of which is the calling thread.
template <typename Work> void on_threads(int n, Work work) {
    std::vector<std::thread> threads;
    for (int t = 1; t < n; ++t) threads.emplace_back(work, t);
    work(0);
    for (std::thread &thread : threads) thread.join();
}
