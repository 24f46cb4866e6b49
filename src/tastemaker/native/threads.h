// Work for several threads.
#pragma once

#include <thread>
#include <vector>

// Calls work with 0, 1, … on so many threads, this one among them.
template <typename Work> void on_threads(int n, Work work) {
    std::vector<std::thread> threads;
    for (int t = 1; t < n; ++t) threads.emplace_back(work, t);
    work(0);
    for (std::thread &thread : threads) thread.join();
}
