// The CUDA kernel of gaussian_heatmap. Bound by the store bandwidth: the exponentials hide behind the writes.
#include "core/convert.h"
#include "core/cuda/gaussian.cuh"
#include "core/cuda/launch.cuh"
#include "core/cuda/vector.cuh"
#include "ops/gaussian_heatmap/gaussian_heatmap.h"

namespace pyposeops {
namespace {

constexpr int kThreads = 128;
// 16-byte stores per thread: enough to keep the staging of the joints a small share of a block's work.
constexpr int kVectorsPerThread = 8;
// Every CUDA device gives a block this much shared memory without being asked. Where only the sum of the people of all
// images is known (ragged), a third of that, so that several blocks fit on a multiprocessor.
constexpr int64_t kSharedBytes = 48 * 1024;
constexpr int64_t kRaggedBytes = 16 * 1024;

__device__ void store_weight(const GaussianHeatmapArgs& args, int64_t b, int64_t k) {
    const PeopleRange people = gaussian_people(args, b);
    double weight = 0.0;
    for (int64_t n = people.begin; n < people.end; ++n) {
        weight = larger_weight(weight, load_gaussian_joint(args, b, n, k).weight, n == people.begin);
    }
    store_gaussian_weight(args, b * args.heatmaps.shape[1] + k, weight);
}

// The people of the maps that a block writes: joints first_joint .. first_joint + channels - 1 of image b. Those that
// do not fit in shared memory (whole-body joints of dozens of people, channels_last) are read again for every element.
template <class Real>
struct MapPeople {
    const GaussianJointTensors& tensors;
    StagedJoint<Real>* staged;  // person by person
    int64_t b, first_person;
    int count, staged_count;
    int first_joint, channels;

    __device__ __forceinline__ MapPeople(const GaussianJointTensors& joints, StagedJoint<Real>* shared,
                                         int capacity, int64_t image, int joint, int joints_per_block)
        : tensors(joints), staged(shared), b(image), first_joint(joint), channels(joints_per_block) {
        const PeopleRange people = gaussian_people(joints, image);
        first_person = people.begin;
        count = people.end > people.begin ? static_cast<int>(people.end - people.begin) : 0;
        staged_count = count < capacity ? count : capacity;
    }

    __device__ __forceinline__ StagedJoint<Real> load(int n, int channel) const {
        return stage<Real>(load_gaussian_joint(tensors, b, first_person + n, first_joint + channel), tensors);
    }

    __device__ __forceinline__ void stage_all() const {
        for (int i = static_cast<int>(threadIdx.x); i < channels * staged_count; i += kThreads) {
            staged[i] = load(i / channels, i % channels);
        }
    }

    // With the people past those in shared memory; out of line, as it costs many registers.
    __device__ __noinline__ Real with_unstaged(Real total, int channel, int x, int y) const {
        for (int n = staged_count; n < count; ++n) {
            total = with_person(total, value_at(load(n, channel), x, y, tensors), tensors.add_people);
        }
        return total;
    }

    __device__ __forceinline__ Real value(int channel, int x, int y) const {
        const bool add = tensors.add_people;
        Real total = Real(0);
        for (int n = 0; n < staged_count; ++n) {
            total = with_person(total, value_at(staged[n * channels + channel], x, y, tensors), add);
        }
        if (staged_count < count) total = with_unstaged(total, channel, x, y);
        return add && total > Real(1) ? Real(1) : total;
    }
};

// What a block writes: own people, others' and, as the map after the last joint, the background.
template <class Real>
struct Maps {
    MapPeople<Real> own;
    MapPeople<Real> others;
    Real others_weight;

    // Out of line: a vector has up to eight of these.
    __device__ __noinline__ Real joint(int channel, int x, int y) const {
        const Real value = own.value(channel, x, y);
        return others.count == 0 ? value : value + others_weight * others.value(channel, x, y);
    }

