// A tensor by value: pointer, shape, strides, type, device. Owns nothing; valid while the caller's tensor lives.
#pragma once

#include <cstdint>

#include "core/dtype.h"
#include "core/host_device.h"

namespace pyposeops {

constexpr int kMaxRank = 6;

enum class DeviceType : int32_t { kCpu, kCuda };

struct Device {
    DeviceType type = DeviceType::kCpu;
    int32_t index = 0;
};

struct TensorView {
    void* data = nullptr;
    int64_t shape[kMaxRank] = {};
    int64_t strides[kMaxRank] = {};  // in elements; arbitrary where the size is 1
    int32_t rank = 0;
    DType dtype = DType::kFloat32;
    Device device;

    POSEOPS_HD int64_t numel() const {
        int64_t count = 1;
        for (int32_t d = 0; d < rank; ++d) count *= shape[d];
        return count;
    }

    template <class T>
    POSEOPS_HD T* as() const {
        return static_cast<T*>(data);
    }

    // Sizes of 1 never constrain a stride: torch leaves arbitrary values there.
    POSEOPS_HD bool has_unit_stride(int32_t dim) const { return shape[dim] <= 1 || strides[dim] == 1; }

    POSEOPS_HD bool is_contiguous() const {
        if (numel() == 0) return true;
        int64_t expected = 1;
        for (int32_t d = rank - 1; d >= 0; --d) {
            if (shape[d] != 1 && strides[d] != expected) return false;
            expected *= shape[d];
        }
        return true;
    }

    // (B, C, H, W) stored as dense (B, H, W, C).
    POSEOPS_HD bool is_channels_last() const {
        if (rank != 4) return false;
        TensorView stored = *this;
        for (int32_t d = 1; d < 4; ++d) {
            const int32_t from = d == 3 ? 1 : d + 1;
            stored.shape[d] = shape[from];
            stored.strides[d] = strides[from];
        }
        return stored.is_contiguous();
    }
};

}  // namespace pyposeops
