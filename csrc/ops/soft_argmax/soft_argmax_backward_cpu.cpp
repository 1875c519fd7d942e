// The gradient of soft_argmax on the CPU: one read of the maps, one write of their gradient.
#include <cstring>
#include <type_traits>

#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/soft_argmax/soft_argmax.h"
#include "ops/soft_argmax/soft_argmax_cpu_rows.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Rows that are worked on at once: what is read per column serves all of them.
constexpr int kRowsAtOnce = 4;

// The gradient's polynomial along a stretch of a row, whatever the row: with y the row's position relative to `centre`
// it is base + y (slope + y curvature).
template <class Real>
struct Polynomials {
    Scratch<Real> memory;
    Real* converted[2];  // kRowsAtOnce rows of the maps and of their gradient, where they have another type
    Real* reference;
    Real* centre;
    Real* base;
    Real* slope;
    Real* curvature;

    POSEOPS_INLINE explicit Polynomials(int64_t elements) : memory((5 + 2 * kRowsAtOnce) * elements) {
        Real* next = memory.data();
        for (Real** column : {&reference, &centre, &base, &slope, &curvature}) {
            *column = next;
            next += elements;
        }
        for (Real*& rows : converted) {
            rows = next;
            next += kRowsAtOnce * elements;
        }
    }
};

// For the pixels [first, first + pixels) of the fast axis in slice `slow`, once for each of the joined rows.
template <class Real>
POSEOPS_INLINE void fill_polynomials(Polynomials<Real>& rows, const SoftArgmaxGradient<Real>* maps,
                                     const MapTasks& tasks, int64_t slow, int64_t first, int64_t pixels) {
    for (int64_t c = 0; c < tasks.lanes; ++c) {
        const SoftArgmaxGradient<Real>& map = maps[c];
        const Real* const square = map.quadratic;
        const Real z = static_cast<Real>(slow) - map.centre[0];
        const Real constant = map.constant + z * (map.linear[0] + z * square[0]);
        for (int64_t i = 0, j = c; i < pixels; ++i, j += tasks.lanes) {
            const Real x = static_cast<Real>(first + i) - map.centre[2];
            rows.reference[j] = map.reference;
            rows.centre[j] = map.centre[1];
            rows.base[j] = constant + x * (map.linear[2] + z * square[2] + x * square[5]);
            rows.slope[j] = map.linear[1] + z * square[1] + x * square[4];
            rows.curvature[j] = square[3];
        }
    }
    const int64_t row = pixels * tasks.lanes;
    for (Real* column : {rows.reference, rows.base, rows.slope, rows.curvature}) {
        for (int64_t k = 1; k < tasks.joined; ++k) std::memcpy(column + k * row, column, sizeof(Real) * row);
    }
    for (int64_t j = row; j < row * tasks.joined; ++j) rows.centre[j] = rows.centre[j - row] - Real(1);
}

// Rows of a map or of its gradient, neighbours in memory `pitch` elements apart.
template <class T>
struct Rows {
    T* first;
    int64_t pitch;
    int64_t element_stride;
};

// kRows long rows at once, the first of them at y and `step` apart.
template <SoftArgmaxWeight kWeight, bool kSquares, int kRows, class Real>
POSEOPS_INLINE void fill_gradient(const Real* source, int64_t source_pitch, Real* target,
                                  int64_t target_pitch, const Polynomials<Real>& columns, Real rate, Real y,
                                  Real step, int64_t count) {
    const Real* const reference = columns.reference;
    const Real* const centre = columns.centre;
    const Real* const base = columns.base;
    const Real* const slope = columns.slope;
    const Real* const curvature = columns.curvature;
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) {
        for (int r = 0; r < kRows; ++r) {
            const Real dy = (y + static_cast<Real>(r) * step) - centre[j];
            const Real steepness = kSquares ? slope[j] + dy * curvature[j] : slope[j];
            const Real change = soft_argmax_slope<kWeight>(source[r * source_pitch + j], rate, reference[j]);
            target[r * target_pitch + j] = change * (base[j] + dy * steepness);
        }
    }
}

