// The gradient of gaussian_heatmap's unbiased encoding on the CPU: one pass over the incoming gradient, row
// by row.
#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Map elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

// Sums over a map of g * go, weighted with (x - cx), (y - cy) and the squared distance: all the gradients
// need.
template <class Real>
struct Moments {
    Real x = 0;
    Real y = 0;
    Real square = 0;
};

// Adds one row: `grad` is the incoming gradient of the row, `across` the x factors.
template <class Real>
POSEOPS_INLINE void add_row(Moments<Real>& sums, const Real* grad, const Real* across, Real factor, Real dy,
                            Real centre_x, int32_t width) {
    Real s0 = 0;
    Real s1 = 0;
    Real s2 = 0;
#pragma omp simd reduction(+ : s0, s1, s2)
    for (int32_t x = 0; x < width; ++x) {
        const Real dx = static_cast<Real>(x) - centre_x;
        const Real weighted = grad[x] * across[x];
        s0 += weighted;
        s1 += weighted * dx;
        s2 += weighted * dx * dx;
    }
    sums.x += factor * s1;
    sums.y += factor * dy * s0;
    sums.square += factor * (s2 + dy * dy * s0);
}

// The people of one map and what a row of it needs.
template <class Real>
struct MapPeople {
    Scratch<GaussianJoint, 8> joint;
    Scratch<Real> across;  // (people, width)
    Scratch<Moments<Real>, 8> sums;
    int64_t count;

    POSEOPS_INLINE MapPeople(int64_t people, int64_t width)
        : joint(people), across(people * width), sums(people), count(people) {}
};

template <class Real>
POSEOPS_INLINE void fill_row(Real* across, const GaussianJoint& joint, int32_t width) {
    const Real centre = static_cast<Real>(joint.x.centre);
    const Real scale = gaussian_scale<Real>(joint.sigma);
    for (int32_t x = 0; x < width; ++x) across[x] = gaussian_value(static_cast<Real>(x), centre, scale);
}

template <class Real>
POSEOPS_INLINE Real row_factor(const GaussianJoint& joint, int32_t y) {
    return gaussian_value(static_cast<Real>(y), static_cast<Real>(joint.y.centre),
                          gaussian_scale<Real>(joint.sigma));
}

// For each pixel of a row the person with the largest value, the first among equals; -1 where nobody is
// drawn.
template <class Real>
POSEOPS_INLINE void find_winners(MapPeople<Real>& people, int32_t y, int32_t width, Real* best,
                                 int32_t* winner) {
    for (int32_t x = 0; x < width; ++x) {
        best[x] = Real(-1);
        winner[x] = -1;
    }
    for (int64_t n = 0; n < people.count; ++n) {
        if (!people.joint[n].drawn) continue;
        const Real factor = row_factor<Real>(people.joint[n], y);
        const Real* across = people.across.data() + n * width;
        for (int32_t x = 0; x < width; ++x) {
            const Real value = across[x] * factor;
            winner[x] = value > best[x] ? static_cast<int32_t>(n) : winner[x];
            best[x] = value > best[x] ? value : best[x];
        }
    }
}

template <class T, class Real>
POSEOPS_INLINE void sum_map(const TensorView& grad, const T* source, MapPeople<Real>& people, Real* row,
                            Real* masked, int32_t* winner) {
    const int32_t width = static_cast<int32_t>(grad.shape[3]);
    for (int64_t n = 0; n < people.count; ++n) {
        people.sums[n] = Moments<Real>();
        const GaussianJoint& joint = people.joint[n];
        if (joint.drawn) {
            fill_row(people.across.data() + n * width, joint, width);
        }
    }
    for (int32_t y = 0; y < grad.shape[2]; ++y, source += grad.strides[2]) {
        for (int32_t x = 0; x < width; ++x) row[x] = load_as_compute(source[x * grad.strides[3]]);
        if (people.count > 1) find_winners(people, y, width, masked, winner);
        for (int64_t n = 0; n < people.count; ++n) {
            const GaussianJoint& joint = people.joint[n];
            if (!joint.drawn) continue;
            const Real* mine = row;
            if (people.count > 1) {
                for (int32_t x = 0; x < width; ++x) masked[x] = winner[x] == n ? row[x] : Real(0);
                mine = masked;
            }
            const Real dy = static_cast<Real>(y) - static_cast<Real>(joint.y.centre);
            add_row(people.sums[n], mine, people.across.data() + n * width, row_factor<Real>(joint, y), dy,
                    static_cast<Real>(joint.x.centre), width);
        }
    }
}

template <class T>
POSEOPS_INLINE void render_backward(const GaussianHeatmapBackwardArgs& args) {
    using Real = compute_t<T>;
    const TensorView& grad = args.grad_heatmaps;
    const int64_t people_count = args.forward.keypoints.shape[1];
    const int64_t joints = grad.shape[1];
    const int64_t width = grad.shape[3];
    const int64_t grain = kElementsPerThread / (grad.shape[2] * width) + 1;
    parallel_for(grad.shape[0] * joints, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        MapPeople<Real> people(people_count, width);
        Scratch<Real> row(width);
        Scratch<Real> masked(width);
        Scratch<int32_t> winner(width);
        for (int64_t map = begin; map < end; ++map) {
            const int64_t b = map / joints;
            const int64_t k = map % joints;
            for (int64_t n = 0; n < people_count; ++n) {
                people.joint[n] = load_gaussian_joint(args.forward, b, n, k);
            }
            const T* source = grad.as<T>() + b * grad.strides[0] + k * grad.strides[1];
            sum_map(grad, source, people, row.data(), masked.data(), winner.data());
            for (int64_t n = 0; n < people_count; ++n) {
                const Moments<Real>& sums = people.sums[n];
                store_gaussian_gradient(args, (b * people_count + n) * joints + k, people.joint[n], sums.x,
                                        sums.y, sums.square);
            }
        }
    });
}

}  // namespace

void gaussian_heatmap_backward(const GaussianHeatmapBackwardArgs& args) {
    visit_floating(args.grad_heatmaps.dtype,
                   [&](auto tag) { render_backward<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
