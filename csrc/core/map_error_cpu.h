// The loop of the weighted error of maps on the CPU (core/map_error.h).
//
// Two ways, by what lies together in memory. A map (NCHW) has one coefficient and one running sum, and is worked on in
// bands of rows, long loops over a target that stays in the L1 cache. An image with its joints interleaved
// (channels_last) is worked on row by row, with a coefficient and a running sum for every element of a row.
//
// All of it in the namespace of the instruction set: the lambdas here are functions that the linker must not merge.
#pragma once

#include <type_traits>

#include "core/convert.h"
#include "core/convert_rows.h"
#include "core/cpu_isa.h"
#include "core/denormals.h"
#include "core/map_error.h"
#include "core/parallel.h"
#include "core/scratch.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {

// Elements below which a second thread does not pay.
constexpr int64_t kErrorElementsPerThread = 16384;

// Elements of a band: its target and its copies in the compute type stay in the caches next to the core.
constexpr int64_t kBandElements = 2048;

// Rows of `width` elements that make a band.
POSEOPS_INLINE int64_t rows_of_band(int64_t width) {
    return width < kBandElements ? kBandElements / width : 1;
}

// What a thread works with.
template <class Real>
struct ErrorRows {
    int64_t length;                     // of a row, with interleaved joints
    Scratch<Real> coefficient;          // of interleaved joints
    Scratch<Real> sum;                  // of interleaved joints
    Scratch<Real, kBandElements> pred;  // a band or row that is not worked on in place
    Scratch<Real, kBandElements> gradient;

    POSEOPS_INLINE ErrorRows(int64_t row_length, bool interleaved)
        : length(row_length),
          coefficient(interleaved ? row_length : 0),
          sum(interleaved ? row_length : 0),
          pred(row_length),
          gradient(row_length) {}
};

// Returns the sum of the errors; the slopes times `coefficient` are the gradient.
template <bool kTarget, bool kGradient, class Error, class T, class Real>
POSEOPS_INLINE Real add_errors(const Error& error, const T* pred, const Real* target, Real coefficient,
                               T* gradient, int64_t count) {
    Real sum = Real(0);
#pragma omp simd reduction(+ : sum)
    for (int64_t j = 0; j < count; ++j) {
        const Real value = load_as_compute(pred[j]);
        const ErrorValue<Real> one = error(value, kTarget ? target[j] : Real(0));
        sum += one.loss;
        if (kGradient) store_from_compute(gradient + j, coefficient * one.slope);
    }
    return sum;
}

