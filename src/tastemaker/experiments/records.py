"""The record of a search: what the trials in a storage and their attributes mean."""

from collections.abc import Sequence

from optuna.trial import FrozenTrial, TrialState

from tastemaker.experiments.trials import State, Trial

ERROR, BEST_EPOCH, SEED, WORKER = "error", "best_epoch", "seed", "worker"
"""Attributes of a trial; see the fields of `Trial`."""

TASK = "task"
"""Attribute of a trial: the task of a cluster that runs it, if any."""

SLOT, ATTEMPT = "slot", "attempt"
"""Attributes of a trial that repeats one that was given up, from its creation: the slot of that
trial, and how often its settings have been tried, this time included."""

STATES: dict[TrialState, State] = {
    TrialState.COMPLETE: "complete",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
}


def has_ended(trial: FrozenTrial) -> bool:
    """Whether the trial has a result, which may be an error, rather than being given up."""
    if trial.state == TrialState.FAIL:
        return ERROR in trial.user_attrs
    return trial.state in (TrialState.COMPLETE, TrialState.PRUNED)


def counts(trial: FrozenTrial) -> bool:
    """Whether the trial has a result, or may still have one."""
    return trial.state in (TrialState.RUNNING, TrialState.WAITING) or has_ended(trial)


def slots(trials: Sequence[FrozenTrial]) -> dict[int, int]:
    """Returns the slot of each trial by its number in the storage.

    A trial that repeats another one has the slot of that one, and all others are counted. Slots
    thus depend only on the order in which the trials were created, and never change.
    """
    slot: dict[int, int] = {}
    n_counted = 0
    for trial in trials:
        slot[trial.number] = trial.user_attrs.get(SLOT, n_counted)
        n_counted += SLOT not in trial.user_attrs
    return slot


def trial_of(trial: FrozenTrial, number: int) -> Trial:
    """Returns the record of a trial that has ended, with its number in the search."""
    last = trial.last_step
    value = trial.value
    if trial.state == TrialState.PRUNED and last is not None:
        value = trial.intermediate_values[last]
    attributes = trial.user_attrs
    return Trial(
        number,
        STATES[trial.state],
        value,
        dict(trial.params),
        0.0 if trial.duration is None else trial.duration.total_seconds(),
        last,
        attributes.get(BEST_EPOCH),
        attributes.get(ERROR),
        attributes.get(SEED),
        attributes.get(WORKER),
    )
