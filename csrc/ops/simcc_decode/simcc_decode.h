// simcc_decode: positions and scores from the distributions along x and y that SimCC predicts.
//
// rows[0]    (B, K, X)    any floating dtype and strides; bins from 1 to 2^24 - 1
// rows[1]    (B, K, Y)    the dtype of rows[0], any strides
// flipped    as rows, for the mirrored crops; rank 0 where there are none
// affines    (B, 2, 3)    float32 or float64, image -> crop: coords are brought back to the image; rank 0 without
// coords     (B, K, 2)    output, float32, or float64 where rows are, contiguous
// scores     (B, K)       output, the dtype of coords, contiguous
//
// Each row is normalised, merged with the mirrored one, and the first maximum sought, NaN being larger than every
// number; the softmax, which grows with what it is taken of, has it where the row has. Both devices follow this.
#pragma once

#include "core/cpu_isa.h"
#include "core/cuda_operator.h"
#include "core/flip.h"
#include "core/image_position.h"
#include "core/newton_refine.h"
#include "core/tensor_view.h"
#include "ops/simcc_decode/simcc_decode_math.h"

namespace pyposeops {

struct SimccDecodeArgs {
    TensorView rows[2];
    TensorView flipped[2];
    TensorView affines;
    TensorView coords;
    TensorView scores;
    FlipOrder flip_order;
    double split_ratio;
    double inverse_temperature;  // of the softmax
    double empty_coord;          // bins
    int32_t blur_kernels[2];     // taps, odd, up to kMaxBlurKernel; 0: no refinement
    int32_t shift;               // bins
    SimccScore score;
    bool softmax;
    bool replaces_empty;
};

POSEOPS_CPU_OPERATOR(simcc_decode, SimccDecodeArgs)
POSEOPS_CUDA_OPERATOR(simcc_decode, SimccDecodeArgs)

// The bins of one joint along one axis.
template <class T>
struct SimccBins {
    const T* data;
    int64_t stride;
    int32_t count;

    POSEOPS_HD compute_t<T> at(int32_t i) const { return load_as_compute(data[i * stride]); }
};

template <class T>
POSEOPS_HD SimccBins<T> simcc_bins(const TensorView& rows, int64_t b, int64_t k) {
    return {rows.as<T>() + b * rows.strides[0] + k * rows.strides[1], rows.strides[2],
            static_cast<int32_t>(rows.shape[2])};
}

// The maximum of a row, and how far the refinement moves it.
template <class Real>
struct SimccPeak {
    Real value;
    int32_t index;
    Real step;
};

template <class Real>
POSEOPS_HD void store_simcc_joint(const SimccDecodeArgs& args, int64_t b, int64_t k,
                                  const SimccPeak<Real> (&peaks)[2]) {
    const int64_t i = b * args.scores.shape[1] + k;
    const Real score = simcc_score(peaks[0].value, peaks[1].value, args.score);
    Real bins[2];
    for (int32_t d = 0; d < 2; ++d) {
        bins[d] = args.replaces_empty && !(score > Real(0))
                      ? static_cast<Real>(args.empty_coord)
                      : static_cast<Real>(peaks[d].index) + peaks[d].step;
    }
    Position place = {static_cast<double>(bins[0]) / args.split_ratio,
                      static_cast<double>(bins[1]) / args.split_ratio};
    if (args.affines.rank != 0) place = image_position(place, args.affines, b);
    args.coords.as<Real>()[2 * i] = static_cast<Real>(place.x);
    args.coords.as<Real>()[2 * i + 1] = static_cast<Real>(place.y);
    args.scores.as<Real>()[i] = score;
}

}  // namespace pyposeops
