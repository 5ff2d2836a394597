"""Whatever an API server and the network do, the copy becomes what the server has, at a bounded price. Virtual time."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from swimlb.kube.following import (
    BACKOFF_MAX,
    LIST_QUIET_MAX,
    QUIET_MAX,
    AbandonList,
    BeginList,
    Close,
    Effect,
    Ended,
    EndList,
    Event,
    Expired,
    Failed,
    Following,
    Heard,
    NotSupported,
    Opened,
    OpenWatch,
    PageRead,
    Phase,
    ReadPage,
    Started,
    Trouble,
)
from swimlb.kube.lines import Lines
from swimlb.kube.store import Store

PAGE = 3
"""Objects in a page of this server, whatever the limit: it may give fewer than asked for."""

BOOKMARK_INTERVAL = 60.0


@dataclass
class Server:
    """Keeps objects and their history, as etcd does, until it is compacted."""

    has_watch_list: bool
    version: int = 1
    objects: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])
    """Name to version and value."""
    history: list[tuple[int, str, int | None]] = field(default_factory=list[tuple[int, str, int | None]])
    compacted: int = 0
    snapshots: dict[str, tuple[int, list[str]]] = field(default_factory=dict[str, tuple[int, list[str]]])

    def write(self, name: str, value: int | None) -> None:
        if value is None and name not in self.objects:
            return
        self.version += 1
        self.history.append((self.version, name, value))
        if value is None:
            del self.objects[name]
        else:
            self.objects[name] = (self.version, value)

    def compact(self) -> None:
        self.compacted = self.version
        self.history.clear()
        self.snapshots.clear()


class World:
    """The machine and the store against a server, over a network with faults."""

    def __init__(self, seed: int, has_watch_list: bool) -> None:
        self.server = Server(has_watch_list)
        self.machine = Following(random.Random(seed))
        self.store: Store[int] = Store()
        self.reader: dict[str, int] = {}
        self.now = 0.0
        self.failing: list[Event] = []
        self.requests: Counter[str] = Counter()
        self._sent: int | None = None
        """Up to which version the open stream has told; None: there is no stream."""
        self._is_dead = False
        self._bookmark_due = 0.0
        self._perform(self.machine.step(Started(), self.now))

    # What the script does

    def drop_stream(self) -> None:
        if self._sent is not None:
            self._sent = None
            self._happened(Ended())

    def go_silent(self) -> None:
        """Half open: the server is not told, and nothing arrives any more."""
        self._is_dead = self._sent is not None

    def run_for(self, seconds: float) -> None:
        end = self.now + seconds
        while True:
            self._deliver_stream()
            deadline = self.machine.next_deadline()
            wakes = [one for one in (deadline, self._bookmark_due if self._sent else None) if one is not None]
            at = max(self.now, min(wakes, default=end))
            if at > end:
                break
            self.now = at
            if deadline is not None and deadline <= at:
                self._perform(self.machine.advance(at))
            if self._sent is not None and self._bookmark_due <= at:
                self._bookmark_due = at + BOOKMARK_INTERVAL
                if not self._is_dead and self.machine.phase is Phase.WATCHING:
                    self._happened(Heard(str(self._sent)))
        self.now = end

    def is_true(self) -> bool:
        return self.store.values == {name: value for name, (_, value) in self.server.objects.items()}

    # The shell

    def _happened(self, event: Event) -> None:
        self._perform(self.machine.step(event, self.now))

    def _perform(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case BeginList():
                    self.store.begin_list()
                case EndList():
                    self.store.end_list()
                case AbandonList():
                    self.store.abandon_list()
                case Close():
                    self._sent = None
                case ReadPage():
                    self.requests["list"] += 1
                    self._answer_page(effect)
                case OpenWatch():
                    assert self._sent is None, "two streams at once"
                    self.requests["watch"] += 1
                    self._answer_watch(effect)
                case _:
                    pass
        self._read()

    def _read(self) -> None:
        """What the store's reader makes of it is what the store has."""
        changes = self.store.take()
        if changes is None:
            return
        for key in changes.gone:
            del self.reader[key]
        self.reader |= changes.put
        assert self.reader == self.store.values
        assert changes.is_synced == self.store.is_synced

    def _answer_page(self, order: ReadPage) -> None:
        if self.failing:
            self._happened(self.failing.pop())
            return
        server = self.server
        token = order.continue_token
        if token and token.partition("/")[0] not in server.snapshots:
            self._happened(Expired())
            return
        if token:
            name, _, offset_text = token.partition("/")
            version, names = server.snapshots[name]
            offset = int(offset_text)
        else:
            version, names, offset, name = server.version, sorted(server.objects), 0, str(server.version)
            server.snapshots[name] = version, names
        size = PAGE if order.limit else len(names)
        for key in names[offset : offset + size]:
            # The real one serves the object as it was; what it is by now is as true, and the watch tells it again.
            if key in server.objects:
                self._keep(key)
        rest = offset + size < len(names)
        self._happened(PageRead(str(version), f"{name}/{offset + size}" if rest else ""))

    def _answer_watch(self, order: OpenWatch) -> None:
        if self.failing:
            self._happened(self.failing.pop())
            return
        server = self.server
        if not order.version:
            if not server.has_watch_list:
                self._happened(NotSupported("sendInitialEvents is forbidden"))
                return
            self._start(server.version)
            for key in sorted(server.objects):
                self._keep(key)
                self._happened(Heard(str(server.objects[key][0])))
            self._happened(Heard(str(server.version), is_list_end=True))
        elif int(order.version) < server.compacted:
            self._happened(Expired())
        else:
            self._start(int(order.version))

    def _start(self, version: int) -> None:
        self._sent, self._is_dead = version, False
        self._bookmark_due = self.now + BOOKMARK_INTERVAL
        self._happened(Opened())

    def _keep(self, key: str) -> None:
        version, value = self.server.objects[key]
        if not self.store.has(key, str(version)):
            self.store.put(key, str(version), value)

    def _deliver_stream(self) -> None:
        while self._sent is not None and not self._is_dead:
            if self._sent < self.server.compacted and self._sent < self.server.version:
                self._sent = None
                self._happened(Expired())
                return
            following = [one for one in self.server.history if one[0] > (self._sent or 0)]
            if not following:
                return
            version, key, value = following[0]
            self._sent = version
            if value is None:
                self.store.drop(key)
            else:
                self.store.put(key, str(version), value)
            self._happened(Heard(str(version)))


