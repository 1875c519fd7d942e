"""oks_matrix against a loop over people as the COCO evaluation has it, its definition, and its corners."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pyposeops import oks_matrix, oks_pair_offsets, reference
from tests.op_contract import FLOATS, assert_same

# The documented distance of float32 results from float64 ones of the same input.
FLOAT32 = {"rtol": 0.0, "atol": 5e-7}
DOUBLE = {"rtol": 1e-12, "atol": 1e-14}


def people(generator, batch=3, detections=4, truths=5, joints=17, dtype=torch.float64):
    """Good arguments: detections around the truths, one truth in four without a labelled joint."""

    def rand(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    points = rand(batch, truths, joints, 2) * 300
    noise = torch.randn(batch, detections, joints, 2, generator=generator, dtype=torch.float64) * 6
    nearest = torch.arange(detections) % max(truths, 1)
    found = points[:, nearest] + noise if truths else rand(batch, detections, joints, 2) * 300
    visibility = torch.randint(0, 3, (batch, truths, joints), generator=generator)
    visibility[rand(batch, truths) < 0.25] = 0
    corner = points[..., 0, :] if joints else rand(batch, truths, 2)
    return {
        "detections": found.to(dtype),
        "truths": points.to(dtype),
        "sigmas": (rand(joints) * 0.08 + 0.025).to(dtype),
        "areas": (rand(batch, truths) * 9000 + 100).to(dtype),
        "visibility": visibility,
        "boxes": torch.cat([corner, rand(batch, truths, 2) * 90 + 5], -1).to(dtype),
        "detection_areas": (rand(batch, detections) * 9000 + 100).to(dtype),
        "detection_scores": rand(batch, detections, joints).to(dtype),
    }


VARIANTS = {
    "gt": {},
    "gt, box": {"unlabelled": "box"},
    "mean": {"scale": "mean"},
    "box": {"scale": "box"},
    "box, box": {"scale": "box", "unlabelled": "box", "box_factor": 1.0},
    "scores": {"score_threshold": 0.5},
    "scores, box": {"score_threshold": 0.7, "unlabelled": "box"},
}


def options(data, variant):
    """The arguments besides detections and truths that a variant takes."""
    chosen = dict(VARIANTS[variant])
    scale = chosen.get("scale", "gt")
    names = {"gt": ["areas"], "mean": ["areas", "detection_areas"], "box": ["boxes"]}[scale]
    names += ["boxes"] * ("unlabelled" in chosen) + ["detection_scores"] * ("score_threshold" in chosen)
    return {**chosen, **{name: data[name] for name in ["sigmas", "visibility", *names]}}


def definition(detections, truths, *, scale="gt", **arguments):
    return reference.oks_matrix(detections, truths, **arguments)


def call(data, variant, function=oks_matrix, to=lambda t: t):
    arguments = {
        name: to(v) if isinstance(v, torch.Tensor) else v for name, v in options(data, variant).items()
    }
    return function(to(data["detections"]), to(data["truths"]), **arguments)


# ---- what it computes --------------------------------------------------------------------------------------------


def evaluation_loop(data, variant):
    """One image and pair at a time in NumPy, as the published evaluation does."""
    chosen = options(data, variant)
    arrays = {name: v.numpy() for name, v in data.items()}
    batch, found, joints, _ = arrays["detections"].shape
    result = np.zeros((batch, found, arrays["truths"].shape[1]))
    for b, d, g in np.ndindex(result.shape):
        xd, yd = arrays["detections"][b, d].T
        xg, yg = arrays["truths"][b, g].T
        box = arrays["boxes"][b, g]
        area = arrays["areas"][b, g]
        if chosen.get("scale") == "mean":
            area = (area + arrays["detection_areas"][b, d]) / 2
        elif chosen.get("scale") == "box":
            area = box[2] * box[3] * chosen.get("box_factor", 0.53)
        labelled = arrays["visibility"][b, g] > 0
        if labelled.any():
            dx, dy = xd - xg, yd - yg
        elif chosen.get("unlabelled") == "box":
            zeros, labelled = np.zeros(joints), np.ones(joints, bool)
            x0, x1 = box[0] - box[2], box[0] + 2 * box[2]
            y0, y1 = box[1] - box[3], box[1] + 2 * box[3]
            dx = np.maximum(zeros, x0 - xd) + np.maximum(zeros, xd - x1)
            dy = np.maximum(zeros, y0 - yd) + np.maximum(zeros, yd - y1)
        else:
            continue
        if "score_threshold" in chosen:
            labelled = labelled & (arrays["detection_scores"][b, d] > chosen["score_threshold"])
        e = (dx**2 + dy**2) / (arrays["sigmas"] * 2) ** 2 / (area + np.spacing(1)) / 2
        if labelled.any():
            result[b, d, g] = np.exp(-e[labelled]).sum() / labelled.sum()
    return result


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("joints", [1, 14, 17, 133])
def test_equals_evaluation_loop(device, generator, variant, joints):
    data = people(generator, joints=joints)
    got = call(data, variant, to=lambda t: t.to(device))
    want = evaluation_loop(data, variant)
    assert want.max() > 0.1
    np.testing.assert_allclose(got.cpu().numpy(), want, rtol=1e-13, atol=1e-15)


def test_equals_pycocotools(generator):
    """Its own computeOks, also of people without a labelled joint; its exp is another in the last bit."""
    cocoeval = pytest.importorskip("pycocotools.cocoeval")
    data = people(generator, batch=1, truths=6, detections=6)
    evaluation = cocoeval.COCOeval(iouType="keypoints")
    evaluation.params.kpt_oks_sigmas = data["sigmas"].numpy()
    points = torch.cat([data["truths"], data["visibility"][..., None]], -1)[0]
    evaluation._gts[1, 1] = [
        {"keypoints": p.flatten().tolist(), "area": a.item(), "bbox": b.tolist()}
        for p, a, b in zip(points, data["areas"][0], data["boxes"][0], strict=True)
    ]
    evaluation._dts[1, 1] = [
        {"keypoints": torch.nn.functional.pad(d, (0, 1)).flatten().tolist(), "score": -i}
        for i, d in enumerate(data["detections"][0])
    ]
    want = evaluation.computeOks(1, 1)
    np.testing.assert_allclose(call(data, "gt, box")[0].numpy(), want, rtol=1e-15, atol=1e-300)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", FLOATS)
def test_value_and_gradient_equal_definition_in_float64(device, generator, variant, dtype):
    data = people(generator, dtype=dtype)
    exact, leaf = data["detections"].double().requires_grad_(), data["detections"].to(device).requires_grad_()
    doubles = {name: v if name == "detection_scores" else v.double() for name, v in data.items()}
    want = call({**doubles, "detections": exact}, variant, definition)
    got = call({**data, "detections": leaf}, variant, to=lambda t: t.to(device))
    assert got.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert_same(got.double(), want, **(DOUBLE if dtype == torch.float64 else FLOAT32))
    upstream = torch.rand(want.shape, generator=generator, dtype=torch.float64)
    (want * upstream).sum().backward()
    (got * upstream.to(got)).sum().backward()
    assert leaf.grad.dtype == dtype
    stored = {torch.float32: 2e-6, torch.float64: 1e-12, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    assert_same(leaf.grad.double(), exact.grad, rtol=stored, atol=stored * exact.grad.abs().max().item())


@pytest.mark.parametrize("spread", [0.1, 3.0, 40.0, 1000.0])
def test_float32_stays_within_the_stated_distance(device, generator, spread):
    truths = torch.rand(20, 30, 17, 2, generator=generator) * 2000
    detections = truths + torch.randn(truths.shape, generator=generator) * spread
    sigmas, areas = torch.full((17,), 0.072), torch.rand(20, 30, generator=generator) * 1e5 + 10
    arguments = [t.to(device) for t in (detections, truths, sigmas, areas)]
    got = oks_matrix(arguments[0], arguments[1], sigmas=arguments[2], areas=arguments[3])
    exact = [t.double() for t in arguments]
    want = oks_matrix(exact[0], exact[1], sigmas=exact[2], areas=exact[3])
    assert (got.double() - want).abs().max() < 5e-7


@pytest.mark.parametrize("variant", VARIANTS)
def test_gradcheck_first_and_second(device, generator, variant):
    data = {name: v.to(device) for name, v in people(generator, 2, 2, 3, 4).items()}

    def function(detections):
        return call({**data, "detections": detections}, variant)

    leaf = data["detections"].requires_grad_()
    assert torch.autograd.gradcheck(function, (leaf,))
    assert torch.autograd.gradgradcheck(function, (leaf,))


# ---- forms -------------------------------------------------------------------------------------------------------


def ragged(data, found, others):
    """The first of each image's people, one after the other, and the offsets."""
    lists = {}
    for name, tensor in data.items():
        counts = found if name.startswith("detection") else others
        lists[name] = (
            tensor if name == "sigmas" else torch.cat([t[:n] for t, n in zip(tensor, counts, strict=True)])
        )
    return lists, [torch.tensor([0, *np.cumsum(counts)]) for counts in (found, others)]


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_ragged_equals_padded_to_the_bit(device, generator, variant, dtype):
    found, others = [2, 0, 4, 1, 3, 0], [3, 2, 5, 0, 1, 0]
    data = {name: v.to(device) for name, v in people(generator, batch=6, dtype=dtype).items()}
    leaf = data["detections"].requires_grad_()
    whole = call(data, variant)
    lists, offsets = ragged(data, found, others)
    got = oks_matrix(
        lists["detections"], lists["truths"], **options(lists, variant),
        detection_offsets=offsets[0].int(), truth_offsets=offsets[1].int(),
    )  # fmt: skip
    parts = [m[:d, :g].flatten() for m, d, g in zip(whole, found, others, strict=True)]
    assert_same(got, torch.cat(parts), rtol=0, atol=0)
    starts = oks_pair_offsets(*offsets).tolist()
    assert starts == [0, *np.cumsum([len(part) for part in parts])]
    upstream = torch.rand(got.shape, generator=generator, dtype=dtype).to(device)
    (one,) = torch.autograd.grad(got, leaf, upstream)
    (other,) = torch.autograd.grad(torch.cat(parts), leaf, upstream)
    assert_same(one, other, rtol=1e-6, atol=1e-9)


