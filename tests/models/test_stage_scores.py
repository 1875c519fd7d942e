"""PCP and PDJ of stages as a table."""

import numpy as np

from python_models.stage_scores import format_stages, stage_figures


def test_stages_stand_one_under_the_other():
    rows = format_stages([{"PCP@0.5": 0.25, "PDJ@0.1": 0.5}, {"PCP@0.5": 0.75, "PDJ@0.1": 1.0}]).splitlines()
    assert rows[0].split() == ["PCP@0.5", "PDJ@0.1"]
    assert [row.split()[1:] for row in rows[1:]] == [["1", "0.250", "0.500"], ["2", "0.750", "1.000"]]


def test_joints_without_limbs_and_torso_get_a_sentence_instead_of_an_empty_table():
    joints = np.zeros((2, 2, 2))
    figures = stage_figures(joints, joints, np.ones((2, 2), bool), ("nose", "tail"), (0.1,))
    assert figures == {}
    assert format_stages([figures, figures]).startswith("no PCP, no PDJ: ")
