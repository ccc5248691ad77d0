"""What each episode of the plan does to the cluster. Each leaves everything running when it
returns.
"""

import time
from collections import Counter
from threading import Event

from loadtests.chaos.cluster import NAMESPACE, SCORERS, SESSION_TIMEOUT_S, Cluster
from loadtests.chaos.history import History
from loadtests.chaos.load import Load
from loadtests.chaos.proxy import Proxy
from loadtests.chaos.reader import ConcurrentReader, wait_until_flowing
from loadtests.chaos.schedule import Episode

BURST = 3000
TAKE_OVER_S = SESSION_TIMEOUT_S + 3.0


class Mischief:
    """Runs episodes of one train until told to stop; `counts` says how often what was done."""

    def __init__(
        self,
        cluster: Cluster,
        load: Load,
        reader: ConcurrentReader,
        history: History,
        counts: Counter[str],
    ) -> None:
        self._cluster, self._load, self._reader, self._history = cluster, load, reader, history
        self.counts = counts

    def run(self, episodes: list[Episode], until: float, stop: Event) -> None:
        for episode in episodes:
            if time.monotonic() >= until or stop.is_set():
                return
            self._history.note(
                episode.what, target=episode.target, seconds=round(episode.seconds, 1)
            )
            getattr(self, episode.what)(episode)
            self.counts[episode.what] += 1
            for name in self._cluster.restart_ended():
                self.counts["ended_by_itself"] += 1
                self._history.note("ended by itself", name=name)
            stop.wait(min(episode.rest_s, max(until - time.monotonic(), 0)))

    def kill_scorer(self, episode: Episode) -> None:
        name = SCORERS[episode.target % 2]
        self._load.burst(500)
        self._cluster.kill(name)
        self.counts["kills"] += 1
        time.sleep(episode.seconds)
        self._cluster.start(name)

    def kill_tracker(self, episode: Episode) -> None:
        self._cluster.kill("tracker-1")
        self.counts["kills"] += 1
        time.sleep(episode.seconds)
        self._cluster.start("tracker-1")

    def pause_scorer(self, episode: Episode) -> None:
        """In the middle of a burst, longer than its session: another takes over, then it wakes and
        what it had goes out.
        """
        wait_until_flowing(self._load, self._reader)
        name = self._cluster.busiest()
        self._load.burst(BURST)
        time.sleep(0.05 + episode.rest_s / 50)
        self._cluster.pause(name)
        time.sleep(episode.seconds)
        self._cluster.resume(name)
        self.counts["pauses_beyond_session"] += 1
        time.sleep(2)

    def pause_tracker(self, episode: Episode) -> None:
        self._cluster.pause("tracker-1")
        time.sleep(episode.seconds)
        self._cluster.resume("tracker-1")

    def rolling_restart(self, _: Episode) -> None:
        for name in (*SCORERS, "tracker-1"):
            self._cluster.restart(name, gracefully=True)
            self._cluster.wait_ready()

    def late_append(self, _: Episode) -> None:
        """What a scorer produced waits in the proxy; it dies, another takes over; then it
        arrives.
        """
        wait_until_flowing(self._load, self._reader)
        name = self._cluster.busiest()
        self._load.burst(BURST)
        self._arrives_late(name, self._cluster.kafka_proxies, name, "late_appends")

    def zombie_checkpoint(self, _: Episode) -> None:
        """A checkpoint waits in the proxy; its scorer dies, another takes over and writes; then it
        arrives.
        """
        wait_until_flowing(self._load, self._reader)
        name = self._cluster.busiest()
        self._arrives_late(name, [self._cluster.redis_proxies[name]], "", "zombie_checkpoints")

    def _arrives_late(self, name: str, proxies: list[Proxy], connection: str, counted: str) -> None:
        """Hold until something waits, kill, let the other take over, release."""
        for proxy in proxies:
            proxy.hold(connection)
        end = time.monotonic() + 6
        while time.monotonic() < end and not any(proxy.held_bytes() for proxy in proxies):
            time.sleep(0.01)
        time.sleep(0.3)
        self._cluster.kill(name)
        self.counts["kills"] += 1
        time.sleep(TAKE_OVER_S)
        late = sum(proxy.release() for proxy in proxies)
        self.counts[counted] += late > 0
        self._history.note("arrives late", bytes=late)
        self._cluster.start(name)

    def kill_broker(self, episode: Episode) -> None:
        self._cluster.kill_broker(episode.target)
        self.counts["kills"] += 1
        time.sleep(episode.seconds)
        self._cluster.start_broker(episode.target)
        time.sleep(max(4 - episode.seconds, 0))
        if not self._cluster.wait_in_sync():
            self._history.note("replicas not in sync", broker=episode.target)

    def pause_broker(self, episode: Episode) -> None:
        server = self._cluster.broker(episode.target)
        self._cluster.freeze(server)
        time.sleep(episode.seconds)
        self._cluster.thaw(server)
        self._cluster.wait_in_sync()

    def kill_redis(self, episode: Episode) -> None:
        self._cluster.kill_redis()
        self.counts["kills"] += 1
        time.sleep(episode.seconds)
        self._cluster.start_redis()

    def pause_redis(self, episode: Episode) -> None:
        server = self._cluster.redis_server()
        self._cluster.freeze(server)
        time.sleep(episode.seconds)
        self._cluster.thaw(server)

    def redis_from_copy(self, _: Episode) -> None:
        copy = self._cluster.copy_redis()
        time.sleep(5)
        self._cluster.put_back_redis(copy)
        self.counts["store_goes_back"] += 1

    def redis_flushed(self, _: Episode) -> None:
        self._cluster.redis().flushall()
        self.counts["store_goes_back"] += 1

    def redis_row_lost(self, _: Episode) -> None:
        with self._cluster.redis() as client:
            for partition in range(4):
                key = NAMESPACE % partition
                found = client.hrandfield(key) if client.info()["redis_version"] >= "6.2" else None
                if found:
                    client.hdel(key, found)
                    self._history.note(
                        "one field deleted", partition=partition, field=found.decode()
                    )
                    break
        self.counts["store_goes_back"] += 1
