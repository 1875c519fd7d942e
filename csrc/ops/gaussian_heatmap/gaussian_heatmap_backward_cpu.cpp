// The gradient of gaussian_heatmap's unbiased encoding on the CPU: one pass over the incoming gradient, row by row.
#include <cstring>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Map elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

// Sums over a map of g * go, weighted with (x - cx), (y - cy) and the squared distance: all the gradients need.
template <class Real>
struct Moments {
    Real x = 0;
    Real y = 0;
    Real square = 0;
};

// Sums over the rows, by column, of the incoming gradient times the y factor times 1, (y - cy) and (y - cy)^2. A
// column each, so that nothing is added up across a register before the map is done.
template <class Real>
struct ColumnSums {
    Real* plain;
    Real* first;
    Real* second;
};

template <class Real>
POSEOPS_INLINE void add_row(const ColumnSums<Real>& sums, const Real* grad, Real factor, Real dy,
                            int32_t width) {
    const Real by_distance = factor * dy;
    const Real by_square = by_distance * dy;
#pragma omp simd
    for (int32_t x = 0; x < width; ++x) {
        sums.plain[x] += grad[x] * factor;
        sums.first[x] += grad[x] * by_distance;
        sums.second[x] += grad[x] * by_square;
    }
}

template <class Real>
POSEOPS_INLINE Moments<Real> moments(const ColumnSums<Real>& sums, const Real* across, Real centre_x,
                                     int32_t width) {
    Moments<Real> total;
    for (int32_t x = 0; x < width; ++x) {
        const Real dx = static_cast<Real>(x) - centre_x;
        total.x += across[x] * (sums.plain[x] * dx);
        total.y += across[x] * sums.first[x];
        total.square += across[x] * (sums.plain[x] * dx * dx + sums.second[x]);
    }
    return total;
}

// The people of one map, and for each of them what a row of it needs.
template <class Real>
struct MapPeople {
    Scratch<GaussianJoint, 8> joint;
    Scratch<Real> across;   // (people, width): the x factors
    Scratch<Real> down;     // (people, height): the y factors
    Scratch<Real> columns;  // (people, 3, width): ColumnSums
    int64_t count;
    int32_t height;
    int32_t width;

    POSEOPS_INLINE MapPeople(int64_t people, int64_t map_height, int64_t map_width)
        : joint(people),
          across(people * map_width),
          down(people * map_height),
          columns(people * 3 * map_width),
          count(people),
          height(static_cast<int32_t>(map_height)),
          width(static_cast<int32_t>(map_width)) {}

    POSEOPS_INLINE Real* across_of(int64_t n) { return across.data() + n * width; }
    POSEOPS_INLINE Real* down_of(int64_t n) { return down.data() + n * height; }
    POSEOPS_INLINE ColumnSums<Real> sums_of(int64_t n) {
        Real* plain = columns.data() + 3 * n * width;
        return {plain, plain + width, plain + 2 * width};
    }
};

template <class Real>
POSEOPS_INLINE void fill_factors(Real* factors, double exact_centre, Real scale, int32_t length) {
    const Real centre = static_cast<Real>(exact_centre);
#pragma omp simd
    for (int32_t i = 0; i < length; ++i) factors[i] = gaussian_value(static_cast<Real>(i), centre, scale);
}

template <class Real>
POSEOPS_INLINE void load_people(MapPeople<Real>& people, const GaussianHeatmapArgs& args, int64_t b,
                                int64_t k) {
    for (int64_t n = 0; n < people.count; ++n) {
        const GaussianJoint joint = load_gaussian_joint(args, b, n, k);
        people.joint[n] = joint;
        if (!joint.drawn) continue;
        const Real scale = gaussian_scale<Real>(joint.sigma);
        fill_factors(people.across_of(n), joint.x.centre, scale, people.width);
        fill_factors(people.down_of(n), joint.y.centre, scale, people.height);
        std::memset(people.sums_of(n).plain, 0, sizeof(Real) * 3 * static_cast<size_t>(people.width));
    }
}

// For each pixel of a row the person with the largest value, the first among equals; -1 where nobody is drawn.
template <class Real>
POSEOPS_INLINE void find_winners(MapPeople<Real>& people, int32_t y, Real* best, int32_t* winner) {
    const int32_t width = people.width;
    for (int32_t x = 0; x < width; ++x) {
        best[x] = Real(-1);
        winner[x] = -1;
    }
    for (int64_t n = 0; n < people.count; ++n) {
        if (!people.joint[n].drawn) continue;
        const Real factor = people.down_of(n)[y];
        const Real* across = people.across_of(n);
        for (int32_t x = 0; x < width; ++x) {
            const Real value = across[x] * factor;
            winner[x] = value > best[x] ? static_cast<int32_t>(n) : winner[x];
            best[x] = value > best[x] ? value : best[x];
        }
    }
}

template <class T, class Real>
POSEOPS_INLINE void load_row(Real* row, const T* source, int64_t stride, int32_t width) {
    if (stride == 1) {
#pragma omp simd
        for (int32_t x = 0; x < width; ++x) row[x] = load_as_compute(source[x]);
    } else {
        for (int32_t x = 0; x < width; ++x) row[x] = load_as_compute(source[x * stride]);
    }
}

template <class T, class Real>
POSEOPS_INLINE void sum_map(const TensorView& grad, const T* source, MapPeople<Real>& people, Real* row,
                            Real* masked, int32_t* winner) {
    const int32_t width = people.width;
    for (int32_t y = 0; y < people.height; ++y, source += grad.strides[2]) {
        load_row(row, source, grad.strides[3], width);
        if (people.count > 1) find_winners(people, y, masked, winner);
        for (int64_t n = 0; n < people.count; ++n) {
            const GaussianJoint& joint = people.joint[n];
            if (!joint.drawn) continue;
            const Real* mine = row;
            if (people.count > 1) {
                for (int32_t x = 0; x < width; ++x) masked[x] = winner[x] == n ? row[x] : Real(0);
                mine = masked;
            }
            const Real dy = static_cast<Real>(y) - static_cast<Real>(joint.y.centre);
            add_row(people.sums_of(n), mine, people.down_of(n)[y], dy, width);
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
        MapPeople<Real> people(people_count, grad.shape[2], width);
        Scratch<Real> row(width);
        Scratch<Real> masked(width);
        Scratch<int32_t> winner(width);
        for (int64_t map = begin; map < end; ++map) {
            const int64_t b = map / joints;
            const int64_t k = map % joints;
            load_people(people, args.forward, b, k);
            const T* source = grad.as<T>() + b * grad.strides[0] + k * grad.strides[1];
            sum_map(grad, source, people, row.data(), masked.data(), winner.data());
            for (int64_t n = 0; n < people_count; ++n) {
                const GaussianJoint& joint = people.joint[n];
                Moments<Real> sums;
                if (joint.drawn) {
                    const Real centre_x = static_cast<Real>(joint.x.centre);
                    sums = moments(people.sums_of(n), people.across_of(n), centre_x, people.width);
                }
                store_gaussian_gradient(args, (b * people_count + n) * joints + k, joint, sums.x, sums.y,
                                        sums.square);
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
