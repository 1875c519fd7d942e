"""Combinatorial problems behind pose systems, on the CPU: which detections belong together, which joint to whom.

Imported on its own: ``from pyposeops.solvers import solve_partition``.
"""

from pyposeops.solvers.crowd_matching import CrowdPeople, JointNodes, joint_nodes, match_joints
from pyposeops.solvers.exact_partition import ExactPartition, solve_partition_exactly
from pyposeops.solvers.partition import Partition, partition_cost, solve_partition

__all__ = [
    "CrowdPeople",
    "ExactPartition",
    "JointNodes",
    "Partition",
    "joint_nodes",
    "match_joints",
    "partition_cost",
    "solve_partition",
    "solve_partition_exactly",
]
