"""Training until a quality is reached: HR@10 among the candidates published with the NCF paper."""

from collections.abc import Callable

from harness.contender import Answer, Order

MAX_EPOCHS = 30


def until_reached(
    order: Order, train_epoch: Callable[[], float], hit_rate: Callable[[], float]
) -> Answer:
    """Epochs until the hit rate is reached or their seconds are used up.

    Args:
        order: says which hit rate, and after how many seconds of training it is given up.
        train_epoch: trains one more epoch and gives the seconds that it took.
        hit_rate: evaluates; its time does not count.
    """
    seconds, best, epochs = 0.0, 0.0, 0
    while not is_reached(order, best) and seconds < order.options["limit_s"]:
        seconds += train_epoch()
        epochs += 1
        best = max(best, hit_rate())
    return answer(order, seconds, epochs, best)


def is_reached(order: Order, hit_rate: float) -> bool:
    """Whether it is as good as the order asks for."""
    return hit_rate >= order.options["hit_rate"]


def answer(order: Order, seconds: float, epochs: int, hit_rate: float) -> Answer:
    """The answer of a contender."""
    return {
        "seconds": seconds,
        "work": 1,
        "reached": is_reached(order, hit_rate),
        "remark": f"HR@10 {hit_rate:.4f} after {epochs} epochs",
    }
