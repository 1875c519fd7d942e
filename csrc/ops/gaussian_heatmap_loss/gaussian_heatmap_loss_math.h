// The target of gaussian_heatmap_loss at one pixel, from the Gaussians of the joints (core/gaussian.h).
#pragma once

#include "core/host_device.h"

namespace pyposeops {

// The joint itself and, weighted with mu, the same joint of other people: T + mu C of CrowdPose (Li et al., CVPR 2019,
// section 3.1).
template <class Real>
POSEOPS_HD Real with_interference(Real own, Real others, Real mu) {
    return own + mu * others;
}

}  // namespace pyposeops
