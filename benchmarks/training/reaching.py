"""Training until a quality is reached, of which the order names the metric and the value."""

from collections.abc import Callable

from harness.contender import Answer, Order


def until_reached(
    order: Order, train_epoch: Callable[[], float], quality: Callable[[], float]
) -> Answer:
    """Epochs until the quality is reached or their seconds are used up.

    Args:
        order: says which quality, and after how many seconds of training it is given up.
        train_epoch: trains one more epoch and gives the seconds that it took.
        quality: evaluates; its time does not count.
    """
    seconds, best, epochs = 0.0, 0.0, 0
    while not is_reached(order, best) and seconds < order.options["limit_s"]:
        seconds += train_epoch()
        epochs += 1
        best = max(best, quality())
    return answer(order, seconds, epochs, best)


def is_reached(order: Order, quality: float) -> bool:
    """Whether it is as good as the order asks for."""
    return quality >= order.options["quality"]


def answer(order: Order, seconds: float, epochs: int, quality: float) -> Answer:
    """The answer of a contender."""
    return {
        "seconds": seconds,
        "work": 1,
        "reached": is_reached(order, quality),
        "remark": f"{order.options['metric']} {quality:.4f} after {epochs} epochs",
    }
