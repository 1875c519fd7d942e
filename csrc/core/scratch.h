// A thread's working rows: small buffers on the stack, larger ones from the heap.
#pragma once

#include <cstdint>
#include <cstdlib>

#include "core/host_device.h"

namespace pyposeops {

// `count` uninitialised elements. Not a std::vector: its functions would be compiled per instruction set and
// then merged by the linker. Running out of memory for a few rows ends the process, as it cannot be reported
// from a worker thread.
template <class T, int64_t kInlineCount = 1024>
class Scratch {
  public:
    POSEOPS_INLINE explicit Scratch(int64_t count) : data_(inline_) {
        if (count <= kInlineCount) return;
        data_ = static_cast<T*>(std::malloc(static_cast<size_t>(count) * sizeof(T)));
        if (data_ == nullptr) std::abort();
    }
    POSEOPS_INLINE ~Scratch() {
        if (data_ != inline_) std::free(data_);
    }
    Scratch(const Scratch&) = delete;
    Scratch& operator=(const Scratch&) = delete;

    POSEOPS_INLINE T* data() { return data_; }
    POSEOPS_INLINE T& operator[](int64_t i) { return data_[i]; }

  private:
    alignas(64) T inline_[kInlineCount];
    T* data_;
};

}  // namespace pyposeops
