"""How a controller was told to run: the command line's values, checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from swimlb.controller.lease import Timing
from swimlb.settings import Endpoints, InvalidSettings

QUARANTINE_MAX = 86_400.0
LEASE_DURATION_MIN = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings(Endpoints):
    """Seconds, unless said otherwise."""

    kubeconfig: Path | None = None
    """None: from within a Pod."""
    context: str | None = None
    namespace: str = "metallb-system"
    """Where configuration objects and the Lease live."""
    pod: str = ""
    """This process's own; empty: it is in none."""
    lb_class: str = ""
    lease_name: str = "swimlb-controller"
    lease_duration: float = 10.0
    quarantine: float = 60.0
    """For so long an address that was given back is kept from others; 0: not at all."""
    webhook_host: str = ""
    """Empty: all addresses, of either family. The API server comes from other hosts, and is shown a certificate."""
    webhook_port: int = 0
    """0: neither admission nor conversion."""
    webhook_service: str = "metallb-webhook-service"
    webhook_secret: str = "metallb-webhook-cert"  # noqa: S105 (its name)
    log_level: str = "info"

    def __post_init__(self) -> None:
        self.check_endpoints()
        if not 0 <= self.quarantine <= QUARANTINE_MAX:
            raise InvalidSettings(
                "--quarantine",
                f"{self.quarantine:g} is no time to keep an address",
                f"choose from 0 (not at all) to {QUARANTINE_MAX:g} seconds",
            )
        if not LEASE_DURATION_MIN <= self.lease_duration <= 3600 or self.lease_duration % 1:
            raise InvalidSettings(
                "--lease-duration",
                f"{self.lease_duration:g} is no duration for the lease",
                f"choose whole seconds from {LEASE_DURATION_MIN:g} to 3600",
            )
        if not self.lease_name:
            raise InvalidSettings("--lease-name", "is empty", "name the Lease that the replicas share")

    @property
    def timing(self) -> Timing:
        """In the proportions of the default."""
        return Timing(
            lease_duration=self.lease_duration,
            renew_deadline=self.lease_duration * 0.7,
            retry_period=self.lease_duration * 0.2,
        )