    __device__ __noinline__ Real background(int x, int y) const {
        Real largest = Real(0);
        for (int c = 0; c < own.channels; ++c) {
            const Real value = joint(c, x, y);
            largest = value > largest ? value : largest;
        }
        return largest < Real(1) ? Real(1) - largest : Real(0);
    }
};

// One block owns a stretch of one plane's memory: of one map (NCHW) or of one image with all its maps (channels_last).
// The joints of the plane are staged in shared memory; the plane of the background needs those of all maps.
// Neighbouring threads write neighbouring vectors of 16 bytes; a vector finds its first pixel by division, the next
// ones by counting.
// kComposed: with others or a background; without, the kernel is a third of the size.
template <class T, bool kChannelsLast, bool kComposed>
__global__ void __launch_bounds__(kThreads)
    render_kernel(const __grid_constant__ GaussianHeatmapArgs args, int elements_per_plane, int own_capacity,
                  int others_capacity) {
    using Real = compute_t<T>;
    constexpr int kSize = Vector<T>::kSize;
    extern __shared__ __align__(16) unsigned char shared_bytes[];
    const int maps = static_cast<int>(args.heatmaps.shape[1]);
    const int joints = kComposed && args.background ? maps - 1 : maps;
    const int64_t b = blockIdx.x / (kChannelsLast ? 1 : maps);
    const int map = kChannelsLast ? 0 : static_cast<int>(blockIdx.x) % maps;
    const bool background_plane = kComposed && !kChannelsLast && map == joints;
    const int channels = kChannelsLast || background_plane ? joints : 1;
    const int first_joint = background_plane ? 0 : map;

    auto* const staged = reinterpret_cast<StagedJoint<Real>*>(shared_bytes);
    const MapPeople<Real> own(args, staged, own_capacity, b, first_joint, channels);
    const MapPeople<Real> others(args.others, staged + own.staged_count * channels, others_capacity, b,
                                 first_joint, channels);
    own.stage_all();
    if (kComposed) others.stage_all();
    if (blockIdx.y == 0) {
        const int written = kChannelsLast ? maps : 1;
        for (int k = map + static_cast<int>(threadIdx.x); k < map + written; k += kThreads) {
            if (kComposed && k == joints) {
                store_gaussian_weight(args, b * maps + k, 1.0);
            } else {
                store_weight(args, b, k);
            }
        }
    }
    __syncthreads();

    [[maybe_unused]] const Maps<Real> values = {own, others, static_cast<Real>(args.others_weight)};
    T* const out = args.heatmaps.as<T>() + static_cast<int64_t>(blockIdx.x) * elements_per_plane;
    const int step = kChannelsLast ? maps : 1;
    const int width = static_cast<int>(args.map_width);
    const bool aligned =
        elements_per_plane % kSize == 0 && reinterpret_cast<uintptr_t>(args.heatmaps.data) % 16 == 0;
    const int64_t block_begin = static_cast<int64_t>(blockIdx.y) * kThreads * kVectorsPerThread * kSize;
    for (int v = 0; v < kVectorsPerThread; ++v) {
        const int64_t begin = block_begin + (v * kThreads + static_cast<int>(threadIdx.x)) * kSize;
        if (begin >= elements_per_plane) return;
        const int at = static_cast<int>(begin);
        int channel = at % step;
        int x = at / step % width;
        int y = at / step / width;
        Vector<T> result;
#pragma unroll
        for (int e = 0; e < kSize; ++e) {
            Real value;
            if constexpr (kComposed) {
                const bool background = background_plane || channel == joints;
                value = background ? values.background(x, y) : values.joint(channel, x, y);
            } else {
                value = own.value(channel, x, y);
            }
            store_from_compute(&result.values[e], value);
            channel = channel + 1 == step ? 0 : channel + 1;
            x = channel == 0 ? x + 1 : x;
            y = x == width ? y + 1 : y;
            x = x == width ? 0 : x;
        }
        if (aligned) {
            *reinterpret_cast<Vector<T>*>(out + at) = result;
        } else {
            for (int e = 0; e < kSize && at + e < elements_per_plane; ++e) out[at + e] = result.values[e];
        }
    }
}

// How many people of an image a block keeps in `budget` bytes of shared memory.
template <class Real>
int people_in_shared(const GaussianJointTensors& joints, int64_t channels, int64_t budget) {
    if (joints.keypoints.data == nullptr) return 0;
    const int64_t each = channels * static_cast<int64_t>(sizeof(StagedJoint<Real>));
    if (joints.offsets.data != nullptr && budget > kRaggedBytes) budget = kRaggedBytes;
    const int64_t fitting = budget / (each > 0 ? each : 1);
    const int64_t people = joints.keypoints.shape[1];
    return static_cast<int>(people < fitting ? people : fitting);
}

template <class T, bool kChannelsLast>
void launch_render(const GaussianHeatmapArgs& args, cudaStream_t stream) {
    using Real = compute_t<T>;
    const int64_t maps = args.heatmaps.shape[1];
    const int64_t planes = args.heatmaps.shape[0] * (kChannelsLast ? 1 : maps);
    const int64_t elements = args.map_height * args.map_width * (kChannelsLast ? maps : 1);
    if (elements >= int64_t{1} << 26) {
        throw std::invalid_argument("size: expected fewer than 2^26 elements per image on CUDA, got " +
                                    std::to_string(elements));
    }
    const int64_t channels = kChannelsLast || args.background ? maps - (args.background ? 1 : 0) : 1;
    const int own = people_in_shared<Real>(args, channels, kSharedBytes);
    const int64_t own_bytes = own * channels * static_cast<int64_t>(sizeof(StagedJoint<Real>));
    const int others = people_in_shared<Real>(args.others, channels, kSharedBytes - own_bytes);
    const int64_t bytes = own_bytes + others * channels * static_cast<int64_t>(sizeof(StagedJoint<Real>));
    const int64_t per_block = int64_t{kThreads} * kVectorsPerThread * Vector<T>::kSize;
    const dim3 grid(block_count(planes, 1), block_count(elements, per_block));
    const bool composed = args.background || args.others.keypoints.data != nullptr;
    const auto kernel =
        composed ? &render_kernel<T, kChannelsLast, true> : &render_kernel<T, kChannelsLast, false>;
    kernel<<<grid, kThreads, static_cast<size_t>(bytes), stream>>>(args, static_cast<int>(elements), own,
                                                                   others);
    check_launch("gaussian_heatmap");
}

}  // namespace

void gaussian_heatmap_cuda(const GaussianHeatmapArgs& args, StreamHandle stream) {
    const DeviceGuard guard(args.heatmaps.device);
    const bool channels_last = !args.heatmaps.is_contiguous();
    visit_floating(args.heatmaps.dtype, [&](auto tag) {
        using T = typename decltype(tag)::type;
        if (channels_last) {
            launch_render<T, true>(args, as_cuda_stream(stream));
        } else {
            launch_render<T, false>(args, as_cuda_stream(stream));
        }
    });
}

}  // namespace pyposeops
