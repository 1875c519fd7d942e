// The gradient of gaussian_heatmap on the CPU, for the encodings that move with the joint: one pass over the incoming
// gradient, row by row.
#include <cstring>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/gaussian_fill.h"
#include "core/gaussian_people.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Map elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

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
POSEOPS_INLINE GaussianMoments<Real> moments(const ColumnSums<Real>& sums, const Real* across, Real centre_x,
                                             int32_t width) {
    GaussianMoments<Real> total = {};
    for (int32_t x = 0; x < width; ++x) {
        const Real dx = static_cast<Real>(x) - centre_x;
        const Real weighted = across[x] * sums.plain[x];
        total.plain += weighted;
        total.x += weighted * dx;
        total.xx += weighted * dx * dx;
        total.y += across[x] * sums.first[x];
        total.yy += across[x] * sums.second[x];
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
    int64_t first = 0;      // of the people of the image
    int64_t count = 0;
    int32_t height;
    int32_t width;

    POSEOPS_INLINE MapPeople(int64_t most_people, int64_t map_height, int64_t map_width)
        : joint(most_people),
          across(most_people * map_width),
          down(most_people * map_height),
          columns(most_people * 3 * map_width),
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
POSEOPS_INLINE void load_people(MapPeople<Real>& people, const GaussianJointTensors& joints, int64_t b,
                                int64_t k) {
    const PeopleRange range = gaussian_people(joints, b);
    people.first = range.begin;
    people.count = range.end > range.begin ? range.end - range.begin : 0;
    for (int64_t n = 0; n < people.count; ++n) {
        const GaussianJoint joint = load_gaussian_joint(joints, b, people.first + n, k);
        people.joint[n] = joint;
        if (!joint.drawn) continue;
        fill_gaussian(people.across_of(n), joint.x, people.width, joints, true);
        fill_gaussian_rows(people.down_of(n), joint, joints, true);
        std::memset(people.sums_of(n).plain, 0, sizeof(Real) * 3 * static_cast<size_t>(people.width));
    }
}

// For each pixel of a row the person with the largest value, the first among equals; -1 where nobody is drawn, or only
// below the cut.
template <class Real>
POSEOPS_INLINE void find_winners(MapPeople<Real>& people, int32_t y, Real cut, Real* best, int32_t* winner) {
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
            const Real product = across[x] * factor;
            const Real value = product >= cut ? product : Real(-1);
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
POSEOPS_INLINE void sum_map(const TensorView& grad, const T* source, MapPeople<Real>& people, Real cut,
                            Real* row, Real* masked, int32_t* winner) {
    const int32_t width = people.width;
    const bool everywhere = people.count == 1 && cut == Real(0);
    for (int32_t y = 0; y < people.height; ++y, source += grad.strides[2]) {
        load_row(row, source, grad.strides[3], width);
        if (!everywhere) find_winners(people, y, cut, masked, winner);
        for (int64_t n = 0; n < people.count; ++n) {
            const GaussianJoint& joint = people.joint[n];
            if (!joint.drawn) continue;
            const Real* mine = row;
            if (!everywhere) {
                for (int32_t x = 0; x < width; ++x) masked[x] = winner[x] == n ? row[x] : Real(0);
                mine = masked;
            }
            const Real dy = static_cast<Real>(y) - static_cast<Real>(joint.y.centre);
            add_row(people.sums_of(n), mine, people.down_of(n)[y], dy, width);
        }
    }
}

// Stores the gradients of joint k of the people of one map.
template <class Real>
POSEOPS_INLINE void store_people(const GaussianHeatmapBackwardArgs& args, MapPeople<Real>& people, int64_t b,
                                 int64_t k) {
    const int64_t joints = args.grad_heatmaps.shape[1];
    const bool ragged = args.joints.offsets.data != nullptr;
    const int64_t first = ragged ? people.first : b * args.joints.keypoints.shape[1];
    for (int64_t n = 0; n < people.count; ++n) {
        const GaussianJoint& joint = people.joint[n];
        GaussianMoments<Real> sums = {};
        if (joint.drawn) {
            const Real centre_x = static_cast<Real>(joint.x.centre);
            sums = moments(people.sums_of(n), people.across_of(n), centre_x, people.width);
        }
        store_gaussian_gradient<Real>(args, (first + n) * joints + k,
                                      gaussian_gradient(joint, args.joints, sums));
    }
}

// People whom no image has get no gradient; the others' are overwritten.
template <class Real>
POSEOPS_INLINE void clear_gradients(const GaussianHeatmapBackwardArgs& args) {
    const int64_t count = args.grad_sigma.numel();
    std::memset(args.grad_keypoints.data, 0, sizeof(Real) * static_cast<size_t>(count));
    std::memset(args.grad_sigma.data, 0, sizeof(Real) * static_cast<size_t>(count));
}

template <class T>
POSEOPS_INLINE void render_backward(const GaussianHeatmapBackwardArgs& args) {
    using Real = compute_t<T>;
    const TensorView& grad = args.grad_heatmaps;
    const int64_t joints = grad.shape[1];
    const int64_t width = grad.shape[3];
    const int64_t grain = kElementsPerThread / (grad.shape[2] * width) + 1;
    if (args.joints.offsets.data != nullptr) clear_gradients<Real>(args);
    parallel_for(grad.shape[0] * joints, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        MapPeople<Real> people(most_people(args.joints, grad.shape[0]), grad.shape[2], width);
        Scratch<Real> row(width);
        Scratch<Real> masked(width);
        Scratch<int32_t> winner(width);
        for (int64_t map = begin; map < end; ++map) {
            const int64_t b = map / joints;
            const int64_t k = map % joints;
            load_people(people, args.joints, b, k);
            const T* source = grad.as<T>() + b * grad.strides[0] + k * grad.strides[1];
            sum_map(grad, source, people, gaussian_cut<Real>(args.joints), row.data(), masked.data(),
                    winner.data());
            store_people(args, people, b, k);
        }
    });
}

}  // namespace

void gaussian_heatmap_backward(const GaussianHeatmapBackwardArgs& args) {
    visit_floating(args.grad_heatmaps.dtype,
                   [&](auto tag) { render_backward<typename decltype(tag)::type>(args); });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
