// Reads lists of COCO dictionaries into arrays, and measures the people in them. A wrong entry is named:
// "annotations[3]: keypoints: expected 51 numbers, got 50".
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "core/check.h"
#include "core/parallel.h"

namespace py = pybind11;

namespace pyposeops {
namespace {

// One dictionary of the list.
class Record {
  public:
    Record(PyObject* object, const char* list, int64_t index) : object_(object), list_(list), index_(index) {
        if (!PyDict_Check(object)) fail(nullptr, "a dictionary", Py_TYPE(object)->tp_name);
    }

    // Null where the key is missing or its value is None.
    PyObject* find(PyObject* key) const {
        PyObject* value = PyDict_GetItemWithError(object_, key);
        if (value == nullptr && PyErr_Occurred()) throw py::error_already_set();
        return value == Py_None ? nullptr : value;
    }

    PyObject* get(PyObject* key) const {
        PyObject* value = find(key);
        if (value == nullptr) fail(key, "a value", "none");
        return value;
    }

    int64_t integer(PyObject* key) const { return to_integer(key, get(key)); }

    int64_t integer_or(PyObject* key, int64_t missing) const {
        PyObject* value = find(key);
        return value == nullptr ? missing : to_integer(key, value);
    }

    double number(PyObject* key) const { return to_number(key, get(key)); }

    // `count` numbers, of which every one of the first `kept` in each group of `group` is stored.
    void numbers(PyObject* key, int64_t count, int64_t group, int64_t kept, double* out) const {
        numbers(key, get(key), count, group, kept, out);
    }

    void numbers(PyObject* key, PyObject* value, int64_t count, int64_t group, int64_t kept,
                 double* out) const {
        const py::object sequence = py::reinterpret_steal<py::object>(PySequence_Fast(value, ""));
        if (!sequence) {
            PyErr_Clear();
            fail(key, std::to_string(count) + " numbers", Py_TYPE(value)->tp_name);
        }
        const int64_t size = PySequence_Fast_GET_SIZE(sequence.ptr());
        if (size != count) fail(key, std::to_string(count) + " numbers", std::to_string(size));
        PyObject** items = PySequence_Fast_ITEMS(sequence.ptr());
        for (int64_t i = 0; i < count; i += group) {
            for (int64_t j = 0; j < kept; ++j) *out++ = to_number(key, items[i + j]);
        }
    }

    [[noreturn]] void fail(PyObject* key, const std::string& wanted, const std::string& got) const {
        std::string name = std::string(list_) + "[" + std::to_string(index_) + "]";
        if (key != nullptr) name += ": " + py::cast<std::string>(py::handle(key));
        throw_value_error(name.c_str(), wanted, got);
    }

  private:
    int64_t to_integer(PyObject* key, PyObject* value) const {
        const py::object index = py::reinterpret_steal<py::object>(PyNumber_Index(value));
        const int64_t number = index ? PyLong_AsLongLong(index.ptr()) : -1;
        if (!index || (number == -1 && PyErr_Occurred())) {
            PyErr_Clear();
            fail(key, "an integer", repr(value));
        }
        return number;
    }

    double to_number(PyObject* key, PyObject* value) const {
        const double number = PyFloat_CheckExact(value) ? PyFloat_AS_DOUBLE(value) : PyFloat_AsDouble(value);
        if (number == -1.0 && PyErr_Occurred()) {
            PyErr_Clear();
            fail(key, "numbers", repr(value));
        }
        if (!std::isfinite(number)) fail(key, "finite numbers", repr(value));
        return number;
    }

    static std::string repr(PyObject* value) { return py::cast<std::string>(py::repr(py::handle(value))); }

    PyObject* object_;
    const char* list_;
    int64_t index_;
};

// A list (or other sequence) of dictionaries, held while it is read.
class Records {
  public:
    Records(py::handle list, const char* name) : name_(name) {
        sequence_ = py::reinterpret_steal<py::object>(PySequence_Fast(list.ptr(), ""));
        if (!sequence_) {
            PyErr_Clear();
            throw TypeError(std::string(name) + ": expected a list of dictionaries, got " +
                            Py_TYPE(list.ptr())->tp_name);
        }
    }
    int64_t size() const { return PySequence_Fast_GET_SIZE(sequence_.ptr()); }
    Record operator[](int64_t i) const { return {PySequence_Fast_GET_ITEM(sequence_.ptr(), i), name_, i}; }

