// What heatmap_nms puts into a pixel.
#pragma once

#include "core/dtype.h"
#include "core/host_device.h"

namespace pyposeops {

// 0 of every floating type has no bit set.
template <class T>
POSEOPS_HD T kept_if_peak(bool is_peak, const T* value) {
    return is_peak ? *value : T{};
}

}  // namespace pyposeops
