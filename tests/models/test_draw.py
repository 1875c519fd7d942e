"""Pictures of people."""

import numpy as np
import pytest

from python_models.data import Skeleton, read_image
from python_models.draw import contact_sheet, draw_people, person_colour, write_image

SKELETON = Skeleton.from_names(
    "person",
    ("neck", "left_elbow", "left_wrist", "right_knee", "right_ankle", "left_knee"),
    [[1, 2], [2, 3], [4, 5], [4, 6]],
)
ORANGE, DARK_BLUE, GREEN, WHITE = (255, 176, 32), (64, 104, 240), (60, 180, 110), (255, 255, 255)
GREY = 128
NEARLY_WHITE = 240  # a smoothed line of one pixel does not reach 255


def plain(height: int = 120, width: int = 100) -> np.ndarray:
    return np.full((height, width, 3), GREY, np.uint8)


def person(score: float = 1.0, **scores: float) -> np.ndarray:
    places = [(20, 10), (20, 40), (60, 40), (20, 70), (20, 110), (60, 70)]
    named = [scores.get(name, score) for name in SKELETON.joint_names]
    return np.array([(*place, value) for place, value in zip(places, named, strict=True)])


def test_limbs_have_the_colour_of_their_side():
    picture = draw_people(plain(), [person()], SKELETON)
    assert tuple(picture[25, 20]) == ORANGE  # neck to left elbow
    assert tuple(picture[40, 40]) == ORANGE  # left elbow to left wrist
    assert tuple(picture[90, 20]) == DARK_BLUE  # right knee to right ankle
    assert tuple(picture[70, 40]) == GREEN  # from one side to the other
    assert tuple(picture[40, 20]) == WHITE  # a joint
    assert (picture[5, 80] == GREY).all()


def test_each_person_can_have_a_colour():
    other = person() + np.array([30, 0, 0])
    colours = [person_colour(0), person_colour(1)]
    picture = draw_people(plain(), [person(), other], SKELETON, colours=colours)
    for number, shift in enumerate((0, 30)):
        for row in (25, 90):  # limbs of the left and of the right side
            assert tuple(picture[row, 20 + shift]) == colours[number]
    with pytest.raises(ValueError):
        draw_people(plain(), [person(), other], SKELETON, colours=colours[:1])


def test_colours_of_people_who_follow_each_other_differ():
    colours = np.array([person_colour(number) for number in range(24)], float)
    for distance in (1, 2, 3):
        assert np.linalg.norm(colours[distance:] - colours[:-distance], axis=1).min() > 60
    assert len({person_colour(number) for number in range(100)}) > 90


def test_the_image_itself_is_not_changed():
    image = plain()
    draw_people(image, [person()], SKELETON, truth=[person()], boxes=[np.array([5, 5, 50, 50])])
    assert (image == GREY).all()


def test_joints_below_the_minimum_take_their_limbs_away():
    picture = draw_people(plain(), [person(left_wrist=0.1)], SKELETON)
    assert (picture[40, 40] == GREY).all()
    assert tuple(picture[25, 20]) == ORANGE
    assert (draw_people(plain(), [person(0.1)], SKELETON) == GREY).all()
    assert (
        tuple(draw_people(plain(), [person(left_wrist=0.1)], SKELETON, min_score=0.05)[40, 40]) != (GREY,) * 3
    )


def test_limbs_of_doubtful_joints_are_faint():
    picture = draw_people(plain(), [person(left_wrist=0.3)], SKELETON)
    expected = [0.4 * colour + 0.6 * GREY for colour in ORANGE]
    assert picture[40, 40] == pytest.approx(expected, abs=1)


def test_what_is_faint_follows_from_the_minimum():
    sure = draw_people(plain(), [person(0.05)], SKELETON, min_score=0.02)
    assert tuple(sure[25, 20]) == ORANGE
    assert (
        draw_people(plain(), [person(0.0)], SKELETON, min_score=0.0)
        == draw_people(plain(), [person()], SKELETON)
    ).all()


@pytest.mark.parametrize("place", [float("nan"), float("inf"), -1e9, 3e5])
def test_a_joint_that_is_nowhere_takes_only_its_limbs_away(place: float):
    astray = person()
    astray[2, 0] = place  # the left wrist
    expected = draw_people(plain(), [person(left_wrist=0.0)], SKELETON)
    np.testing.assert_array_equal(draw_people(plain(), [astray], SKELETON), expected)


def test_lines_grow_with_the_person():
    small = draw_people(plain(), [person()], SKELETON)
    large = draw_people(plain(1200, 1000), [person() * [10, 10, 1]], SKELETON)
    count_small = (small[25] != GREY).any(1).sum()
    count_large = (large[250] != GREY).any(1).sum()
    assert count_large > 3 * count_small


def test_zoom_moves_people_with_the_picture():
    picture = draw_people(plain(), [person()], SKELETON, zoom=3.0)
    assert picture.shape == (360, 300, 3)
    assert tuple(picture[round(25.5 * 3 - 0.5), round(20.5 * 3 - 0.5)]) == ORANGE


def test_truth_is_a_thin_white_line_where_both_ends_are_labelled():
    truth = person(2.0, left_wrist=0.0)
    picture = draw_people(plain(), [], SKELETON, truth=[truth])
    assert picture[25, 20].min() > NEARLY_WHITE
    assert (picture[25] != GREY).any(1).sum() <= 3
    assert (picture[40, 40] == GREY).all()


def test_box_is_drawn_at_its_edges():
    picture = draw_people(plain(), [], SKELETON, boxes=[np.array([10, 20, 30, 40])])
    for row, column in ((20, 25), (60, 25), (40, 10), (40, 40)):
        assert picture[row, column].min() > NEARLY_WHITE
    assert (picture[40, 25] == GREY).all()


def test_sheet_keeps_every_pixel_in_its_cell():
    images = [np.full((20, 30, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = contact_sheet(images, 2, gap=4)
    assert sheet.shape == (2 * 24 + 4, 2 * 34 + 4, 3)
    for value, top, left in ((10, 4, 4), (20, 4, 38), (30, 28, 4)):
        assert (sheet[top : top + 20, left : left + 30] == value).all()
    assert (sheet == 255).all(2).sum() == sheet.shape[0] * sheet.shape[1] - 3 * 20 * 30


def test_sheet_fits_pictures_into_cells_without_distortion():
    sheet = contact_sheet(
        [np.zeros((10, 40, 3), np.uint8), np.zeros((50, 25, 3), np.uint8)], 2, cell=(20, 20), gap=0
    )
    assert sheet.shape == (20, 40, 3)
    assert (sheet[:, :20] == 0).all(2).sum() == 5 * 20
    assert (sheet[:, 20:] == 0).all(2).sum() == 20 * 10
    assert (sheet[:, 25:35] == 0).all()


def test_sheet_needs_pictures_and_a_column():
    with pytest.raises(ValueError, match="at least 1 column, got 0 and 2"):
        contact_sheet([], 2)


def test_written_picture_is_the_same_when_read(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (9, 7, 3), dtype=np.uint8)
    write_image(tmp_path / "new" / "a.png", image)
    np.testing.assert_array_equal(read_image(tmp_path / "new" / "a.png"), image)
