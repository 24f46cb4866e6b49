// Products of matrices in bfloat16 by a processor's matrix unit (AMX).
#pragma once

#include <atomic>

#include "half_tiles.h"

// The matrix unit, which is prepared for the calling thread as long as this object exists. Registers
// 0 to 3 hold a block of 2 x 2 tiles of sums.
class MatrixUnit {
    struct alignas(64) Shapes {
        uint8_t palette = 1, start_row = 0, unused[14] = {};
        uint16_t row_bytes[16] = {};
        uint8_t rows[16] = {};
    };

    Tile<float> sums[4];

    static void load(const Tile<float> *c, int64_t columns) {
        _tile_loadd(0, c, 64);
        _tile_loadd(1, c + 1, 64);
        _tile_loadd(2, c + columns, 64);
        _tile_loadd(3, c + columns + 1, 64);
    }

    static void store(Tile<float> *c, int64_t columns) {
        _tile_stored(0, c, 64);
        _tile_stored(1, c + 1, 64);
        _tile_stored(2, c + columns, 64);
        _tile_stored(3, c + columns + 1, 64);
    }

    static void add(const Product &product) {
        const Tile<Half> *a = product.a, *b = product.b;
        for (int64_t i = 0; i < product.depth; ++i, ++a, b += product.b_columns) {
            _tile_loadd(4, a, 64);
            _tile_loadd(5, a + product.a_columns, 64);
            _tile_loadd(6, b, 64);
            _tile_loadd(7, b + 1, 64);
            _tile_dpbf16ps(0, 4, 6);
            _tile_dpbf16ps(1, 4, 7);
            _tile_dpbf16ps(2, 5, 6);
            _tile_dpbf16ps(3, 5, 7);
        }
    }

    // Makes the compiler write to memory, before the unit reads it, what it has written.
    static void fence() { std::atomic_signal_fence(std::memory_order_seq_cst); }

  public:
    MatrixUnit() {
        Shapes shapes;
        for (int tile = 0; tile < 8; ++tile) shapes.row_bytes[tile] = 64, shapes.rows[tile] = TILE;
        _tile_loadconfig(&shapes);
    }
    ~MatrixUnit() { _tile_release(); }

    // Begins to compute a product. The unit works on it while the processor does other things.
    void start(const Product &product) {
        fence();
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
        add(product);
    }

    // Returns the 2 x 2 tiles of the product that was begun last, which are valid until the next call.
    Tile<float> *finish() {
        store(sums, 2);
        return sums;
    }

    // Adds a product to the 2 x 2 tiles at c, whose rows are `columns` tiles apart.
    void add_to(Tile<float> *c, int64_t columns, const Product &product) {
        fence();
        load(c, columns);
        add(product);
        store(c, columns);
    }
};
