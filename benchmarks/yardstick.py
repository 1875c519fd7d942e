"""The machine's own speed: a copy of the bytes an operator must move, as much read and written."""

from __future__ import annotations

import torch

from benchmarks.cases import Traffic
from benchmarks.timing import Run

WORD = 4  # bytes; the buffers are float32
ROW = 1024  # words reduced together when more is read than written


def copy_of(traffic: Traffic, device: torch.device) -> Run:
    """A call that reads ``traffic.read`` and writes ``traffic.written`` bytes, in torch's own kernels.

    What is both read and written is copied; the rest is filled (more written) or reduced by rows (more read;
    a last incomplete row is left out).
    """
    read, written = traffic.read // WORD, traffic.written // WORD
    shared = min(read, written)
    source = torch.rand(read, device=device)
    rest = source[shared : shared + (read - shared) // ROW * ROW].view(-1, ROW)
    target = torch.rand(written, device=device)

    def copy() -> None:
        if shared:
            target[:shared].copy_(source[:shared])
        if written > shared:
            target[shared:].fill_(1.0)
        if rest.numel():
            rest.amax(dim=1)

    return copy