def test_offsets_on_the_device_of_the_people(device, generator):
    data = {name: v.to(device) for name, v in people(generator).items()}
    lists, offsets = ragged(data, [2, 4, 1], [5, 0, 3])
    arguments = (lists["detections"], lists["truths"])
    results = [
        oks_matrix(
            *arguments, sigmas=data["sigmas"], areas=lists["areas"], pairs=pairs,
            detection_offsets=offsets[0].to(there), truth_offsets=offsets[1].to(there),
        )
        for there in ("cpu", device) for pairs in (None, 13)
    ]  # fmt: skip
    for result in results[1:]:
        assert_same(result, results[0], rtol=0, atol=0)


@pytest.mark.parametrize("variant", ["gt, box", "mean", "scores"])
def test_second_derivative_of_ragged_people(generator, variant):
    lists, offsets = ragged(people(generator, 3, 2, 2, 3), [2, 0, 1], [1, 2, 2])

    def function(detections):
        arguments = options({**lists, "detections": detections}, variant)
        return oks_matrix(
            detections, lists["truths"], **arguments, detection_offsets=offsets[0], truth_offsets=offsets[1]
        )

    leaf = lists["detections"].requires_grad_()
    assert torch.autograd.gradcheck(function, (leaf,))
    assert torch.autograd.gradgradcheck(function, (leaf,))


