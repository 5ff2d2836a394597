"""Who may read /metrics: the API server is asked, and what it says is remembered for a while."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass

from swimlb.kube.bearers import may_get_path, subject_of
from swimlb.kube.client import Client
from swimlb.kube.errors import ApiError
from swimlb.observe.endpoint import Bearer
from swimlb.observe.logs import EventLog
from swimlb.runtime import clock

PATH = "/metrics"

ADMITTED_FOR = 60.0
"""Seconds. So long after a right was taken away its bearer is answered still."""

REFUSED_FOR = 10.0
"""Seconds. So long after a right was given its bearer is refused still."""

STALE_MAX = 3600.0
"""Seconds for which who was admitted stays so while the API server is away, which is when metrics are wanted most. The
tokens of Pods last no longer either."""

TOKENS_MAX = 64
"""Known at once, admitted or not. The one that was asked about the longest ago is forgotten for another, those who were
refused first."""

QUESTIONS_MAX = 4
"""At once. Who makes tokens up keeps the API server no busier than that."""

DEADLINE = 5.0
"""Prometheus gives up after 10 s."""


@dataclass(frozen=True, slots=True)
class _Verdict:
    bearer: Bearer
    at: float


class Scrapers:
    """Decides about bearers. Tokens themselves are not kept, only their digests."""

    def __init__(self, client: Client, log: EventLog, now: Callable[[], float] = clock.monotonic) -> None:
        self._client = client
        self._log = log
        self._now = now
        self._verdicts: dict[bytes, _Verdict] = {}
        """The oldest first."""
        self._asking = 0
        self._is_trouble_told = False

    async def bearer_of(self, token: str) -> Bearer:
        digest = hashlib.sha256(token.encode()).digest()
        known, now = self._verdicts.get(digest), self._now()
        if known is not None:
            life = ADMITTED_FOR if known.bearer is Bearer.ADMITTED else REFUSED_FOR
            if now - known.at < life:
                return known.bearer
        bearer = await self._asked(token)
        if bearer is not Bearer.UNDECIDED:
            self._note(digest, _Verdict(bearer, now))
        elif known is not None and known.bearer is Bearer.ADMITTED and now - known.at < STALE_MAX:
            return Bearer.ADMITTED
        return bearer

    def _note(self, digest: bytes, verdict: _Verdict) -> None:
        self._verdicts.pop(digest, None)
        self._verdicts[digest] = verdict
        if len(self._verdicts) > TOKENS_MAX:
            # Anybody can be refused as often as they like.
            refused = (key for key, one in self._verdicts.items() if one.bearer is not Bearer.ADMITTED)
            del self._verdicts[next(refused, next(iter(self._verdicts)))]

    async def _asked(self, token: str) -> Bearer:
        if self._asking >= QUESTIONS_MAX:
            return Bearer.UNDECIDED
        self._asking += 1
        try:
            async with asyncio.timeout(DEADLINE):
                bearer = await self._ask(token)
        except (ApiError, TimeoutError) as error:
            self._tell(str(error) or f"no answer within {DEADLINE:g} s")
            return Bearer.UNDECIDED
        finally:
            self._asking -= 1
        self._is_trouble_told = False
        return bearer

    async def _ask(self, token: str) -> Bearer:
        subject = await subject_of(self._client, token)
        if subject is None:
            return Bearer.UNKNOWN
        return Bearer.ADMITTED if await may_get_path(self._client, subject, PATH) else Bearer.REFUSED

    def _tell(self, reason: str) -> None:
        """Once, until it goes well again: Prometheus asks several times a minute."""
        if not self._is_trouble_told:
            self._is_trouble_told = True
            self._log.warning(
                "scrapers_unknown",
                reason=reason,
                hint="let the role of this process create tokenreviews and subjectaccessreviews; it is tried again",
            )
