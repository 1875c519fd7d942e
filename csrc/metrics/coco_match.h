// Matches detections with ground truths, image by image, as COCO's keypoint evaluation does.
//
// A cell is one category in one image. Ground truths and detections come as rows in any order; `*_order` lists the rows
// cell by cell (detections by falling score, ties in the order given), `*_offsets` where each cell begins.
#pragma once

#include <cstdint>

namespace pyposeops {

// What the curves need to know of a detection at one area range and one threshold.
enum CocoState : uint8_t { kFalsePositive = 0, kTruePositive = 1, kIgnored = 2 };

struct CocoMatchArgs {
    int64_t cells;
    int64_t joints;
    int64_t thresholds;
    int64_t area_ranges;
    int64_t detections;  // in dt_order
    int64_t truths;      // in gt_order

    const double* gt_keypoints;  // (rows, joints, 3): x, y, visibility
    const double* gt_areas;
    const double* gt_boxes;         // (rows, 4) xywh
    const uint8_t* gt_crowd;        // may match many detections
    const uint8_t* gt_ignored;      // whatever the area range
    const uint8_t* gt_unmatchable;  // or null: what matches these counts as unmatched (id 0 in pycocotools)
    const int64_t* gt_order;
    const int64_t* gt_offsets;  // (cells + 1)

    const double* dt_keypoints;  // (rows, joints, dt_step): x, y and whatever follows
    int64_t dt_step;
    const double* dt_areas;
    const uint8_t* dt_unmarking;  // or null: ground truths stay free when these match (id 0 in pycocotools)
    const int64_t* dt_order;
    const int64_t* dt_offsets;

    const double* sigmas;          // (joints)
    const double* iou_thresholds;  // (thresholds)
    const double* area_limits;     // (area_ranges, 2), both ends included

    uint8_t* states;      // (area_ranges, thresholds, detections), CocoState
    uint8_t* gt_outside;  // (area_ranges, truths): 1 where ignored there
    int32_t* matches;     // or null: (area_ranges, thresholds, detections): position in gt_order, -1 for none
    double* similarities;               // or null: per cell (detections, truths), one cell after the other
    const int64_t* similarity_offsets;  // (cells + 1), with similarities
};

void coco_match(const CocoMatchArgs& args);

}  // namespace pyposeops