  private:
    py::object sequence_;
    const char* name_;
};

template <class T>
using Array = py::array_t<T, py::array::c_style>;

py::str key(const char* text) {
    PyObject* interned = PyUnicode_InternFromString(text);
    if (interned == nullptr) throw py::error_already_set();
    return py::reinterpret_steal<py::str>(interned);
}

// Missing integers are `kMissing`.
constexpr int64_t kMissing = -1;

py::dict read_truths(py::handle list, int64_t joints) {
    const Records records(list, "annotations");
    const int64_t count = records.size();
    const py::str image = key("image_id"), category = key("category_id"), id = key("id"), area = key("area"),
                  box = key("bbox"), keypoints = key("keypoints"), crowd = key("iscrowd"),
                  labelled = key("num_keypoints");
    Array<int64_t> images(count), categories(count), ids(count), labels(count);
    Array<double> areas(count), boxes({count, int64_t{4}}), points({count, joints, int64_t{3}});
    Array<uint8_t> crowds(count);
    Array<uint8_t> has_area(count);
    for (int64_t i = 0; i < count; ++i) {
        const Record record = records[i];
        images.mutable_at(i) = record.integer(image.ptr());
        categories.mutable_at(i) = record.integer_or(category.ptr(), 1);
        ids.mutable_at(i) = record.integer_or(id.ptr(), i + 1);
        crowds.mutable_at(i) = record.integer_or(crowd.ptr(), 0) != 0;
        labels.mutable_at(i) = record.integer_or(labelled.ptr(), kMissing);
        record.numbers(box.ptr(), 4, 4, 4, boxes.mutable_data(i));
        record.numbers(keypoints.ptr(), 3 * joints, 3, 3, points.mutable_data(i));
        has_area.mutable_at(i) = record.find(area.ptr()) != nullptr;
        areas.mutable_at(i) = has_area.at(i) ? record.number(area.ptr()) : 0.0;
    }
    py::dict result;
    result["image_ids"] = images;
    result["category_ids"] = categories;
    result["ids"] = ids;
    result["keypoints"] = points;
    result["areas"] = areas;
    result["has_area"] = has_area;
    result["boxes"] = boxes;
    result["crowd"] = crowds;
    result["num_keypoints"] = labels;
    return result;
}

py::dict read_results(py::handle list, int64_t joints) {
    const Records records(list, "results");
    const int64_t count = records.size();
    const py::str image = key("image_id"), category = key("category_id"), id = key("id"), area = key("area"),
                  box = key("bbox"), keypoints = key("keypoints"), score = key("score");
    Array<int64_t> images(count), categories(count), ids(count);
    Array<double> scores(count), areas(count), box_areas(count), points({count, joints, int64_t{2}});
    const double nan = std::nan("");
    for (int64_t i = 0; i < count; ++i) {
        const Record record = records[i];
        images.mutable_at(i) = record.integer(image.ptr());
        categories.mutable_at(i) = record.integer_or(category.ptr(), 1);
        ids.mutable_at(i) = record.integer_or(id.ptr(), i + 1);
        scores.mutable_at(i) = record.number(score.ptr());
        record.numbers(keypoints.ptr(), 3 * joints, 3, 2, points.mutable_data(i));
        areas.mutable_at(i) = record.find(area.ptr()) == nullptr ? nan : record.number(area.ptr());
        box_areas.mutable_at(i) = nan;
        PyObject* corners = record.find(box.ptr());
        if (corners != nullptr && PyObject_Size(corners) != 0) {
            double values[4];
            record.numbers(box.ptr(), corners, 4, 4, 4, values);
            box_areas.mutable_at(i) = values[2] * values[3];
        }
    }
    py::dict result;
    result["image_ids"] = images;
    result["category_ids"] = categories;
    result["ids"] = ids;
    result["keypoints"] = points;
    result["scores"] = scores;
    result["areas"] = areas;
    result["box_areas"] = box_areas;
    return result;
}

// Area of the smallest box around all joints of each person; 0 without joints.
Array<double> extents(const Array<double>& keypoints) {
    POSEOPS_CHECK(keypoints.ndim() == 3 && keypoints.shape(2) >= 2, "keypoints", "(people, joints, 2 or 3)",
                  "another shape");
    const int64_t people = keypoints.shape(0);
    const int64_t joints = keypoints.shape(1);
    const int64_t step = keypoints.shape(2);
    Array<double> areas(people);
    const double* points = keypoints.data();
    double* area = areas.mutable_data();
    constexpr int64_t kPeoplePerTask = 1024;
    parallel_for(people, kPeoplePerTask, [=](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) {
            const double* person = points + i * joints * step;
            double left = joints > 0 ? person[0] : 0.0, right = left;
            double top = joints > 0 ? person[1] : 0.0, bottom = top;
            for (int64_t k = 1; k < joints; ++k) {
                left = std::min(left, person[k * step]), right = std::max(right, person[k * step]);
                top = std::min(top, person[k * step + 1]), bottom = std::max(bottom, person[k * step + 1]);
            }
            area[i] = (right - left) * (bottom - top);
        }
    });
    return areas;
}

}  // namespace

void bind_coco_records(py::module_& module) {
    module.def("coco_read_truths", &read_truths);
    module.def("coco_read_results", &read_results);
    module.def("coco_extents", &extents);
}

}  // namespace pyposeops
