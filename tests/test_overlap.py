from collections.abc import Iterator
from threading import Event, Lock

import pytest

from svsdata.overlap import ahead, in_background


def test_results_come_in_the_order_of_the_items_whichever_finishes_first():
    second_is_done = Event()

    def work(item: int) -> int:
        if item == 0:
            assert second_is_done.wait(10)
        if item == 1:
            second_is_done.set()
        return item * 10

    assert list(ahead(work, range(5), workers=2, capacity=3)) == [0, 10, 20, 30, 40]


def test_never_more_than_capacity_items_are_drawn_and_not_consumed():
    drawn, consumed = 0, 0

    def items() -> Iterator[int]:
        nonlocal drawn
        for item in range(50):
            drawn += 1
            assert drawn - consumed <= 4
            yield item

    for _ in ahead(lambda item: item, items(), workers=2, capacity=3):
        consumed += 1
    assert (drawn, consumed) == (50, 50)


def test_an_exception_is_raised_in_its_turn_after_the_results_before_it():
    def work(item: int) -> int:
        if item == 2:
            raise RuntimeError("item 2")
        return item

    results = ahead(work, range(5), workers=2, capacity=4)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(RuntimeError, match="item 2"):
        next(results)


def test_no_items_give_no_results():
    assert list(ahead(str, [], workers=1, capacity=1)) == []
    assert list(in_background(iter(()), capacity=2)) == []


def test_closing_early_leaves_waiting_items_undone():
    lock, done = Lock(), []

    def work(item: int) -> int:
        with lock:
            done.append(item)
        return item

    results = ahead(work, range(1000), workers=1, capacity=3)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(done) <= 4


def test_a_background_iterator_runs_ahead_only_to_its_capacity_and_is_closed_with_its_consumer():
    closed, drawn = Event(), []

    def items() -> Iterator[int]:
        try:
            for item in range(100):
                drawn.append(item)
                yield item
        finally:
            closed.set()

    background = in_background(items(), capacity=3)
    assert [next(background), next(background)] == [0, 1]
    background.close()  # type: ignore[attr-defined]
    assert closed.is_set()
    assert len(drawn) <= 5


def test_a_background_iterator_raises_what_its_source_raises():
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("source broke")

    background = in_background(items(), capacity=4)
    assert next(background) == 1
    with pytest.raises(ValueError, match="source broke"):
        next(background)
