"""Learning curves: the validation metric of each model by epoch."""

from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from tastemaker.reports.formats import decimals, metric_title, missing
from tastemaker.reports.svg import ACCENT, INK, MUTED, inline_svg
from tastemaker.training.run import TrainingLog
from tastemaker.training.validation import name_of_metric

WIDTH, HEIGHT = 300, 170
LEFT, RIGHT, TOP, BOTTOM = 50, 12, 22, 26

NOT_METRICS = ("epoch", "loss", "elapsed_s")


@dataclass(frozen=True)
class Curve:
    """One model's validation metric by epoch, or its training loss where it has no validation."""

    model: str
    metric: str
    epochs: tuple[int, ...]
    values: tuple[float, ...]
    kept: int
    """The epoch whose weights were kept."""
    interrupted: bool

    @property
    def still_improving(self) -> bool:
        """Whether the last epoch was the best on validation, so that more epochs might help."""
        return self.metric != "loss" and self.kept == self.epochs[-1] > 1

    @property
    def caption(self) -> str:
        """What was measured, and which epoch was kept."""
        ends = ", training interrupted" if self.interrupted else ""
        measured = "training loss" if self.metric == "loss" else metric_title(self.metric)
        return f"{measured}; kept epoch {self.kept} of {self.epochs[-1]}{ends}"


def curves(logs: dict[str, TrainingLog], metric: str) -> list[Curve]:
    """Returns the curves of all models that have epochs, in the order given.

    Args:
        logs: the training logs by model; those without epochs may be left out.
        metric: the validation metric to show; if it was not measured, the first one that was, or
            else the training loss.
    """
    return [_curve(name, log, metric) for name, log in logs.items() if log.records]


def _curve(model: str, log: TrainingLog, metric: str) -> Curve:
    measured = [name for name in log.records[0] if name not in NOT_METRICS]
    displayed_metric = name_of_metric(metric, measured) or next(iter(measured), "loss")
    values = [record.get(displayed_metric) for record in log.records]
    return Curve(
        model=model,
        metric=displayed_metric,
        epochs=tuple(record["epoch"] for record in log.records),
        values=tuple(float("nan") if value is None else float(value) for value in values),
        kept=log.best_epoch,
        interrupted=log.interrupted,
    )


def curve_figures(drawn: list[Curve]) -> list[tuple[Curve, Markup]]:
    """Draws one small figure per model; figures of the same metric share the vertical scale."""
    return [(curve, _figure(f"curve-{i}", curve, drawn)) for i, curve in enumerate(drawn)]


def _figure(name: str, curve: Curve, others: list[Curve]) -> Markup:
    comparable_values = [
        v for c in others if c.metric == curve.metric for v in c.values if not missing(v)
    ]

    def paint(figure: Figure) -> None:
        axes = figure.add_axes(
            (
                LEFT / WIDTH,
                BOTTOM / HEIGHT,
                (WIDTH - LEFT - RIGHT) / WIDTH,
                (HEIGHT - TOP - BOTTOM) / HEIGHT,
            )
        )
        style = "o-" if len(curve.epochs) < 15 else "-"
        axes.plot(curve.epochs, curve.values, style, color=ACCENT, linewidth=1.8, markersize=4)
        if comparable_values:
            margin = (
                (max(comparable_values) - min(comparable_values)) * 0.1
                or abs(comparable_values[0]) * 0.1
                or 0.01
            )
            axes.set_ylim(min(comparable_values) - margin, max(comparable_values) + margin)
        axes.yaxis.set_major_locator(MaxNLocator(3))
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        axes.grid(axis="x", visible=False)
        axes.spines["left"].set_visible(False)
        if curve.kept:
            axes.axvline(curve.kept, color=MUTED, linewidth=1.2, linestyle=":")
            is_in_second_half = curve.kept > (curve.epochs[0] + curve.epochs[-1]) / 2
            axes.text(
                curve.kept,
                1.04,
                f"kept: epoch {curve.kept}",
                transform=axes.get_xaxis_transform(),
                ha="right" if is_in_second_half else "left",
                color=INK,
            )

    values = ", ".join(decimals(value) for value in curve.values)
    return inline_svg(
        name, (WIDTH, HEIGHT), f"Learning curve of {curve.model}",
        f"{curve.caption}. By epoch: {values}.", paint,
    )  # fmt: skip