@pytest.mark.parametrize("variant", VARIANTS)
def test_one_image_needs_no_batch(generator, variant):
    data = people(generator, batch=1)
    single = {name: v if name == "sigmas" else v[0] for name, v in data.items()}
    assert_same(call(single, variant), call(data, variant)[0], rtol=0, atol=0)


def test_strided_people(device, generator):
    data = people(generator)
    want = call(data, "scores, box")
    spaced = {name: torch.stack([v, v], -1).to(device)[..., 0] for name, v in data.items()}
    turned = {
        name: v.to(device).mT.contiguous().mT if v.ndim > 1 else v.to(device) for name, v in data.items()
    }
    for tensors in (spaced, turned):
        assert_same(call(tensors, "scores, box"), want, **DOUBLE)


@pytest.mark.parametrize("shape", [(0, 3, 2, 5), (2, 0, 3, 5), (2, 3, 0, 5), (2, 3, 4, 0)])
def test_empty(device, generator, shape):
    batch, found, others, joints = shape
    data = {name: v.to(device) for name, v in people(generator, batch, found, others, joints).items()}
    leaf = data["detections"].requires_grad_()
    got = call(data, "scores")
    assert got.shape == (batch, found, others) and not got.any()
    got.sum().backward()
    assert leaf.grad.shape == leaf.shape and not leaf.grad.any()
