import hashlib
from pathlib import Path

from svsdata.records import Track
from svsdata.synthesis.provenance import (
    file_hash,
    recipe_of,
    synthesized_id,
    with_known_identities,
)


def test_a_file_hash_is_what_sha256sum_prints(tmp_path: Path) -> None:
    path = tmp_path / "weights"
    data = bytes(range(256)) * 9000  # more than one block
    path.write_bytes(data)
    assert file_hash(path) == hashlib.sha256(data).hexdigest()


def test_a_recipe_depends_on_every_fact_and_not_on_their_order() -> None:
    assert recipe_of({"a": 1, "b": "x"}) == recipe_of({"b": "x", "a": 1})
    assert recipe_of({"a": 1, "b": "x"}) != recipe_of({"a": 2, "b": "x"})
    assert recipe_of({"a": None}) != recipe_of({})


def test_names_tell_base_edits_and_variant() -> None:
    assert synthesized_id("aachen_000001", (), None) == "aachen_000001"
    assert synthesized_id("aachen_000001", ("add_truck",), None) == "aachen_000001.add_truck"
    named = synthesized_id("aachen_000001", ("add_truck", "night works"), 3)
    assert named == "aachen_000001.add_truck-night_works.3"


def test_an_object_keeps_the_identity_of_whoever_shares_id_and_frames_with_it() -> None:
    seen = [Track(26_001, 26, 5, 9, 1), Track(26_001, 26, 190, 195, 2), Track(27_000, 27, 5, 9, 3)]
    known = [Track(26_001, 26, 3, 5, 777), Track(26_001, 26, 196, 210, 888)]
    assert [one.track_id for one in with_known_identities(seen, known)] == [777, 2, 3]
    assert with_known_identities((), known) == ()
