"""Making the next batch while the network works on the present one."""

from collections.abc import Iterator
from typing import TypeVar

import torch

from python_models.data import Batch, PeopleBatch

AnyBatch = TypeVar("AnyBatch", Batch, PeopleBatch)


def prefetched(batches: Iterator[AnyBatch], device: torch.device) -> Iterator[AnyBatch]:
    """The same batches; on a GPU each is made one ahead, on a stream of its own.

    `batches` makes a batch when it is asked for the next one. What it enqueues (copies of images, crops, targets)
    then runs beside the network instead of before it. On a CPU nothing is made ahead, for the cores are the same.
    """
    if device.type != "cuda":
        yield from batches
        return
    side = torch.cuda.Stream(device)
    ahead = _make_on(side, batches)
    while ahead is not None:
        consumer = torch.cuda.current_stream(device)
        consumer.wait_stream(side)  # before the next batch is enqueued there: only this one is waited for
        batch = ahead
        for tensor in batch.tensors():
            if tensor.is_cuda:
                tensor.record_stream(
                    consumer
                )  # its memory is free for reuse when the consumer is done with it
        ahead = _make_on(side, batches)
        yield batch


def _make_on(stream: torch.cuda.Stream, batches: Iterator[AnyBatch]) -> AnyBatch | None:
    with torch.cuda.stream(stream):
        return next(batches, None)
