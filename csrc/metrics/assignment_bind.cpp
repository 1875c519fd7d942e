#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include "core/check.h"
#include "metrics/assignment.h"

namespace py = pybind11;

namespace pyposeops {

void bind_assignment(py::module_& module) {
    module.def("assign", [](const py::array_t<double, py::array::c_style | py::array::forcecast>& costs) {
        POSEOPS_CHECK(costs.ndim() == 2, "costs", "(rows, columns)", std::to_string(costs.ndim()) + " axes");
        py::array_t<int64_t> column_of_row(costs.shape(0));
        assign(costs.data(), costs.shape(0), costs.shape(1), column_of_row.mutable_data());
        return column_of_row;
    });
}

}  // namespace pyposeops
