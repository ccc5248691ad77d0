"""Who goes on, and when: processes of one history as greenlets on one thread, by a clock that only
the scheduler moves.
"""

import random
import zlib
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from greenlet import getcurrent, greenlet

from riskstream.platform.kafka.memory.network import Host

STEP_S = 0.0005
"""Time that each step takes."""
NEVER = 1e18
"""A time that does not come."""
MOST_STEPS = 60_000
"""A history that takes more has two that keep each other awake."""


class Killed(BaseException):
    """The process is gone: nothing that it does on the way out has an effect."""


class Stuck(Exception):
    """Nobody has anything to do any more, or everybody is busy with nothing."""


class Task:
    """A greenlet of a process."""

    __slots__ = ("greenlet", "process", "wake_at")

    def __init__(self, process: "Process", run: Callable[[], None], scheduler: greenlet) -> None:
        self.process, self.wake_at = process, 0.0
        self.greenlet = greenlet(run, scheduler)


class Process(Host):
    """A process of a history: it is killed, paused, ended as a whole."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self.tasks: list[Task] = []
        self.is_dead = False
        self.paused_until = 0.0
        self.failure: BaseException | None = None
        self.is_over = False
        self.raises_at: str | None = None
        """The fault point at which it raises."""


class Scheduler:
    """Steps are chosen by `rng`; the same numbers give the same history. `trace` is a hash of
    everything that was done.
    """

    def __init__(self, rng: random.Random, is_eager: float = 1.0) -> None:
        self.rng, self.now, self.steps, self.trace = rng, 0.0, 0, 0
        self._is_eager = is_eager
        self._main = getcurrent()
        self._ready: list[Task] = []
        self._asleep: list[Task] = []
        self._wakes_at = NEVER
        """No later than the first of those that sleep is to wake."""
        self._current: Task | None = None
        self.at_step: Callable[[], None] = lambda: None
        """Called between steps, on the scheduler's own greenlet: faults and the network."""
        self.busy: Callable[[], bool] = lambda: False
        """True while something besides the tasks has work to do now."""
        self.next_at: Callable[[], float] = lambda: NEVER
        """When something besides the tasks is due next."""

    @property
    def process(self) -> Process | None:
        """Whose step it is."""
        return None if self._current is None else self._current.process

    def start(self, process: Process, run: Callable[[], None]) -> Task:
        """Let a process do something beside what it does."""

        def whole() -> None:
            try:
                run()
            except Killed:
                pass
            except BaseException as error:
                process.failure = process.failure or error
            finally:
                process.tasks.remove(task)

        task = Task(process, whole, self._main)
        process.tasks.append(task)
        self._ready.append(task)
        return task

    def note(self, what: str) -> None:
        """Make it part of the trace."""
        self.trace = zlib.crc32(what.encode(), self.trace)

    def step(self, what: str) -> None:
        """One thing of the current task begins: others may go first. Killed where its process is
        gone.
        """
        task = self._current
        if task is None:
            return
        if task.process.is_dead:
            raise Killed
        self.steps += 1
        self.now += STEP_S
        self.note(what)
        if (
            self._is_eager < 1.0
            and self.rng.random() >= self._is_eager
            and task.process.paused_until <= self.now
        ):
            return
        self._ready.append(task)
        self._main.switch()
        if task.process.is_dead:
            raise Killed

    def sleep(self, seconds: float) -> None:
        """Others go on until that time has passed."""
        task = self._current
        if task is None:
            self.run(lambda: False, self.now + seconds)
            return
        if task.process.is_dead:
            raise Killed
        self.steps += 1
        task.wake_at = self.now + max(seconds, STEP_S)
        self._asleep.append(task)
        self._wakes_at = min(self._wakes_at, task.wake_at)
        self._main.switch()
        if task.process.is_dead:
            raise Killed

    def kill(self, process: Process) -> None:
        """Now, whatever it does. From the scheduler's own greenlet."""
        process.is_dead = True
        process.silent_since = self.now if process.silent_since is None else process.silent_since
        before = self._current
        for task in list(process.tasks):
            self._current = task
            if task in self._ready:
                self._ready.remove(task)
            if task in self._asleep:
                self._asleep.remove(task)
            if task.greenlet:  # it has begun
                task.greenlet.throw(Killed)
        process.tasks.clear()
        process.is_over = True
        self._current = before

    def run(self, is_done: Callable[[], bool], until: float) -> bool:
        """Let everybody go on until that is so; False where the time came first."""
        while not is_done():
            if self.steps > MOST_STEPS:
                raise Stuck("more steps than a history has")
            self.at_step()
            self._wake()
            ready = [each for each in self._ready if each.process.paused_until <= self.now]
            if not ready:
                if self.busy():
                    self.now += STEP_S
                    continue
                wakes = [max(each.wake_at, each.process.paused_until) for each in self._asleep]
                wakes += [each.process.paused_until for each in self._ready]
                nearest = min([*wakes, self.next_at()])
                if nearest >= until:
                    self.now = max(self.now, until)
                    return is_done()
                self.now = max(self.now + STEP_S, nearest)
                continue
            if self.now >= until:
                return False
            task = ready[int(self.rng.random() * len(ready))] if len(ready) > 1 else ready[0]
            self._ready.remove(task)
            self._current = task
            task.greenlet.switch()
            self._current = None
        return True

    def _wake(self) -> None:
        now = self.now
        if self._wakes_at <= now:
            self._ready += [each for each in self._asleep if each.wake_at <= now]
            self._asleep = [each for each in self._asleep if each.wake_at > now]
            self._wakes_at = min((each.wake_at for each in self._asleep), default=NEVER)


class Background(Executor):
    """One thing after another, beside the process that gave them."""

    def __init__(self, scheduler: Scheduler, process: Process) -> None:
        self._scheduler, self._process = scheduler, process
        self._queue: deque[tuple[Future[Any], Callable[[], Any]]] = deque()
        self._is_running = False

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> "Future[Any]":
        future: Future[Any] = Future()
        self._queue.append((future, lambda: fn(*args, **kwargs)))
        if not self._is_running:
            self._is_running = True
            self._scheduler.start(self._process, self._run)
        return future

    def _run(self) -> None:
        try:
            while self._queue:
                future, work = self._queue.popleft()
                self._scheduler.step("background")
                try:
                    future.set_result(work())
                except Killed:
                    raise
                except BaseException as error:
                    future.set_exception(error)
        finally:
            self._is_running = False

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        if cancel_futures:
            self._queue.clear()
        while wait and self._is_running:
            self._scheduler.sleep(0.005)


class VirtualMachine:
    """The `runtime.machine.Machine` of a history."""

    def __init__(self, scheduler: Scheduler, began_ms: int = 1_717_236_000_000) -> None:
        self._scheduler, self._began_ms = scheduler, began_ms

    def now_ms(self) -> int:
        return self._began_ms + int(self._scheduler.now * 1000)

    def monotonic(self) -> float:
        return self._scheduler.now

    def sleep(self, seconds: float) -> None:
        self._scheduler.sleep(seconds)

    def background(self, name: str) -> Executor:  # noqa: ARG002
        process = self._scheduler.process
        assert process is not None
        return Background(self._scheduler, process)
