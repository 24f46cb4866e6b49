"""Ctrl-C while a library is at work that cannot be stopped anywhere."""

import signal
from pathlib import Path
from threading import Thread

import pytest
import torch.distributed as dist

from tastemaker.process_group import process_rank
from tastemaker.training.interrupt import Interrupt, TrainingInterruptedError, deferring_interrupt
from tests.processes import in_group


def test_a_ctrl_c_is_delivered_when_the_block_has_ended():
    done = []
    with pytest.raises(KeyboardInterrupt), deferring_interrupt():
        signal.raise_signal(signal.SIGINT)
        done.append("the block")
    assert done == ["the block"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_ctrl_c_in_a_block_stops_the_training_after_it():
    interrupt = Interrupt()
    with interrupt.handling_sigint():
        with deferring_interrupt():
            signal.raise_signal(signal.SIGINT)
            interrupt.raise_if_requested()
        with pytest.raises(TrainingInterruptedError):
            interrupt.raise_if_requested()


def checks_before_the_stop() -> int:
    """Presses Ctrl-C in process 0 while it exchanges its first check with the other process."""
    all_reduce = dist.all_reduce

    def interrupted(tensor: object) -> None:
        all_reduce(tensor)
        if process_rank() == 0 and n_checks == 1:
            signal.raise_signal(signal.SIGINT)

    dist.all_reduce = interrupted
    interrupt, n_checks = Interrupt(), 0
    with interrupt.handling_sigint(), pytest.raises(TrainingInterruptedError):
        while n_checks < 5:
            n_checks += 1
            interrupt.raise_if_requested()
    return n_checks


def test_a_ctrl_c_during_a_check_stops_all_processes_at_the_next(tmp_path: Path):
    assert in_group(2, tmp_path, checks_before_the_stop) == [2, 2]


def test_a_ctrl_c_is_not_lost_where_the_block_fails():
    with pytest.raises(KeyboardInterrupt) as raised, deferring_interrupt():
        signal.raise_signal(signal.SIGINT)
        raise ValueError("broken")
    assert isinstance(raised.value.__context__, ValueError)


def test_other_threads_have_no_handlers_to_change():
    done = []

    def work() -> None:
        with deferring_interrupt():
            done.append(signal.getsignal(signal.SIGINT))

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert done == [signal.default_int_handler]
