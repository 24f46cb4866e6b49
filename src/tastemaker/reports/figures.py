"""Draws figures by Matplotlib's object interface, without global state or a display."""

from pathlib import Path

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tastemaker.training.run import TrainingLog
from tastemaker.training.validation import plain_name, ranking_method

INK, LOSS_COLOUR, METRIC_COLOURS = "#333333", "#8a8f98", ("#0b6e99", "#d9730d")


def learning_curve(log: TrainingLog, title: str, path: Path) -> None:
    """Draws the loss and, where there are any, the validation metrics by epoch.

    Args:
        log: the training log, of at least one epoch.
        title: the model and the data that it was trained on.
        path: the .png file to write.
    """
    epochs = [record["epoch"] for record in log.records]
    metrics = [name for name in log.records[0] if name not in ("epoch", "loss", "elapsed_s")]
    figure = Figure(figsize=(8, 4.5 if not metrics else 3.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, 2 if metrics else 1, squeeze=False)[0]
    axes[0].plot(epochs, [r["loss"] for r in log.records], "o-", color=LOSS_COLOUR, markersize=4)
    axes[0].set_title("training loss", loc="left", fontsize=10, color=INK)
    for axis in axes[1:]:
        for name, colour in zip(metrics, METRIC_COLOURS, strict=False):
            values = [record[name] for record in log.records]
            axis.plot(epochs, values, "o-", color=colour, markersize=4, label=plain_name(name))
        axis.axvline(log.best_epoch, color=INK, linewidth=0.8, linestyle=":")
        is_in_second_half = log.best_epoch > len(epochs) / 2
        axis.annotate(
            f"kept: epoch {log.best_epoch}",
            (log.best_epoch, 0.02),
            xytext=(-4 if is_in_second_half else 4, 0),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right" if is_in_second_half else "left",
            fontsize=8,
            color=INK,
        )
        axis.set_title(ranking_method(metrics[0]), loc="left", fontsize=10, color=INK)
        axis.legend(frameon=False, fontsize=8)
    for axis in axes:
        axis.set_xlabel("epoch", fontsize=9, color=INK)
        axis.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        axis.tick_params(labelsize=8, colors=INK)
        axis.spines[["top", "right"]].set_visible(False)
        axis.grid(axis="y", color="#e6e6e6", linewidth=0.8)
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, color=INK)
    figure.savefig(path)
