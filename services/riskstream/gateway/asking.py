"""Callers of one turn of the event loop ask the ladder together."""

import asyncio

from riskstream.gateway.ladder import Ladder, Step


class LadderQueue:
    """Used from the event loop alone."""

    def __init__(self, ladder: Ladder) -> None:
        self._ladder = ladder
        self._asked: list[tuple[bytes, int, asyncio.Future[Step]]] = []

    async def ask(self, frame: bytes, base_amount_minor: int) -> Step:
        """The decision on one transaction, as it is encoded."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Step] = loop.create_future()
        if not self._asked:
            loop.call_soon(self._answer)
        self._asked.append((frame, base_amount_minor, future))
        return await future

    def _answer(self) -> None:
        asked, self._asked = self._asked, []
        try:
            steps = self._ladder.decide([each[0] for each in asked], [each[1] for each in asked])
        except Exception as error:  # each caller is told, none waits for ever
            for _, _, future in asked:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, _, future), step in zip(asked, steps, strict=True):
            if not future.done():
                future.set_result(step)
