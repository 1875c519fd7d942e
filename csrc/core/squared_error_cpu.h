// The loop of the weighted squared error on the CPU (core/squared_error.h).
//
// Two ways, by what lies together in memory. A map (NCHW) has one coefficient and one running sum, and is worked on in
// bands of rows, long loops over a target that stays in the L1 cache. An image with its joints interleaved
// (channels_last) is worked on row by row, with a coefficient and a running sum for every element of a row.
#pragma once

#include <type_traits>

#include "core/convert.h"
#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "core/squared_error.h"

namespace pyposeops {

// Elements below which a second thread does not pay.
constexpr int64_t kErrorElementsPerThread = 16384;

// Elements of a band: its target and a row of other strides fit into the L1 cache.
constexpr int64_t kBandElements = 2048;

// Rows of `width` elements that make a band.
POSEOPS_INLINE int64_t rows_of_band(int64_t width) {
    return width < kBandElements ? kBandElements / width : 1;
}

// What a thread works with; `coefficient` and `sum` are used for interleaved joints.
template <class T>
struct ErrorRows {
    using Real = compute_t<T>;
    Scratch<Real> coefficient;
    Scratch<Real> sum;
    Scratch<T> pred;      // a row gathered from other strides
    Scratch<T> gradient;  // a row to be scattered
    int64_t length;

    POSEOPS_INLINE ErrorRows(int64_t row_length, bool interleaved)
        : coefficient(interleaved ? row_length : 0),
          sum(interleaved ? row_length : 0),
          pred(interleaved ? 0 : row_length),
          gradient(interleaved ? 0 : row_length),
          length(row_length) {}
};

// Returns the sum of the squared differences; the differences times `coefficient` are the gradient.
template <bool kTarget, bool kGradient, class T, class Real>
POSEOPS_INLINE Real add_errors(const T* pred, const Real* target, Real coefficient, T* gradient,
                               int64_t count) {
    Real sum = Real(0);
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; ++j) {
        const Real value = load_as_compute(pred[j]);
        const Real difference = kTarget ? value - target[j] : value;
        sum += difference * difference;
        if (kGradient) store_from_compute(gradient + j, coefficient * difference);
    }
    return sum;
}

// The same with a coefficient and a sum for each element. Coefficient 0 masks.
template <bool kTarget, bool kGradient, class T, class Real>
POSEOPS_INLINE void add_errors(const T* pred, const Real* target, const Real* coefficient, Real* sum,
                               T* gradient, int64_t count) {
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) {
        const Real value = load_as_compute(pred[j]);
        const Real difference = kTarget ? value - target[j] : value;
        const Real counted = coefficient[j] != Real(0) ? difference : Real(0);
        sum[j] += counted * counted;
        if (kGradient) store_from_compute(gradient + j, coefficient[j] * counted);
    }
}

// f(has target, has gradient), both known to the compiler.
template <class F>
POSEOPS_INLINE auto with_known_pointers(const void* target, const void* gradient, const F& f) {
    using Yes = std::true_type;
    using No = std::false_type;
    if (target != nullptr) return gradient != nullptr ? f(Yes{}, Yes{}) : f(Yes{}, No{});
    return gradient != nullptr ? f(No{}, Yes{}) : f(No{}, No{});
}

// Rows of one map; returns the sum. `pred` and `gradient` (or null) are the map's first elements.
template <class T, class Target>
POSEOPS_INLINE double add_map(const SquaredErrorArgs& args, const T* pred, T* gradient, Target& target,
                              compute_t<T> coefficient, RowRange range, ErrorRows<T>& rows) {
    const TensorView& out = args.gradient;
    const int64_t width = rows.length;
    const bool gather = !args.pred.has_unit_stride(3);
    const bool scatter = gradient != nullptr && !out.has_unit_stride(3);
    const bool dense = !gather && !scatter && args.pred.strides[2] == width &&
                       (gradient == nullptr || out.strides[2] == width);
    const int32_t step = dense ? static_cast<int32_t>(rows_of_band(width)) : 1;
    double total = 0.0;
    for (int32_t y = range.begin; y < range.end; y += step) {
        const int32_t count = range.end - y < step ? range.end - y : step;
        const T* from = pred + y * args.pred.strides[2];
        T* to = gradient == nullptr ? nullptr : gradient + y * out.strides[2];
        for (int64_t x = 0; gather && x < width; ++x) rows.pred[x] = from[x * args.pred.strides[3]];
        const compute_t<T>* goal = target.rows(y, count);
        total += static_cast<double>(with_known_pointers(goal, to, [&](auto has_target, auto has_gradient) {
            return add_errors<has_target.value, has_gradient.value>(
                gather ? rows.pred.data() : from, goal, coefficient, scatter ? rows.gradient.data() : to,
                count * width);
        }));
        for (int64_t x = 0; scatter && x < width; ++x) to[x * out.strides[3]] = rows.gradient[x];
    }
    return total;
}

