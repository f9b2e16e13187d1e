import pytest
import torch
from safetensors.torch import save_file

from tests.tiny_pack import build_tiny_pack
from training.claim import tuning_split
from training.claim.design import Condition
from training.claim.driver import Comparison, Size
from training.towers.pyramid import PyramidConfig, PyramidTower


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """A comparison with a tiny tower, in which the variant `both` has a run for seed 1, and `global` has one."""
    folder = tmp_path_factory.mktemp("claim")
    pack = build_tiny_pack(folder / "data", train=12)
    table, text = pack / "clips.csv", (pack / "clips.csv").read_text()
    for name, label in (("tone", "cow"), ("sweep", "siren"), ("hiss", "sea waves"), ("clicks", "dog")):
        text = text.replace(f",{name},", f",{label},")
    table.write_text(text)
    torch.manual_seed(0)
    trunk = PyramidTower(PyramidConfig(width=0.125)).trunk
    save_file({k: v.contiguous() for k, v in trunk.state_dict().items()}, folder / "trunk.safetensors")
    small = [
        f"audio.pretrained='{folder / 'trunk.safetensors'}'", "audio.width=0.125", "audio.dimension=16",
        "audio.head_channels=16", "text.hidden=16", "optimization.batch=4", "optimization.steps=2",
    ]  # fmt: skip
    comparison = Comparison(pack, folder / "out", tuple(small), Size(cached=8, reported=3, tuning=3))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tuning_split, "HELD_OUT", 2)  # a tiny pack has too few recordings to hold out one of ten
        comparison.run("both", Condition(1))
        comparison.run("global", Condition(1))
    return comparison
