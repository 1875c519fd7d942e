"""Curves of a training run as a picture."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from python_models.files import save_figure

_LOSS_COLOUR, _SCORE_COLOURS = "#c2410c", {"PCK@0.2": "#1d4ed8", "PCK@0.5": "#0f766e"}


def draw_training(history: list[dict[str, float]], path: str | Path, *, title: str) -> None:
    """Training loss and validation PCK over the epochs of `TrainResult.history`, side by side, as PNG."""
    epochs = [row["epoch"] for row in history]
    figure = Figure(figsize=(10, 4), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title)
    loss, score = figure.subplots(1, 2)
    loss.plot(epochs, [row["train_loss"] for row in history], "o-", markersize=3, color=_LOSS_COLOUR)
    loss.set(title="training loss", xlabel="epoch", yscale="log")
    for name, colour in _SCORE_COLOURS.items():
        values = [row.get(name, float("nan")) for row in history]
        score.plot(epochs, values, "o-", markersize=3, color=colour, label=f"{name}, last {values[-1]:.3f}")
    score.set(title="unseen people", xlabel="epoch", ylim=(0, 1))
    score.legend(loc="lower right")
    for axes in (loss, score):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    save_figure(Path(path), figure)