// Rows of one image with interleaved joints, into rows.sum.
template <class T, class Target>
POSEOPS_INLINE void add_image(const SquaredErrorArgs& args, const T* pred, T* gradient, Target& target,
                              RowRange range, ErrorRows<T>& rows) {
    for (int32_t y = range.begin; y < range.end; ++y) {
        const T* from = pred + y * args.pred.strides[2];
        T* to = gradient == nullptr ? nullptr : gradient + y * args.gradient.strides[2];
        const compute_t<T>* goal = target.rows(y, 1);
        with_known_pointers(goal, to, [&](auto has_target, auto has_gradient) {
            add_errors<has_target.value, has_gradient.value>(from, goal, rows.coefficient.data(),
                                                             rows.sum.data(), to, rows.length);
        });
    }
}

template <class T>
POSEOPS_INLINE void clear_map(const TensorView& gradient, T* first, RowRange range) {
    for (int32_t y = range.begin; y < range.end; ++y) {
        T* to = first + y * gradient.strides[2];
        for (int64_t x = 0; x < gradient.shape[3]; ++x) to[x * gradient.strides[3]] = T{};
    }
}

// Part `part` of the map (b, k).
template <class T, class Target>
POSEOPS_INLINE void squared_error_map(const SquaredErrorArgs& args, Target& target, int64_t b, int64_t k,
                                      int64_t part, ErrorRows<T>& rows) {
    using Real = compute_t<T>;
    const int64_t parts = args.losses.shape[2];
    const RowRange range = rows_of_part(args.pred.shape[2], part, parts);
    const T* pred = args.pred.as<const T>() + b * args.pred.strides[0] + k * args.pred.strides[1];
    T* gradient = args.gradient.as<T>();
    if (gradient != nullptr) gradient += b * args.gradient.strides[0] + k * args.gradient.strides[1];
    target.load(b, k, range);
    const SquaredErrorFactors factors = squared_error_factors(args, target.weight(0));
    double sum = 0.0;
    if (factors.loss != 0.0) {
        sum = add_map(args, pred, gradient, target, static_cast<Real>(factors.gradient), range, rows);
    } else if (gradient != nullptr) {
        clear_map(args.gradient, gradient, range);
    }
    store_loss(args, (b * args.pred.shape[1] + k) * parts + part, factors.loss * sum);
}

// Part `part` of image b, whose joints are interleaved.
template <class T, class Target>
POSEOPS_INLINE void squared_error_image(const SquaredErrorArgs& args, Target& target, int64_t b, int64_t part,
                                        ErrorRows<T>& rows) {
    using Real = compute_t<T>;
    const int64_t parts = args.losses.shape[2];
    const int64_t joints = args.pred.shape[1];
    const RowRange range = rows_of_part(args.pred.shape[2], part, parts);
    const T* pred = args.pred.as<const T>() + b * args.pred.strides[0];
    T* gradient = args.gradient.as<T>();
    if (gradient != nullptr) gradient += b * args.gradient.strides[0];
    target.load(b, 0, range);
    for (int64_t k = 0; k < joints; ++k) {
        const Real coefficient = static_cast<Real>(squared_error_factors(args, target.weight(k)).gradient);
        for (int64_t j = k; j < rows.length; j += joints) rows.coefficient[j] = coefficient;
    }
    for (int64_t j = 0; j < rows.length; ++j) rows.sum[j] = Real(0);
    add_image(args, pred, gradient, target, range, rows);
    for (int64_t k = 0; k < joints; ++k) {
        double sum = 0.0;
        for (int64_t j = k; j < rows.length; j += joints) sum += static_cast<double>(rows.sum[j]);
        store_loss(args, (b * joints + k) * parts + part,
                   squared_error_factors(args, target.weight(k)).loss * sum);
    }
}

// All maps. `make_target(channels)` gives a thread its target, for single maps or for `channels` interleaved ones:
// load(b, k, rows) once per map or image, then weight(c), and rows(y, count): the target on `count` rows from y, dense,
// or null where it is 0.
template <class T, class MakeTarget>
POSEOPS_INLINE void squared_error(const SquaredErrorArgs& args, const MakeTarget& make_target) {
    const bool interleaved = squared_error_interleaved(args);
    const int64_t joints = args.pred.shape[1];
    const int64_t parts = args.losses.shape[2];
    const int64_t length = args.pred.shape[3] * (interleaved ? joints : 1);
    const int64_t planes = args.pred.shape[0] * (interleaved ? 1 : joints);
    const int64_t grain = kErrorElementsPerThread / (length * args.pred.shape[2] / parts + 1) + 1;
    parallel_for(planes * parts, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        ErrorRows<T> rows(length, interleaved);
        auto target = make_target(interleaved ? joints : 1);
        for (int64_t task = begin; task < end; ++task) {
            const int64_t plane = task / parts;
            if (interleaved) {
                squared_error_image(args, target, plane, task % parts, rows);
            } else {
                squared_error_map(args, target, plane / joints, plane % joints, task % parts, rows);
            }
        }
    });
}

}  // namespace pyposeops
