// The CPU loops of offset_heatmap: the people's joints are drawn over one another in scratch memory that stays in the
// cache, and the pixels they touched stored over zeroes.
#include "core/canvas.h"
#include "core/convert.h"
#include "core/parallel.h"
#include "ops/offset_heatmap/offset_heatmap.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

// Output elements below which a second thread does not pay.
constexpr int64_t kElementsPerThread = 16384;

// The marks of the canvas are the smallest measure so far.
template <class Real>
using OffsetCanvas = Canvas<Real, double>;

// Draws rows [y_begin, y_end) of a joint where it beats those before it.
template <OffsetRegion kRegion, OffsetOrder kOrder, class Real>
POSEOPS_INLINE void draw_joint(OffsetCanvas<Real>& canvas, const OffsetJoint& joint, const OffsetRule& rule,
                               int32_t y_begin, int32_t y_end) {
    const double limit = rounded_product(rule.radius, rule.radius);
    const Real multiplier = static_cast<Real>(rule.multiplier);
    for (int32_t y = y_begin; y < y_end; ++y) {
        const double dy = joint.y - static_cast<double>(y);
        const Real scaled_dy = static_cast<Real>(dy) * multiplier;
        Real* const across = canvas.x_row(y);
        Real* const down = canvas.y_row(y);
        double* const best = canvas.mark_row(y);
        canvas.touch(y, joint.x_begin, joint.x_end);
        for (int32_t begin = joint.x_begin; begin < joint.x_end; begin += kCanvasBlock) {
#pragma omp simd
            for (int32_t x = begin; x < begin + kCanvasBlock; ++x) {
                const double dx = joint.x - static_cast<double>(x);
                const double squared = squared_length(dx, dy);
                const bool inside =
                    (x < joint.x_end) & ((kRegion != OffsetRegion::kDisc) | (squared <= limit));
                const double measure = kOrder == OffsetOrder::kSmallest ? joint.size : squared;
                const bool takes = inside & takes_pixel(kOrder, measure, best[x]);
                best[x] = inside & (measure < best[x]) ? measure : best[x];
                across[x] = takes ? static_cast<Real>(dx) * multiplier : across[x];
                down[x] = takes ? scaled_dy : down[x];
            }
        }
    }
}

template <class Real>
POSEOPS_INLINE void draw_joint(OffsetCanvas<Real>& canvas, const OffsetJoint& joint, const OffsetRule& rule,
                               int32_t y_begin, int32_t y_end) {
    using Region = OffsetRegion;
    using Order = OffsetOrder;
    if (rule.order == Order::kSmallest) {
        return draw_joint<Region::kRootBox, Order::kSmallest>(canvas, joint, rule, y_begin, y_end);
    }
    const bool last = rule.order == Order::kLast;
    if (rule.region == Region::kDisc) {
        if (last) return draw_joint<Region::kDisc, Order::kLast>(canvas, joint, rule, y_begin, y_end);
        return draw_joint<Region::kDisc, Order::kNearest>(canvas, joint, rule, y_begin, y_end);
    }
    if (last) return draw_joint<Region::kMap, Order::kLast>(canvas, joint, rule, y_begin, y_end);
    draw_joint<Region::kMap, Order::kNearest>(canvas, joint, rule, y_begin, y_end);
}

// Draws rows [y_begin, y_end) of one joint of all people; returns its weight.
template <class Real>
POSEOPS_INLINE double draw_people(const OffsetHeatmapArgs& args, int64_t b, int64_t k, int32_t y_begin,
                                  int32_t y_end, OffsetCanvas<Real>& canvas) {
    const PeopleRange people = people_of_image(args.people, b);
    double weight = 0.0;
    for (int64_t n = people.begin; n < people.end; ++n) {
        const WeightedOffsetJoint one = load_offset_joint(args, b, n, k);
        weight = n == people.begin || one.weight > weight ? one.weight : weight;
        if (!one.drawn) continue;
        const int32_t first = one.joint.y_begin > y_begin ? one.joint.y_begin : y_begin;
        const int32_t past = one.joint.y_end < y_end ? one.joint.y_end : y_end;
        draw_joint(canvas, one.joint, args.rule, first, past);
    }
    return weight;
}

// Where the channels of one joint begin in memory, how far apart its channels, rows and pixels are, and the same of its
// mask.
template <class T>
struct JointPlanes {
    T* first;
    int64_t channel, row, pixel;
    unsigned char* mask;  // bool, or T in order smallest; null where the mask is the first channel
    int64_t mask_row, mask_pixel;
};

template <class Mask>
POSEOPS_INLINE void store_mask(Mask* target, const Span& span, int32_t width, int64_t step,
                               const double* best, const OffsetRule& rule) {
    using Value = decltype(load_as_compute(Mask{}));
    store_span(target, span, width, step,
               [&](int32_t x) { return static_cast<Value>(offset_mark(rule, best[x])); });
}

POSEOPS_INLINE void store_mask(uint8_t* target, const Span& span, int64_t step, const double* best,
                               const OffsetRule& rule) {
    for (int32_t x = span.begin; x < span.end; ++x) {
        target[x * step] = static_cast<uint8_t>(offset_mark(rule, best[x]));
    }
}

