// Which channel of the mirrored image's maps belongs to which, and with what sign.
#pragma once

#include <cstdint>

#include "core/flip.h"
#include "core/host_device.h"

namespace pyposeops {

struct FlipChannels {
    int32_t per_joint;
    int32_t negated_part;  // of a joint's channels; -1 for none
};

struct FlippedChannel {
    int32_t index;
    bool negated;
};

POSEOPS_HD FlippedChannel flipped_channel(int32_t channel, const FlipOrder& order, FlipChannels channels) {
    const int32_t joint = channel / channels.per_joint;
    const int32_t part = channel - joint * channels.per_joint;
    return {order.partner[joint] * channels.per_joint + part, part == channels.negated_part};
}

}  // namespace pyposeops
