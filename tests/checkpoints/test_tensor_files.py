import stat

import pytest
import torch

from svsdata.checkpoints.tensor_files import read_notes, read_tensors, write_tensors
from svsdata.errors import CheckpointError


def test_a_file_may_be_read_by_whoever_may_read_others_in_its_folder(tmp_path):
    (tmp_path / "other").touch()
    write_tensors(tmp_path / "a.safetensors", {"a": torch.arange(3)}, {"note": "n"})
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert len(modes) == 1
    tensors, notes = read_tensors(tmp_path / "a.safetensors")
    assert tensors["a"].tolist() == [0, 1, 2]
    assert notes == read_notes(tmp_path / "a.safetensors") == {"note": "n"}


@pytest.mark.parametrize("read", [read_tensors, read_notes])
def test_what_cannot_be_read_is_told(read, tmp_path):
    (tmp_path / "half.safetensors").write_bytes(b"half")
    (tmp_path / "folder.safetensors").mkdir()
    for name in ("half", "folder", "none"):
        with pytest.raises(CheckpointError, match=rf"cannot read '.*{name}.safetensors'"):
            read(tmp_path / f"{name}.safetensors")