// Stores row y of the map, row `at` of the planes, and clears it.
template <class T>
POSEOPS_INLINE void store_row(const OffsetRule& rule, OffsetCanvas<compute_t<T>>& canvas, int32_t y,
                              int64_t at, const JointPlanes<T>& planes) {
    const Span span = canvas.spans[y];
    if (span.begin >= span.end) return;
    const auto* const across = canvas.x_row(y);
    const auto* const down = canvas.y_row(y);
    const double* const best = canvas.mark_row(y);
    T* row = planes.first + at * planes.row;
    if (planes.mask == nullptr) {
        store_mask(row, span, canvas.width, planes.pixel, best, rule);
        row += planes.channel;
    } else if (rule.order == OffsetOrder::kSmallest) {
        T* const mask = reinterpret_cast<T*>(planes.mask) + at * planes.mask_row;
        store_mask(mask, span, canvas.width, planes.mask_pixel, best, rule);
    } else {
        store_mask(planes.mask + at * planes.mask_row, span, planes.mask_pixel, best, rule);
    }
    store_span(row, span, canvas.width, planes.pixel, [&](int32_t x) { return across[x]; });
    store_span(row + planes.channel, span, canvas.width, planes.pixel, [&](int32_t x) { return down[x]; });
    canvas.clear(y);
}

template <class T>
POSEOPS_INLINE int64_t mask_bytes(const OffsetHeatmapArgs& args) {
    return args.rule.order == OffsetOrder::kSmallest ? static_cast<int64_t>(sizeof(T)) : 1;
}

// The mask element `at`, or null.
template <class T>
POSEOPS_INLINE unsigned char* mask_at(const OffsetHeatmapArgs& args, int64_t at) {
    if (args.masks.data == nullptr) return nullptr;
    return args.masks.as<unsigned char>() + at * mask_bytes<T>(args);
}

// NCHW: one task is one joint of one image.
template <class T>
POSEOPS_INLINE void draw_planes(const OffsetHeatmapArgs& args) {
    const int32_t height = args.map_height();
    const int32_t width = args.map_width();
    const int64_t joints = args.weights.shape[1];
    const int64_t pixels = int64_t{height} * width;
    const int64_t channels = args.channels();
    parallel_for(
        args.weights.numel(), kElementsPerThread / (channels * pixels) + 1, [&](int64_t begin, int64_t end) {
            OffsetCanvas<compute_t<T>> canvas(height, width, kNobody);
            for (int64_t i = begin; i < end; ++i) {
                T* const first = args.heatmaps.as<T>() + i * channels * pixels;
                const JointPlanes<T> planes = {first, pixels, width, 1, mask_at<T>(args, i * pixels),
                                               width, 1};
                write_zeros(first, channels * pixels);
                if (planes.mask != nullptr) write_zeros(planes.mask, pixels * mask_bytes<T>(args));
                store_offset_weight(args, i, draw_people(args, i / joints, i % joints, 0, height, canvas));
                for (int32_t y = 0; y < height; ++y) store_row(args.rule, canvas, y, y, planes);
            }
        });
}

// channels_last: the joints of rows [y_begin, y_end) of image b.
template <class T>
POSEOPS_INLINE void draw_rows(const OffsetHeatmapArgs& args, int64_t b, int32_t y_begin, int32_t y_end,
                              OffsetCanvas<compute_t<T>>& canvas) {
    const int64_t joints = args.weights.shape[1];
    const int64_t channels = args.channels();
    const int64_t length = args.map_width() * joints;
    const int64_t first_row = b * args.map_height() + y_begin;
    T* const first = args.heatmaps.as<T>() + first_row * channels * length;
    unsigned char* const masks = mask_at<T>(args, first_row * length);
    write_zeros(first, channels * length * (y_end - y_begin));
    if (masks != nullptr) write_zeros(masks, length * (y_end - y_begin) * mask_bytes<T>(args));
    for (int64_t k = 0; k < joints; ++k) {
        const double weight = draw_people(args, b, k, y_begin, y_end, canvas);
        if (y_begin == 0) store_offset_weight(args, b * joints + k, weight);
        const JointPlanes<T> planes = {first + channels * k,
                                       1,
                                       channels * length,
                                       channels * joints,
                                       masks == nullptr ? nullptr : masks + k * mask_bytes<T>(args),
                                       length,
                                       joints};
        for (int32_t y = y_begin; y < y_end; ++y) store_row(args.rule, canvas, y, y - y_begin, planes);
    }
}

// One task is a range of rows, which may begin and end within an image.
template <class T>
POSEOPS_INLINE void draw_images(const OffsetHeatmapArgs& args) {
    const int64_t height = args.map_height();
    const int64_t length = args.channels() * args.map_width() * args.weights.shape[1];
    parallel_for(args.heatmaps.shape[0] * height, kElementsPerThread / length + 1,
                 [&](int64_t begin, int64_t end) {
                     OffsetCanvas<compute_t<T>> canvas(args.map_height(), args.map_width(), kNobody);
                     for (int64_t next = begin; next < end;) {
                         const int64_t b = next / height;
                         const int64_t past = (b + 1) * height < end ? (b + 1) * height : end;
                         draw_rows<T>(args, b, static_cast<int32_t>(next - b * height),
                                      static_cast<int32_t>(past - b * height), canvas);
                         next = past;
                     }
                 });
}

}  // namespace

void offset_heatmap(const OffsetHeatmapArgs& args) {
    const bool channels_last = !args.heatmaps.is_contiguous();
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            draw_images<T>(args);
        } else {
            draw_planes<T>(args);
        }
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
