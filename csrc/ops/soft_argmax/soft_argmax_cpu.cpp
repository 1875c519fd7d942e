// The CPU loops of soft_argmax. A map is read tile by tile: the tile's maximum first, then, from the cache, its weights,
// added up column by column. Column sums need no reduction across vector lanes, and the positions come in when the
// columns are folded, in double, so that the second moments do not cancel.
#include <cstring>
#include <limits>

#include "core/denormals.h"
#include "core/parallel.h"
#include "core/scratch.h"
#include "ops/soft_argmax/soft_argmax.h"
#include "ops/soft_argmax/soft_argmax_cpu_rows.h"
#include "ops/soft_argmax/soft_argmax_cpu_tile.h"

namespace pyposeops::POSEOPS_ISA_NAMESPACE {
namespace {

template <class Real>
struct MapState {
    Real maximum;
    Real reference;
    SoftArgmaxMoments<double> moments;
};

// Raises the maxima of the maps by those of the tile. What was summed before follows the new reference.
template <class T, class Real>
POSEOPS_INLINE void raise_maxima(const SoftArgmaxArgs& args, const Tile<T>& tile, const TileRows<Real>& rows,
                                 Columns<Real>& columns, MapState<Real>* maps) {
    find_maxima(tile, rows, columns);
    const int64_t count = tile.elements();
    const Real rate = soft_argmax_rate<Real>(args.beta);
    for (int64_t c = 0; c < tile.lanes; ++c) {
        MapState<Real>& map = maps[c];
        if (columns.maximum[c] > map.maximum) map.maximum = columns.maximum[c];
        const Real reference = soft_argmax_reference(args.weight, map.maximum);
        if (reference > map.reference)
            map.moments.scale(exp2_nonpositive(rate * (map.reference - reference)));
        map.reference = reference;
        const Real background = soft_argmax_background(args.weight, rate, reference);
        for (int64_t j = c; j < count; j += tile.lanes) {
            columns.reference[j] = reference;
            columns.background[j] = background;
        }
    }
}

// Adds kRows long rows to the columns, the first of them at y on the tile.
template <SoftArgmaxWeight kWeight, bool kSquares, int kRows, class Real>
POSEOPS_INLINE void sum_rows(const Real* row, int64_t pitch, int64_t count, Real rate, Real y,
                             const Columns<Real>& columns) {
    const Real* const reference = columns.reference;
    const Real* const background = columns.background;
    Real* const sum = columns.moment[0];
    Real* const first = columns.moment[1];
    Real* const second = columns.moment[2];
#pragma omp simd
    for (int64_t j = 0; j < count; ++j) {
        Real s = Real(0), sy = Real(0), syy = Real(0);
        for (int r = 0; r < kRows; ++r) {
            const Real weight =
                soft_argmax_weight<kWeight>(row[r * pitch + j], rate, reference[j], background[j]);
            const Real moment = (y + static_cast<Real>(r)) * weight;
            s += weight;
            sy += moment;
            if (kSquares) syy += (y + static_cast<Real>(r)) * moment;
        }
        sum[j] += s;
        first[j] += sy;
        if (kSquares) second[j] += syy;
    }
}

template <SoftArgmaxWeight kWeight, bool kSquares, class T, class Real>
POSEOPS_INLINE void sum_columns(const SoftArgmaxArgs& args, const Tile<T>& tile, const TileRows<Real>& rows,
                                const Columns<Real>& columns) {
    const int64_t count = tile.elements();
    const Real rate = soft_argmax_rate<Real>(args.beta);
    for (Real* column : columns.moment) std::memset(column, 0, sizeof(Real) * count);
    int64_t y = 0;
    for (; y + kRowsAtOnce <= tile.rows; y += kRowsAtOnce) {
        sum_rows<kWeight, kSquares, kRowsAtOnce>(rows.values + y * rows.pitch, rows.pitch, count, rate,
                                                 static_cast<Real>(y - tile.middle_row()), columns);
    }
    for (; y < tile.rows; ++y) {
        sum_rows<kWeight, kSquares, 1>(rows.values + y * rows.pitch, rows.pitch, count, rate,
                                       static_cast<Real>(y - tile.middle_row()), columns);
    }
}

// Adds the columns of a lane to the lane's map: positions within the tile first, the tile's place on the map at the end.
template <bool kSquares, class T, class Real>
POSEOPS_INLINE void fold_columns(const Tile<T>& tile, const Columns<Real>& columns, int64_t lane,
                                 SoftArgmaxMoments<double>& map) {
    const Real* const sum = columns.moment[0] + lane;
    const Real* const first = columns.moment[1] + lane;
    const Real* const second = columns.moment[2] + lane;
    const double step = static_cast<double>(tile.joined);  // rows of the map per long row
    double s = 0.0, sx = 0.0, sxx = 0.0, sy = 0.0, sxy = 0.0, syy = 0.0;
#pragma omp simd reduction(+ : s, sx, sxx, sy, sxy, syy)
    for (int64_t i = 0; i < tile.joined * tile.pixels; ++i) {
        const double x = columns.x[i];
        const double y = columns.y[i];
        const double weight = sum[i * tile.lanes];
        const double moment = step * first[i * tile.lanes];
        s += weight;
        sx += x * weight;
        sy += moment + y * weight;
        if (kSquares) {
            sxx += x * x * weight;
            sxy += x * (moment + y * weight);
            syy += step * step * second[i * tile.lanes] + y * (2.0 * moment + y * weight);
        }
    }
    const double z = static_cast<double>(tile.position[0]);
    const double y0 = static_cast<double>(tile.position[1] + tile.middle_row() * tile.joined);
    const double x0 = static_cast<double>(tile.position[2]);
    map.sum += s;
    map.first[0] += z * s;
    map.first[1] += sy + y0 * s;
    map.first[2] += sx + x0 * s;
    if (!kSquares) return;
    map.second[0] += z * z * s;
    map.second[1] += z * (sy + y0 * s);
    map.second[2] += z * (sx + x0 * s);
    map.second[3] += syy + 2.0 * y0 * sy + y0 * y0 * s;
    map.second[4] += sxy + y0 * sx + x0 * sy + x0 * y0 * s;
    map.second[5] += sxx + 2.0 * x0 * sx + x0 * x0 * s;
}

template <SoftArgmaxWeight kWeight, bool kSquares, class T, class Real>
POSEOPS_INLINE void add_tile(const SoftArgmaxArgs& args, const Tile<T>& tile, Columns<Real>& columns,
                             MapState<Real>* maps) {
    const TileRows<Real> rows = fetch_tile(tile, columns);
    raise_maxima(args, tile, rows, columns, maps);
    sum_columns<kWeight, kSquares>(args, tile, rows, columns);
    for (int64_t c = 0; c < tile.lanes; ++c) fold_columns<kSquares>(tile, columns, c, maps[c].moments);
}

// The maps of one task, tile by tile.
template <SoftArgmaxWeight kWeight, bool kSquares, class T, class Real>
POSEOPS_INLINE void sum_maps(const SoftArgmaxArgs& args, const TensorView& view, const MapTasks& tasks,
                             int64_t task, int64_t tile_rows, Columns<Real>& columns, MapState<Real>* maps) {
    const T* const source = view.as<T>() + tasks.offset(view, task);
    const Real lowest = -std::numeric_limits<Real>::infinity();
    for (int64_t c = 0; c < tasks.lanes; ++c) {
        maps[c] = {lowest, soft_argmax_reference(args.weight, lowest), {}};
    }
    for (int64_t z = 0; z < view.shape[2]; ++z) {
        for (int64_t y = 0; y < view.shape[3]; y += tile_rows * tasks.joined) {
            for (int64_t x = 0; x < view.shape[4]; x += tasks.stretch_pixels) {
                const Tile<T> tile = {
                    source + z * view.strides[2] + y * view.strides[3] + x * view.strides[4],
                    view.strides[3] * tasks.joined,
                    tasks.element_stride(view),
                    smaller(tile_rows, (view.shape[3] - y) / tasks.joined),
                    tasks.joined,
                    smaller(tasks.stretch_pixels, view.shape[4] - x),
                    tasks.lanes,
                    {z, y, x}};
                add_tile<kWeight, kSquares>(args, tile, columns, maps);
            }
        }
    }
}

template <SoftArgmaxWeight kWeight, bool kSquares, class T>
POSEOPS_INLINE void centre_maps(const SoftArgmaxArgs& args) {
    using Real = compute_t<T>;
    const SplitAxis split(args.heatmaps);
    const TensorView& view = split.maps;
    const MapTasks tasks(view, has_interleaved_joints(view), has_rows_back_to_back(view));
    parallel_for(tasks.count, tasks.grain(view), [&](int64_t begin, int64_t end) {
        const FlushDenormals flush;
        const int64_t fitting = kTileElements / tasks.stretch_elements();
        const int64_t tile_rows = fitting < 1 ? 1 : smaller(fitting, kTileRows);
        Columns<Real> columns(tasks, tile_rows * tasks.stretch_elements());
        Scratch<MapState<Real>, 32> maps(tasks.lanes);
        for (int64_t task = begin; task < end; ++task) {
            sum_maps<kWeight, kSquares, T>(args, view, tasks, task, tile_rows, columns, maps.data());
            for (int64_t c = 0; c < tasks.lanes; ++c) {
                split.join(maps[c].moments);
                store_soft_argmax(args, tasks.first_map(task) + c, maps[c].maximum, maps[c].reference,
                                  maps[c].moments, {0.0, 0.0, 0.0});
            }
        }
    });
}

}  // namespace

void soft_argmax(const SoftArgmaxArgs& args) {
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        visit_weight(args.weight, [&](auto weight) {
            if (args.covariance.data == nullptr) {
                centre_maps<decltype(weight)::value, false, T>(args);
            } else {
                centre_maps<decltype(weight)::value, true, T>(args);
            }
        });
    });
}

}  // namespace pyposeops::POSEOPS_ISA_NAMESPACE