template <SoftArgmaxWeight kWeight, bool kSquares, int kRows, class T, class Real>
POSEOPS_INLINE void differentiate_rows(const Rows<const T>& from, const Rows<T>& to,
                                       const Polynomials<Real>& columns, Real rate, Real y, Real step,
                                       int64_t count) {
    const Real* source = columns.converted[0];
    Real* target = columns.converted[1];
    int64_t source_pitch = count;
    int64_t target_pitch = count;
    if constexpr (std::is_same_v<T, Real>) {
        if (from.element_stride == 1) {
            source = from.first;
            source_pitch = from.pitch;
        }
        if (to.element_stride == 1) {
            target = to.first;
            target_pitch = to.pitch;
        }
    }
    for (int r = 0; r < kRows && source == columns.converted[0]; ++r) {
        fetch_row(from.first + r * from.pitch, from.element_stride, count, columns.converted[0] + r * count);
    }
    fill_gradient<kWeight, kSquares, kRows>(source, source_pitch, target, target_pitch, columns, rate, y,
                                            step, count);
    for (int r = 0; r < kRows && target == columns.converted[1]; ++r) {
        flush_row(to.first + r * to.pitch, to.element_stride, count, columns.converted[1] + r * count);
    }
}

template <SoftArgmaxWeight kWeight, bool kSquares, class T, class Real>
POSEOPS_INLINE void differentiate_maps(const SoftArgmaxBackwardArgs& args, const MapTasks& tasks,
                                       int64_t task, Polynomials<Real>& columns,
                                       const SoftArgmaxGradient<Real>* maps) {
    const TensorView& from = args.forward.heatmaps;
    const TensorView& to = args.grad_heatmaps;
    const T* const source = from.as<T>() + tasks.offset(from, task);
    T* const target = to.as<T>() + tasks.offset(to, task);
    const Real rate = soft_argmax_rate<Real>(args.forward.beta);
    const Real step = static_cast<Real>(tasks.joined);
    for (int64_t z = 0; z < from.shape[2]; ++z) {
        for (int64_t x = 0; x < from.shape[4]; x += tasks.stretch_pixels) {
            const int64_t pixels = smaller(tasks.stretch_pixels, from.shape[4] - x);
            const int64_t count = pixels * tasks.lanes * tasks.joined;
            fill_polynomials(columns, maps, tasks, z, x, pixels);
            Rows<const T> in = {source + z * from.strides[2] + x * from.strides[4],
                                tasks.joined * from.strides[3], tasks.element_stride(from)};
            Rows<T> out = {target + z * to.strides[2] + x * to.strides[4], tasks.joined * to.strides[3],
                           tasks.element_stride(to)};
            for (int64_t left = from.shape[3] / tasks.joined; left > 0;) {
                const Real y = static_cast<Real>(from.shape[3] - left * tasks.joined);
                const int64_t taken = left < kRowsAtOnce ? 1 : kRowsAtOnce;
                if (taken == 1) {
                    differentiate_rows<kWeight, kSquares, 1>(in, out, columns, rate, y, step, count);
                } else {
                    differentiate_rows<kWeight, kSquares, kRowsAtOnce>(in, out, columns, rate, y, step,
                                                                       count);
                }
                in.first += taken * in.pitch;
                out.first += taken * out.pitch;
                left -= taken;
            }
        }
    }
}

template <SoftArgmaxWeight kWeight, bool kSquares, class T>
POSEOPS_INLINE void differentiate(const SoftArgmaxBackwardArgs& args) {
    using Real = compute_t<T>;
    const TensorView& from = args.forward.heatmaps;
    const TensorView& to = args.grad_heatmaps;
    const MapTasks tasks(from, has_interleaved_joints(from) && has_interleaved_joints(to),
                         has_rows_back_to_back(from) && has_rows_back_to_back(to));
    parallel_for(tasks.count, tasks.grain(from), [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        Polynomials<Real> columns(tasks.stretch_elements());
        Scratch<SoftArgmaxGradient<Real>, 32> maps(tasks.lanes);
        for (int64_t task = begin; task < end; ++task) {
            for (int64_t c = 0; c < tasks.lanes; ++c) {
                maps[c] = load_soft_argmax_gradient<Real>(args, tasks.first_map(task) + c);
            }
            differentiate_maps<kWeight, kSquares, T>(args, tasks, task, columns, maps.data());
        }
    });
}

}  // namespace

void soft_argmax_backward(const SoftArgmaxBackwardArgs& args) {
    visit_floating(args.forward.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        visit_weight(args.forward.weight, [&](auto weight) {
            if (args.grad_covariance.data == nullptr) {
                differentiate<decltype(weight)::value, false, T>(args);
            } else {
                differentiate<decltype(weight)::value, true, T>(args);
            }
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
