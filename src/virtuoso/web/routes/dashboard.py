"""Routes of the dashboards: one document, and the views of it."""

from typing import Final

from fastapi import Request, Response

from virtuoso.web.routes.api import Api, respond
from virtuoso.web.snapshot import Snapshot
from virtuoso.web.views import mobile_of
from virtuoso.wire import keys
from virtuoso.wire.dashboards import DashboardDocument, MobileDocument
from virtuoso.wire.lists import MobileDashboard

TAG: Final = "dashboard"


def add_dashboard(api: Api, snapshot: Snapshot) -> None:
    """Add the desktop's document and the phone's views of it."""

    async def data(request: Request) -> Response:
        """Everything of one cycle: overview, symbols, movers, pressures, alerts, betas."""
        return respond(request, snapshot.hot(keys.DASHBOARD))

    async def mobile(request: Request) -> Response:
        """The phone's cut of the dashboard: 20 symbols at most, critical alerts, beta in short."""
        return respond(request, snapshot.view("mobile", keys.DASHBOARD, mobile_of))

    async def mobile_data(request: Request) -> Response:
        """The phone's document, with every name the numbers go by; no key is ever missing."""
        return respond(request, snapshot.hot(keys.MOBILE))

    for path, handler, kind in (
        ("/api/dashboard/data", data, DashboardDocument),
        ("/api/dashboard/mobile", mobile, MobileDashboard),
        ("/api/dashboard/mobile-data", mobile_data, MobileDocument),
    ):
        api.get(path, handler, kind, tag=TAG, errors=(304, 503))