// The same with a coefficient and a sum for each element. Coefficient 0 masks.
template <bool kTarget, bool kGradient, class Error, class T, class Real>
POSEOPS_INLINE void add_errors(const Error& error, const T* pred, const Real* target, const Real* coefficient,
                               Real* sum, T* gradient, int64_t count) {
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) {
        const Real value = load_as_compute(pred[j]);
        const ErrorValue<Real> one = error(value, kTarget ? target[j] : Real(0));
        const bool counts = coefficient[j] != Real(0);
        sum[j] += counts ? one.loss : Real(0);
        const Real slope = counts ? one.slope : Real(0);
        if (kGradient) store_from_compute(gradient + j, coefficient[j] * slope);
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

// `count` elements from `pred` on, `step` apart, with their gradient (or null), `gradient_step` apart: in place where
// that is as fast, otherwise through the thread's rows. add(pred, gradient) does the work on neighbouring elements.
template <class T, class Real, class Add>
POSEOPS_INLINE void with_neighbours(ErrorRows<Real>& rows, const T* pred, int64_t step, T* gradient,
                                    int64_t gradient_step, int64_t count, const Add& add) {
    const bool scattered = step != 1 || (gradient != nullptr && gradient_step != 1);
    if (!scattered && !std::is_same<T, Half>::value) return add(pred, gradient);
    load_row(pred, step, rows.pred.data(), count);
    add(static_cast<const Real*>(rows.pred.data()), gradient == nullptr ? nullptr : rows.gradient.data());
    if (gradient != nullptr) store_row(rows.gradient.data(), gradient, gradient_step, count);
}

// Rows of one map; returns the sum. `pred` and `gradient` (or null) are the map's first elements.
template <class T, class Error, class Target>
POSEOPS_INLINE double add_map(const MapErrorArgs& args, const Error& error, const T* pred, T* gradient,
                              Target& target, compute_t<T> coefficient, RowRange range,
                              ErrorRows<compute_t<T>>& rows) {
    const int64_t* const from = args.pred.strides;
    const int64_t* const to = args.gradient.strides;
    const int64_t width = rows.length;
    const bool dense =
        from[3] == 1 && from[2] == width && (gradient == nullptr || (to[3] == 1 && to[2] == width));
    const int32_t step = dense ? static_cast<int32_t>(rows_of_band(width)) : 1;
    double total = 0.0;
    for (int32_t y = range.begin; y < range.end; y += step) {
        const int32_t count = range.end - y < step ? range.end - y : step;
        const compute_t<T>* goal = target.rows(y, count);
        T* const slopes = gradient == nullptr ? nullptr : gradient + y * to[2];
        const auto add = [&](const auto* values, auto* results) {
            total += static_cast<double>(
                with_known_pointers(goal, results, [&](auto has_target, auto has_gradient) {
                    return add_errors<has_target.value, has_gradient.value>(error, values, goal, coefficient,
                                                                            results, count * width);
                }));
        };
        with_neighbours(rows, pred + y * from[2], from[3], slopes, to[3], count * width, add);
    }
    return total;
}

// Rows of one image with interleaved joints, into rows.sum.
template <class T, class Error, class Target>
POSEOPS_INLINE void add_image(const MapErrorArgs& args, const Error& error, const T* pred, T* gradient,
                              Target& target, RowRange range, ErrorRows<compute_t<T>>& rows) {
    for (int32_t y = range.begin; y < range.end; ++y) {
        const compute_t<T>* goal = target.rows(y, 1);
        T* const slopes = gradient == nullptr ? nullptr : gradient + y * args.gradient.strides[2];
        const auto add = [&](const auto* values, auto* results) {
            with_known_pointers(goal, results, [&](auto has_target, auto has_gradient) {
                add_errors<has_target.value, has_gradient.value>(error, values, goal, rows.coefficient.data(),
                                                                 rows.sum.data(), results, rows.length);
            });
        };
        with_neighbours(rows, pred + y * args.pred.strides[2], 1, slopes, 1, rows.length, add);
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
template <class T, class Error, class Target>
POSEOPS_INLINE void error_of_map(const MapErrorArgs& args, const Error& error, Target& target, int64_t b,
                                 int64_t k, int64_t part, ErrorRows<compute_t<T>>& rows) {
    using Real = compute_t<T>;
    const int64_t parts = args.losses.shape[2];
    const RowRange range = rows_of_part(args.pred.shape[2], part, parts);
    const T* pred = args.pred.as<const T>() + b * args.pred.strides[0] + k * args.pred.strides[1];
    T* gradient = args.gradient.as<T>();
    if (gradient != nullptr) gradient += b * args.gradient.strides[0] + k * args.gradient.strides[1];
    target.load(b, k, range);
    const MapErrorFactors factors = map_error_factors<Error>(args, target.weight(0));
    double sum = 0.0;
    // What is 0 in the type of computation masks, in every layout and on every device.
    const Real coefficient = static_cast<Real>(factors.gradient);
    const bool counts = coefficient != Real(0);
    if (counts) {
        sum = add_map(args, error, pred, gradient, target, coefficient, range, rows);
    } else if (gradient != nullptr) {
        clear_map(args.gradient, gradient, range);
    }
    store_loss(args.losses, (b * args.pred.shape[1] + k) * parts + part, counts ? factors.loss * sum : 0.0);
}

// Part `part` of image b, whose joints are interleaved.
template <class T, class Error, class Target>
POSEOPS_INLINE void error_of_image(const MapErrorArgs& args, const Error& error, Target& target, int64_t b,
                                   int64_t part, ErrorRows<compute_t<T>>& rows) {
    using Real = compute_t<T>;
    const int64_t parts = args.losses.shape[2];
    const int64_t joints = args.pred.shape[1];
    const RowRange range = rows_of_part(args.pred.shape[2], part, parts);
    const T* pred = args.pred.as<const T>() + b * args.pred.strides[0];
    T* gradient = args.gradient.as<T>();
    if (gradient != nullptr) gradient += b * args.gradient.strides[0];
    target.load(b, 0, range);
    for (int64_t k = 0; k < joints; ++k) {
        const Real coefficient = static_cast<Real>(map_error_factors<Error>(args, target.weight(k)).gradient);
        for (int64_t j = k; j < rows.length; j += joints) rows.coefficient[j] = coefficient;
    }
    for (int64_t j = 0; j < rows.length; ++j) rows.sum[j] = Real(0);
    add_image(args, error, pred, gradient, target, range, rows);
    for (int64_t k = 0; k < joints; ++k) {
        double sum = 0.0;
        for (int64_t j = k; j < rows.length; j += joints) sum += static_cast<double>(rows.sum[j]);
        store_loss(args.losses, (b * joints + k) * parts + part,
                   map_error_factors<Error>(args, target.weight(k)).loss * sum);
    }
}

// All maps. `make_target(channels)` gives a thread its target, for single maps or for `channels` interleaved ones:
// load(b, k, rows) once per map or image, then weight(c), and rows(y, count): the target on `count` rows from y, dense,
// or null where it is 0.
template <class T, class Error, class MakeTarget>
POSEOPS_INLINE void map_error(const MapErrorArgs& args, const Error& error, const MakeTarget& make_target) {
    const bool interleaved = joints_interleaved(args.pred, args.gradient);
    const int64_t joints = args.pred.shape[1];
    const int64_t parts = args.losses.shape[2];
    const int64_t length = args.pred.shape[3] * (interleaved ? joints : 1);
    const int64_t planes = args.pred.shape[0] * (interleaved ? 1 : joints);
    const int64_t grain = kErrorElementsPerThread / (length * args.pred.shape[2] / parts + 1) + 1;
    parallel_for(planes * parts, grain, [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        ErrorRows<compute_t<T>> rows(length, interleaved);
        auto target = make_target(interleaved ? joints : 1);
        for (int64_t task = begin; task < end; ++task) {
            const int64_t plane = task / parts;
            if (interleaved) {
                error_of_image<T>(args, error, target, plane, task % parts, rows);
            } else {
                error_of_map<T>(args, error, target, plane / joints, plane % joints, task % parts, rows);
            }
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
