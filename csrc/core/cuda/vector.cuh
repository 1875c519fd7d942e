// Loads and stores of 16 bytes.
#pragma once

namespace pyposeops {

// 16 bytes of elements, moved at once.
template <class T>
struct alignas(16) Vector {
    static constexpr int kSize = 16 / sizeof(T);
    T values[kSize];
};

}  // namespace pyposeops
