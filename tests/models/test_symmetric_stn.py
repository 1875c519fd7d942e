"""The symmetric transformer: there and back is nothing, the right theta centres, gradients are the formulas'."""

from typing import Literal

import pytest
import torch
from torch import Tensor, nn

import pyposeops
from python_models.symmetric_stn import Localisation, SymmetricPoseNetwork, theta_of_maps

SIZE, CELLS = (64, 48), (16, 12)
Grid = Literal["msra", "udp", "half_pixel"]
GRIDS: tuple[Grid, ...] = ("msra", "udp", "half_pixel")


def some_thetas(count: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(3)
    noise = torch.rand(count, 2, 3, generator=generator, dtype=dtype) - 0.5
    return torch.eye(2, 3, dtype=dtype) + noise * torch.tensor(
        [[0.5, 0.3, 0.4], [0.3, 0.5, 0.4]], dtype=dtype
    )


class Fixed(nn.Module):
    """A localisation network that has made up its mind."""

    def __init__(self, theta: Tensor) -> None:
        super().__init__()
        self.register_buffer("theta", theta)

    def forward(self, crops: Tensor) -> Tensor:
        return self.theta


class Shown(nn.Module):
    """The crops themselves, a quarter as large, as maps."""

    def forward(self, crops: Tensor) -> Tensor:
        return nn.functional.avg_pool2d(crops, 4)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_joints_go_there_and_back(dtype: torch.dtype):
    theta = some_thetas(20, dtype)
    joints = 60 * torch.rand(20, 17, 2, dtype=dtype)
    there = pyposeops.paste_back_keypoints(joints, pyposeops.invert_theta(theta), SIZE, SIZE)
    back = pyposeops.paste_back_keypoints(there, theta, SIZE, SIZE)
    torch.testing.assert_close(back, joints, rtol=0, atol=200 * torch.finfo(dtype).eps * 60)
    assert (there - joints).abs().mean() > 3


@pytest.mark.parametrize("grid", GRIDS)
def test_maps_come_back_to_where_their_joints_are(grid: Grid):
    """A joint of the crop, drawn on the map of the transformed crop, lies after the way back where it belongs."""
    theta = some_thetas(12, torch.float32)
    joints = torch.tensor([14.0, 20.0]) + 20 * torch.rand(
        12, 1, 2, generator=torch.Generator().manual_seed(1)
    )
    there = pyposeops.paste_back_keypoints(joints, pyposeops.invert_theta(theta), SIZE, SIZE)
    size, big = SIZE, (256, 192)  # so fine that peaks are as good as the joints
    zoom = torch.tensor([_per_pixel(s, b, grid) for s, b in zip(reversed(size), reversed(big), strict=True)])
    shift = (zoom - 1) / 2 if grid == "half_pixel" else 0
    rows, columns = torch.arange(256.0)[:, None], torch.arange(192.0)
    on_map = there * zoom + shift
    maps = torch.exp(-((columns - on_map[..., :1, None]) ** 2 + (rows - on_map[..., 1:, None]) ** 2) / 128)
    found = pyposeops.paste_back(maps, theta_of_maps(theta, size, big, grid))
    mass = found.sum((2, 3))
    x, y = (found * columns).sum((2, 3)) / mass, (found * rows).sum((2, 3)) / mass
    peaks = (torch.stack([x, y], dim=-1) - shift) / zoom
    inside = ((on_map > 30) & (on_map < torch.tensor([160.0, 225.0]))).all(-1)
    assert inside.sum() >= 4
    torch.testing.assert_close(peaks[inside], joints[inside], rtol=0, atol=0.05)


def _per_pixel(crop: int, cells: int, grid: Grid) -> float:
    return (cells - 1) / (crop - 1) if grid == "udp" else cells / crop


def test_only_edges_in_common_leave_theta_as_it_is():
    theta = some_thetas(5)
    torch.testing.assert_close(theta_of_maps(theta, SIZE, CELLS, "half_pixel"), theta)
    for grid in ("msra", "udp"):
        assert not torch.allclose(theta_of_maps(theta, SIZE, CELLS, grid), theta, atol=1e-3)
        identity = torch.eye(2, 3, dtype=torch.float64)[None]
        torch.testing.assert_close(theta_of_maps(identity, SIZE, CELLS, grid), identity)


@pytest.mark.parametrize("grid", GRIDS)
def test_it_starts_as_the_network_alone(grid: Grid):
    torch.manual_seed(0)
    pose = nn.Sequential(nn.Conv2d(3, 5, 4, 4))
    network = SymmetricPoseNetwork(Localisation(8), pose, grid).eval()
    crops = torch.randn(2, 3, *SIZE)
    torch.testing.assert_close(network(crops), pose(crops), rtol=0, atol=1e-5)


def test_the_right_theta_makes_a_displaced_crop_the_centred_one():
    photo = torch.nn.functional.interpolate(torch.rand(1, 3, 25, 25), (200, 200), mode="bicubic")
    true = torch.tensor([[60.0, 50.0, 60.0, 80.0]])
    shown = true + torch.tensor([[-18.0, -16.0, 39.0, 52.0]])  # shows all of it and more
    to_true, to_shown = (
        pyposeops.affine_from_box(box, SIZE, convention="msra", padding=1.0) for box in (true, shown)
    )

    def cut(affine: Tensor) -> Tensor:
        return pyposeops.spatial_transformer(
            photo, pyposeops.theta_from_affine(affine, (200, 200), SIZE), SIZE
        )

    mend = pyposeops.compose_affine(pyposeops.invert_affine(to_shown), to_true)
    theta = pyposeops.theta_from_affine(mend, SIZE, SIZE)
    mended, centred, displaced = (
        pyposeops.spatial_transformer(cut(to_shown), theta),
        cut(to_true),
        cut(to_shown),
    )
    assert (mended - centred).abs().mean() < 0.1 * (displaced - centred).abs().mean()
    joints = torch.tensor([[[70.0, 60.0], [90.0, 120.0]]])
    there = pyposeops.paste_back_keypoints(
        pyposeops.transform_keypoints(joints, to_shown), pyposeops.invert_theta(theta), SIZE, SIZE
    )
    torch.testing.assert_close(there, pyposeops.transform_keypoints(joints, to_true), rtol=0, atol=1e-3)


def test_the_gradient_of_the_whole_is_that_of_the_formulas():
    crops = torch.rand(2, 1, 12, 8, dtype=torch.float64, requires_grad=True)
    theta = some_thetas(2).requires_grad_(True)

    def through(crops: Tensor, theta: Tensor) -> tuple[Tensor, Tensor]:
        seen = pyposeops.spatial_transformer(crops, theta)
        maps = nn.functional.avg_pool2d(seen.square(), 2)
        return seen, pyposeops.paste_back(maps, theta_of_maps(theta, (12, 8), (6, 4), "msra"))

    assert torch.autograd.gradcheck(through, (crops, theta))
    joints = torch.rand(2, 3, 2, dtype=torch.float64, requires_grad=True)

    def there(joints: Tensor, theta: Tensor) -> Tensor:
        return pyposeops.paste_back_keypoints(joints, pyposeops.invert_theta(theta), (12, 8), (6, 4))

    assert torch.autograd.gradcheck(there, (joints, theta))


def test_both_branches_see_what_theta_cuts_and_the_fixed_one_passes_gradients_on():
    torch.manual_seed(0)
    pose = nn.Sequential(nn.Conv2d(3, 5, 4, 4), nn.BatchNorm2d(5))
    network = SymmetricPoseNetwork(Localisation(8), pose, "half_pixel").train()
    assert not network.parallel.training and network.pose.training
    crops = torch.randn(4, 3, *SIZE)
    with torch.no_grad():
        network.localisation.theta.bias += 0.1
    maps, parallel, theta = network.branches(crops)
    seen = pyposeops.spatial_transformer(crops, theta)
    torch.testing.assert_close(parallel[0], network.parallel(seen))
    torch.testing.assert_close(maps[0], network(crops))
    parallel[0].square().sum().backward()
    assert all(parameter.grad is None for parameter in network.parallel.parameters())
    assert network.localisation.theta.bias.grad.abs().sum() > 0
    with torch.no_grad():
        network.pose[0].bias += 1
    network.fix_parallel()
    torch.testing.assert_close(network.parallel[0].bias, network.pose[0].bias)


def test_singular_thetas_give_empty_maps():
    theta = torch.zeros(1, 2, 3)
    found = SymmetricPoseNetwork(Fixed(theta), Shown(), "half_pixel")(torch.rand(1, 3, *SIZE))
    assert found.shape == (1, 3, *CELLS) and not found.any()
