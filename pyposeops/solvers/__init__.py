"""Combinatorial problems behind pose systems, on the CPU: which detections belong together.

Imported on its own: ``from pyposeops.solvers import solve_partition``.
"""

from pyposeops.solvers.exact_partition import ExactPartition, solve_partition_exactly
from pyposeops.solvers.partition import Partition, partition_cost, solve_partition

__all__ = ["ExactPartition", "Partition", "partition_cost", "solve_partition", "solve_partition_exactly"]