FAILURES = st.sampled_from(
    [
        Failed(Trouble.UNREACHABLE, "no route to host"),
        Failed(Trouble.BUSY, "busy", retry_after=3.0),
        Failed(Trouble.FORBIDDEN, "no"),
        Failed(Trouble.KIND_MISSING, "no"),
        Expired(),
    ]
)
ACTIONS = st.one_of(
    st.tuples(st.just("write"), st.sampled_from("abcdefgh"), st.integers(0, 3) | st.none()),
    st.tuples(st.just("run"), st.sampled_from([0.0, 0.1, 1.0, 5.0, 100.0, 700.0])),
    st.tuples(st.just("fail"), FAILURES),
    st.tuples(st.sampled_from(["drop", "silent", "compact"])),
)


@given(st.integers(0, 1000), st.booleans(), st.lists(ACTIONS, max_size=40))
def test_the_copy_becomes_what_the_server_has(
    seed: int, has_watch_list: bool, script: list[tuple[object, ...]]
) -> None:
    world = World(seed, has_watch_list)
    for action in script:
        match action:
            case ("write", str(name), int() | None as value):
                world.server.write(name, value)
            case ("run", float(seconds)):
                world.run_for(seconds)
            case ("fail", failure):
                world.failing.append(failure)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
            case ("drop",):
                world.drop_stream()
            case ("silent",):
                world.go_silent()
            case _:
                world.server.compact()
    # Failures that nobody has met yet would be met only when the watch is made anew, at whatever moment.
    world.drop_stream()
    retries = len(world.failing) + 2
    world.run_for(QUIET_MAX + LIST_QUIET_MAX + 2 * BACKOFF_MAX * retries)

    assert world.is_true()
    assert world.store.is_synced
    assert world.reader == world.store.values
    assert world.machine.trouble is None


@given(st.integers(0, 1000), st.sampled_from([Trouble.UNREACHABLE, Trouble.FORBIDDEN, Trouble.KIND_MISSING]))
def test_an_api_server_that_fails_for_an_hour_is_asked_a_bounded_number_of_times(
    seed: int, trouble: Trouble
) -> None:
    world = World(seed, has_watch_list=True)
    world.failing = [Failed(trouble, "no")] * 10_000
    world.drop_stream()

    world.run_for(3600.0)

    assert 3600 / BACKOFF_MAX / 1.1 <= world.requests.total() <= 2.2 * 3600 / BACKOFF_MAX
    world.failing.clear()
    world.server.write("a", 1)
    world.run_for(2 * BACKOFF_MAX)
    assert world.is_true()


@given(st.integers(0, 1000), st.booleans())
def test_in_peace_only_watches_are_made_anew(seed: int, has_watch_list: bool) -> None:
    world = World(seed, has_watch_list)
    world.run_for(1.0)
    lists = world.requests["list"]

    for hour in range(10):
        world.server.write("a", hour)
        world.run_for(360.0)

    assert world.requests["list"] == lists
    assert world.requests["watch"] <= 3600 / 240 + 3
    assert world.is_true()


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_how_the_stream_was_cut(stream: bytes, cuts: list[int]) -> None:
    lines, found, begun = Lines(), list[bytes](), 0
    for cut in [*sorted(cuts), len(stream)]:
        found += lines.feed(stream[begun:cut])
        begun = max(begun, cut)

    *ended, _ = stream.split(b"\n")
    assert found == [line for line in ended if line]
