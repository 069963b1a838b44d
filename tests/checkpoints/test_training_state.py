import pytest
import torch
from torch import nn
from torch.optim import Adam

from svsdata.checkpoints.tensor_files import write_tensors
from svsdata.checkpoints.training_state import (
    TrainingState,
    checkpoint_folders,
    load_checkpoint,
    save_checkpoint,
)
from svsdata.errors import CheckpointError, StoreError


def make_state(*, seed=0, width=4):
    torch.manual_seed(seed)
    network = nn.Sequential(nn.Conv2d(3, width, 3), nn.Conv2d(width, 2, 1))
    network.to(memory_format=torch.channels_last)
    return TrainingState({"net": network}, {"net": Adam(network.parameters(), fused=True)})


def train(state, steps):
    image = torch.linspace(-1, 1, 2 * 3 * 6 * 5).view(2, 3, 6, 5)
    for _ in range(steps):
        state.networks["net"](image).square().mean().backward()
        state.optimizers["net"].step()
        state.optimizers["net"].zero_grad()


def save(run, step, state, *, keep=2, carried=None):
    def write_generator(path):
        write_tensors(path, {"weight": torch.zeros(3)}, {})

    return save_checkpoint(
        run, step, state, carried=carried or {}, write_generator=write_generator, keep=keep
    )


def weights(state):
    return torch.cat([p.detach().flatten() for p in state.networks["net"].parameters()])


def test_training_goes_on_bit_for_bit_from_a_checkpoint(tmp_path):
    whole, stopped = make_state(), make_state()
    train(whole, 6)
    train(stopped, 3)
    save(tmp_path, 3, stopped, carried={"past": torch.ones(1, 2)})
    resumed = make_state(seed=1)
    step, carried = load_checkpoint(checkpoint_folders(tmp_path)[-1], resumed)
    assert step == 3
    assert torch.equal(carried["past"], torch.ones(1, 2))
    train(resumed, 3)
    assert torch.equal(weights(resumed), weights(whole))


def test_a_checkpoint_without_room_leaves_those_before_it(tmp_path, room_for):
    state = make_state()
    train(state, 1)
    save(tmp_path, 1, state)
    told = "checkpoint-000000002: cannot write: .*; what was closed before is safe: free space"
    with room_for(500), pytest.raises(StoreError, match=told):
        save(tmp_path, 2, state)
    assert [folder.name for folder in checkpoint_folders(tmp_path)] == ["checkpoint-000000001"]
    load_checkpoint(checkpoint_folders(tmp_path)[-1], make_state(seed=1))
    save(tmp_path, 2, state)
    assert len(checkpoint_folders(tmp_path)) == 2


def test_only_the_newest_checkpoints_stay(tmp_path):
    state = make_state()
    for step in (8, 9, 10, 100):
        save(tmp_path, step, state, keep=2)
    assert [path.name for path in checkpoint_folders(tmp_path)] == [
        "checkpoint-000000010",
        "checkpoint-000000100",
    ]


def test_a_kill_between_the_files_leaves_the_checkpoint_before_and_no_rubbish(tmp_path):
    state = make_state()
    train(state, 1)
    save(tmp_path, 1, state)
    before = weights(state).clone()

    def killed(_path):
        raise KeyboardInterrupt

    train(state, 1)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, 2, state, carried={}, write_generator=killed, keep=2)
    (tmp_path / "checkpoints" / ".checkpoint-000000000.removed").mkdir()  # a kill while removing
    assert len(checkpoint_folders(tmp_path)) == 1
    resumed = make_state(seed=1)
    assert load_checkpoint(checkpoint_folders(tmp_path)[-1], resumed)[0] == 1
    assert torch.equal(weights(resumed), before)
    save(tmp_path, 2, resumed)
    assert all(p.name.startswith("checkpoint-") for p in (tmp_path / "checkpoints").iterdir())


@pytest.mark.parametrize("name", ["generator.safetensors", "training.safetensors", "training.json"])
def test_a_damaged_checkpoint_is_told_with_its_file(tmp_path, name):
    folder = save(tmp_path, 1, make_state())
    data = (folder / name).read_bytes()
    (folder / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(CheckpointError, match=f"{name}.*delete the folder to go on from the"):
        load_checkpoint(folder, make_state())


def test_a_checkpoint_of_another_network_names_what_differs(tmp_path):
    folder = save(tmp_path, 1, make_state())
    with pytest.raises(
        CheckpointError, match=r"0\.weight is \(4, 3, 3, 3\), expected \(5, 3, 3, 3\)"
    ):
        load_checkpoint(folder, make_state(width=5))
