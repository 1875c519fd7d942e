// The Python module pyposeops._core: one line per operator.
#include <pybind11/pybind11.h>

#include <string>

#include "bindings/tensor_import.h"
#include "core/cpu_isa.h"

#if defined(_OPENMP)
#include <omp.h>
#endif

namespace py = pybind11;

namespace pyposeops {

void bind_adaptive_wing_loss(py::module_& module);
void bind_assignment(py::module_& module);
void bind_associative_embedding_loss(py::module_& module);
void bind_centernet_decode(py::module_& module);
void bind_coco(py::module_& module);
void bind_coco_records(py::module_& module);
void bind_crop_features(py::module_& module);
void bind_crop_images(py::module_& module);
void bind_flip_merge(py::module_& module);
void bind_gaussian_heatmap(py::module_& module);
void bind_gaussian_heatmap_loss(py::module_& module);
void bind_heatmap_decode(py::module_& module);
void bind_heatmap_nms(py::module_& module);
void bind_heatmap_peaks(py::module_& module);
void bind_joints_mse_loss(py::module_& module);
void bind_nearby_joints_nms(py::module_& module);
void bind_offset_heatmap(py::module_& module);
void bind_oks_matrix(py::module_& module);
void bind_oks_nms(py::module_& module);
void bind_parametric_pose_nms(py::module_& module);
void bind_paf_decode(py::module_& module);
void bind_part_affinity_field(py::module_& module);
void bind_partition(py::module_& module);
void bind_personlab_decode(py::module_& module);
void bind_pifpaf_decode(py::module_& module);
void bind_simcc_decode(py::module_& module);
void bind_simcc_label(py::module_& module);
void bind_soft_argmax(py::module_& module);
void bind_soft_oks_nms(py::module_& module);
void bind_tag_grouping(py::module_& module);

#if defined(POSEOPS_WITH_CUDA)
int cuda_device_count();  // core/cuda/runtime.cu
int cuda_runtime_version();
#endif

namespace {

py::dict build_information() {
    py::dict info;
    info["version"] = POSEOPS_VERSION;
    info["cpu_isa"] = cpu_isa_name(cpu_isa());
#if defined(_OPENMP)
    info["threads"] = omp_get_max_threads();
#else
    info["threads"] = 1;
#endif
#if defined(POSEOPS_WITH_CUDA)
    info["cuda_compiled"] = true;
    info["cuda_architectures"] = POSEOPS_CUDA_ARCHITECTURES;
    info["cuda_runtime"] = cuda_runtime_version();
    info["cuda_devices"] = cuda_device_count();
#else
    info["cuda_compiled"] = false;
    info["cuda_architectures"] = "";
    info["cuda_runtime"] = 0;
    info["cuda_devices"] = 0;
#endif
    return info;
}

}  // namespace
}  // namespace pyposeops

PYBIND11_MODULE(_core, module) {
    using namespace pyposeops;
    module.doc() =
        "Operators of pyposeops on DLPack tensors. Use the functions of the package pyposeops instead.";
    cpu_isa();  // a wrong PYPOSEOPS_CPU fails the import, not the first call
    py::register_exception_translator([](std::exception_ptr error) {
        try {
            if (error) std::rethrow_exception(error);
        } catch (const TypeError& type_error) {
            py::set_error(PyExc_TypeError, type_error.what());
        }
    });
    module.attr("version") = POSEOPS_VERSION;
    module.def("build_information", &build_information);
    module.def("bind_torch_tensor_type", &bind_torch_tensor_type);
    module.def("forget_torch_tensor_type", &forget_torch_tensor_type);

    bind_adaptive_wing_loss(module);
    bind_assignment(module);
    bind_associative_embedding_loss(module);
    bind_centernet_decode(module);
    bind_coco(module);
    bind_coco_records(module);
    bind_crop_features(module);
    bind_crop_images(module);
    bind_flip_merge(module);
    bind_gaussian_heatmap(module);
    bind_gaussian_heatmap_loss(module);
    bind_heatmap_decode(module);
    bind_heatmap_nms(module);
    bind_heatmap_peaks(module);
    bind_joints_mse_loss(module);
    bind_nearby_joints_nms(module);
    bind_offset_heatmap(module);
    bind_oks_matrix(module);
    bind_oks_nms(module);
    bind_parametric_pose_nms(module);
    bind_paf_decode(module);
    bind_part_affinity_field(module);
    bind_partition(module);
    bind_personlab_decode(module);
    bind_pifpaf_decode(module);
    bind_simcc_decode(module);
    bind_simcc_label(module);
    bind_soft_argmax(module);
    bind_soft_oks_nms(module);
    bind_tag_grouping(module);
}
