"""The reference of the API, out of the service's own description."""

import re

import httpx2
from playwright.sync_api import expect

from ..serving.server import Server
from .conftest import Visit


def test_every_route_has_a_description_and_an_example_in_the_reference(site: Server):
    schema = site.http.get("/openapi.json").json()
    page = site.http.get("/docs").text
    n = 0
    for path, methods in schema["paths"].items():
        for method in methods:
            anchor = f"{method}-{re.sub(r'[{}]', '', path.strip('/')).replace('/', '-')}"
            assert f'<article class="route" id="{anchor}"' in page
            n += 1
    assert page.count("<pre") == n
    assert not re.search(r'class="kind">anything|Body: anything', page)
    for name in schema["components"]["schemas"]:
        assert f'id="type-{name}"' in page
    for target in set(re.findall(r'href="#([^"]+)"', page)):
        assert f'id="{target}"' in page, target


def test_examples_of_the_reference_work(site: Server):
    page = site.http.get("/docs").text
    body = re.search(r"/v1/events&#39;.*?-d &#39;(.*?)&#39;", page, re.DOTALL)[1]
    sent = httpx2.post(f"{site.url}/v1/events", content=body.replace("&#34;", '"'), headers={
        "Content-Type": "application/json"})  # fmt: skip
    assert sent.status_code == 200, sent.text


def test_links_of_the_reference_lead_to_types(visit: Visit):
    page = visit("/docs")
    page.get_by_role("link", name="RecommendationList", exact=True).first.click()
    expect(page.locator("#type-RecommendationList h3")).to_be_in_viewport()
