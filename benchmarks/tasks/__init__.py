"""All that is measured, in the order in which it is shown."""

from tasks import data, models, ranking, starting, training

GROUPS = training.TASKS, models.TASKS, ranking.TASKS, data.TASKS, starting.TASKS
TASKS = {task.name: task for group in GROUPS for task in group}
