"""Compares a user's lists by the current model and by an earlier one."""

from dataclasses import dataclass
from functools import partial

from tastemaker.bundle.bundle import Bundle
from tastemaker.errors import ArtifactError
from tastemaker.serving.http.problems import NotFoundError
from tastemaker.serving.live.catalog import LiveCatalog
from tastemaker.serving.live.lists import ListRequest, RankedList, make_lists
from tastemaker.serving.live.live import Live
from tastemaker.serving.live.run_items import RunItems
from tastemaker.serving.live.user_histories import user_with_history
from tastemaker.serving.store.deployments import DeploymentRecord, open_deployment
from tastemaker.serving.store.events import hashed
from tastemaker.serving.store.ids import key_of
from tastemaker.wire import Listing

MAX_TRIED = 20
"""Maximum number of earlier deployments, newest first, whose runs are tried."""


@dataclass(frozen=True)
class ComparedDeployment:
    """A user's list by one deployed model."""

    record: DeploymentRecord
    ranked_list: RankedList
    catalog: LiveCatalog


class EarlierModels:
    """Opens earlier models, and keeps the last opened one in memory."""

    def __init__(self, live: Live) -> None:
        self._live = live
        self._opened: Bundle | None = None

    def lists(self, user_id: str, k: int, deployment: int | None) -> list[ComparedDeployment]:
        """Returns the list of the current model, and that of an earlier one if one can be opened.

        Args:
            user_id: id of the user.
            k: length of a list.
            deployment: number of the earlier one; None takes the latest that can be opened.

        Raises:
            NotFoundError: there is no such deployment, or its run cannot be opened any more.
            DatabaseUnavailableError: the log of deployments cannot be read.
        """
        deployed = self._live.snapshot().deployed
        compared = [self._compared(deployed.record, deployed.bundle, user_id, k)]
        earlier = self._earlier(deployed.record, deployment)
        return [*compared, *([self._compared(*earlier, user_id, k)] if earlier else [])]

    def _earlier(
        self, current: DeploymentRecord, deployment: int | None
    ) -> tuple[DeploymentRecord, Bundle] | None:
        log = self._live.deployments
        if deployment is None:
            records = log.of_other_versions(current.version, MAX_TRIED)
        else:
            records = list(filter(None, [log.of(deployment)]))
        for record in records:
            bundle = self._open(record)
            if bundle is not None:
                return record, bundle
        if deployment is not None:
            raise NotFoundError(f"deployment {deployment} does not exist, or its run was removed")
        return None

    def _open(self, record: DeploymentRecord) -> Bundle | None:
        opened = self._opened
        if opened is None or opened.version != record.version:
            try:
                opened = open_deployment(record, self._live.settings.device)
            except ArtifactError:
                return None
            self._opened = opened
        return opened  # not the attribute, which another request may have replaced meanwhile

    def _compared(
        self, record: DeploymentRecord, bundle: Bundle, user_id: str, k: int
    ) -> ComparedDeployment:
        live, snapshot = self._live, self._live.snapshot()
        everything = bundle.split.everything
        key = key_of(everything.user_vocabulary, user_id)
        ((_, stored),) = live.users.read_each([key])
        user = user_with_history(everything, key, stored, hashed(key) in snapshot.forgotten)
        catalog = snapshot.catalog
        if bundle.model is not catalog.run_items.model:
            catalog = LiveCatalog.of(RunItems(bundle.model), catalog.changed)
        request = ListRequest.of(Listing(k=k), catalog)
        trending = partial(live.trending_scores, catalog)
        ranked_list = make_lists(bundle.model, catalog, [user], request, trending)[0]
        return ComparedDeployment(record, ranked_list, catalog)
