"""What axe-core finds on every page, in light and in dark."""

import pytest
from axe_playwright_python.sync_playwright import Axe

from .conftest import Visit

PAGES = (
    "/", "/welcome", "/items/3", "/search?q=tide", "/search?q=nothing-like-it", "/history", "/docs",
    "/no/such/page", "/?liked=5", "/desk", "/desk/models?user=2", "/desk/map", "/desk/drift",
)  # fmt: skip

SERIOUS = ("serious", "critical")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_pages_have_no_serious_accessibility_violation(visit: Visit, path: str, scheme: str):
    page = visit(path, user=2, color_scheme=scheme, reduced_motion="reduce", bypass_csp=True)
    found = Axe().run(page).response["violations"]
    serious = [
        f"{each['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for each in found
        if each["impact"] in SERIOUS
        for node in each["nodes"]
    ]
    assert not serious, "\n".join(serious)
