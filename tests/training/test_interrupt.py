"""Ctrl-C while a library is at work that cannot be stopped anywhere."""

import signal
from threading import Thread

import pytest

from tastemaker.training.interrupt import Interrupt, TrainingInterruptedError, deferring_interrupt


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
