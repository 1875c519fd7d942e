// The pose that starts from one peak: along the edges, first against their direction, then with it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "core/heatmap_pixels.h"
#include "core/product.h"
#include "ops/personlab_decode/personlab_decode.h"

namespace pyposeops {

POSEOPS_HD float to_even(float value) { return rintf(value); }
POSEOPS_HD double to_even(double value) { return rint(value); }

template <class Real>
POSEOPS_HD bool is_number(Real value) {
    return value - value == Real(0);
}

// The index nearest to a finite coordinate of the image, halves to the even one, within the map.
template <class Real>
POSEOPS_HD int32_t nearest_index(Real coord, Real stride, int32_t size) {
    const Real index = coord / stride;
    const Real last = static_cast<Real>(size - 1);
    return static_cast<int32_t>(to_even(index < Real(0) ? Real(0) : index > last ? last : index));
}

template <class Real>
struct ImagePoint {
    Real x;
    Real y;

    POSEOPS_HD bool is_finite() const { return is_number(x) && is_number(y); }
};

// The vector of joint or edge `index` at the pixel nearest to the point.
template <class T, class Real>
POSEOPS_HD ImagePoint<Real> vector_at(const TensorView& vectors, int64_t b, int64_t index, int32_t x,
                                      int32_t y) {
    return {heatmap_pixels<T>(vectors, b, 2 * index).at(x, y),
            heatmap_pixels<T>(vectors, b, 2 * index + 1).at(x, y)};
}

template <class T, class Real = compute_t<T>>
struct PoseGrowth {
    const PersonlabPosesArgs& args;
    int64_t image;
    Real* pose;  // (K, 3)
    Real stride;
    int32_t height;
    int32_t width;

    POSEOPS_HD bool has(int64_t joint) const { return is_number(pose[3 * joint]); }

    POSEOPS_HD void place(int64_t joint, ImagePoint<Real> point, Real score) {
        if (!point.is_finite() || !is_number(score)) return;
        pose[3 * joint] = point.x;
        pose[3 * joint + 1] = point.y;
        pose[3 * joint + 2] = score;
    }

    // Where the pixel says that the joint is.
    POSEOPS_HD ImagePoint<Real> joint_at(int64_t joint, int32_t x, int32_t y) const {
        const ImagePoint<Real> offset = vector_at<T, Real>(args.offsets, image, joint, x, y);
        return {rounded_product(static_cast<Real>(x), stride) + offset.x,
                rounded_product(static_cast<Real>(y), stride) + offset.y};
    }

    POSEOPS_HD void follow(const TensorView& displacements, int64_t edge, int64_t from, int64_t to) {
        if (!has(from) || has(to)) return;
        ImagePoint<Real> point = {pose[3 * from], pose[3 * from + 1]};
        const ImagePoint<Real> step =
            vector_at<T, Real>(displacements, image, edge, nearest_index(point.x, stride, width),
                               nearest_index(point.y, stride, height));
        point = {point.x + step.x, point.y + step.y};
        for (int32_t i = 0; i < args.refine_steps && point.is_finite(); ++i) {
            point =
                joint_at(to, nearest_index(point.x, stride, width), nearest_index(point.y, stride, height));
        }
        if (!point.is_finite()) return;
        const HeatmapPixels<T> map = heatmap_pixels<T>(args.heatmaps, image, to);
        place(to, point,
              map.at(nearest_index(point.x, stride, width), nearest_index(point.y, stride, height)));
    }
};

// Peak p of joint k of image b.
template <class T>
POSEOPS_HD void grow_pose(const PersonlabPosesArgs& args, int64_t b, int64_t k, int64_t p) {
    using Real = compute_t<T>;
    const int64_t joint = b * args.joints() + k;
    if (p >= args.counts.as<int64_t>()[joint]) return;
    const int64_t entry = joint * args.most_peaks() + p;
    const Real* const peak = args.candidates.as<Real>() + 3 * entry;
    PoseGrowth<T> growth = {args,
                            b,
                            args.poses.as<Real>() + 3 * args.joints() * entry,
                            static_cast<Real>(args.stride_px),
                            static_cast<int32_t>(args.heatmaps.shape[2]),
                            static_cast<int32_t>(args.heatmaps.shape[3])};
    for (int64_t i = 0; i < 3 * args.joints(); ++i) {
        growth.pose[i] = std::numeric_limits<Real>::quiet_NaN();
    }
    growth.place(k, growth.joint_at(k, static_cast<int32_t>(peak[0]), static_cast<int32_t>(peak[1])),
                 peak[2]);
    for (int32_t e = args.edge_count - 1; e >= 0; --e) {
        growth.follow(args.backward, e, args.edges[e].end, args.edges[e].start);
    }
    for (int32_t e = 0; e < args.edge_count; ++e) {
        growth.follow(args.forward, e, args.edges[e].start, args.edges[e].end);
    }
}

}  // namespace pyposeops
