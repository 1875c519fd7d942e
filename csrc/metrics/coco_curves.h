// Precision over recall, as COCO draws it: detections of all images by falling score, the envelope of the precision,
// read at given recalls.
#pragma once

#include <cstdint>

namespace pyposeops {

struct CocoCurvesArgs {
    int64_t categories;
    int64_t thresholds;
    int64_t recalls;
    int64_t area_ranges;
    int64_t limits;      // how many values of "at most this many detections per image"
    int64_t detections;  // all, cell by cell, those of a category together

    const double* scores;             // (detections)
    const int32_t* ranks;             // (detections): position by score within its cell
    const uint8_t* states;            // (area_ranges, thresholds, detections), CocoState
    const int64_t* category_offsets;  // (categories + 1) into the detections
    const uint8_t* category_exists;   // (categories): whether it has a ground truth or a detection
    const int64_t* positives;         // (categories, area_ranges): ground truths that count
    const int64_t* max_detections;    // (limits)
    const double* recall_thresholds;  // (recalls)

    double* precision;  // (thresholds, recalls, categories, area_ranges, limits); -1 without positives
    double* score_at;   // the same shape
    double* recall;     // (thresholds, categories, area_ranges, limits)
};

void coco_curves(const CocoCurvesArgs& args);

}  // namespace pyposeops
