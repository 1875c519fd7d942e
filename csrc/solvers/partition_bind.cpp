#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "core/check.h"
#include "solvers/partition.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

using Array = py::array_t<double, py::array::c_style | py::array::forcecast>;

py::array_t<int64_t> as_array(const std::vector<int64_t>& values) {
    return py::array_t<int64_t>(static_cast<py::ssize_t>(values.size()), values.data());
}

py::tuple solve(const Array& unaries, const Array& pairwise) {
    POSEOPS_CHECK(unaries.ndim() == 2, "unaries", "(D, C)", std::to_string(unaries.ndim()) + " axes");
    const int64_t detections = unaries.shape(0);
    const int64_t classes = unaries.shape(1);
    const bool by_class = pairwise.ndim() == 4;
    const bool fits =
        pairwise.ndim() >= 2 && pairwise.shape(0) == detections && pairwise.shape(1) == detections &&
        (pairwise.ndim() == 2 || (by_class && pairwise.shape(2) == classes && pairwise.shape(3) == classes));
    POSEOPS_CHECK(fits, "pairwise", "(D, D) or (D, D, C, C)",
                  std::to_string(pairwise.ndim()) + " axes of other sizes");
    const PartitionProblem problem = {detections, classes, unaries.data(), pairwise.data(), by_class};
    Partition found;
    {
        const py::gil_scoped_release release;
        found = solve_partition(problem);
    }
    return py::make_tuple(as_array(found.labels), as_array(found.people), found.cost);
}

}  // namespace

void bind_partition(py::module_& module) { module.def("solve_partition", &solve); }

}  // namespace pyposeops
