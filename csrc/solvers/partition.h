// Which detections are joints, of which class, and of which person: a heuristic for the subset partition problem.
//
// Source: Pishchulin et al., DeepCut, CVPR 2016, section 3, for the problem; Keuper et al., Efficient Decomposition of
// Image and Mesh Graphs by Lifted Multicuts, ICCV 2015, for greedy contraction and the moves in the manner of Kernighan
// and Lin; Levinkov et al., Joint Graph Decomposition and Node Labeling, CVPR 2017, for moves that change labels too.
#pragma once

#include <cstdint>
#include <vector>

namespace pyposeops {

struct PartitionProblem {
    int64_t detections;
    int64_t classes;
    const double*
        unaries;  // (D, C): the cost of a detection as a joint of a class; infinite where it cannot be one
    const double*
        pairwise;   // (D, D) or (D, D, C, C): the cost of two detections in one person; read for d < e
    bool by_class;  // the latter

    double unary(int64_t d, int64_t c) const { return unaries[d * classes + c]; }
    double pair(int64_t d, int64_t e, int64_t c, int64_t b) const {
        if (d > e) return pair(e, d, b, c);
        if (!by_class) return pairwise[d * detections + e];
        return pairwise[((d * detections + e) * classes + c) * classes + b];
    }
};

struct Partition {
    std::vector<int64_t> labels;  // the class of each detection, -1: none
    std::vector<int64_t> people;  // the person of each detection, -1: none; numbered by their first detection
    double cost;
};

Partition solve_partition(const PartitionProblem& problem);

}  // namespace pyposeops
