"""All that is measured, in the order in which it is shown."""

from tasks import data, ranking, starting, training

TASKS = {
    task.name: task for task in (*training.TASKS, *ranking.TASKS, *data.TASKS, *starting.TASKS)
}
