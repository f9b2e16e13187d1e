"""Two processes, each on one half of a batch, compared with one process on the whole batch."""

import socket
from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as multiprocessing
from torch import Tensor

from training.caption_embedding import CaptionEmbedder
from training.model import LanguageAudioModel
from training.objective import Objective
from training.processes import Processes
from training.recipe import Recipe, read_recipe
from training.source import scene_source
from training.towers.text import SentenceEncoder

BATCH = 6
Result = tuple[dict[str, float], dict[str, Tensor]]


def tiny(pack: Path) -> Recipe:
    """A recipe with every loss that compares items of a batch, without the noise, dropout and masks of each process."""
    weights = [
        "label_sigmoid",
        "label_contrastive",
        "label_overlap",
        "clip_contrastive",
        "region_contrastive",
        "region_sigmoid",
    ]
    off = [
        "optimization.sentence_noise=0.0",
        "text.dropout=0.0",
        "optimization.time_mask_s=0.0",
        "optimization.mel_mask_bands=0",
    ]
    losses = [f"losses.{name}={1 + i}" for i, name in enumerate(weights)]
    return read_recipe(
        Path("training/recipes/tiny.toml"), [f"data.folder={pack}", "text.own_sigmoid=true", *off, *losses]
    )


def step(pack: Path, processes: Processes) -> Result:
    """Returns the losses, and the gradients after averaging, of this process' part of a batch."""
    torch.manual_seed(0)
    recipe = tiny(pack)
    encoder = SentenceEncoder(recipe.text)
    source = scene_source(recipe, encoder)
    model = LanguageAudioModel(recipe, encoder)
    captions = CaptionEmbedder(model, encoder, source.vocabulary.bank, recipe.optimization.sentence_noise, processes)
    objective = Objective(model, captions, source.vocabulary, recipe, processes)
    batch = source.batches(BATCH // processes.count, processes.count)[processes.rank]
    losses = objective.compute_losses(batch, step=0)
    objective.weighted_sum(losses).backward()
    processes.average_gradients(model)
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {name: float(loss.detach()) for name, loss in losses.items()}, gradients


def in_process(rank: int, pack: Path, address: str, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=address, rank=rank, world_size=2)
    torch.save(step(pack, Processes(rank, 2)), folder / f"{rank}.pt")
    dist.destroy_process_group()


def free_address() -> str:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return f"tcp://127.0.0.1:{server.getsockname()[1]}"


@pytest.fixture(scope="module")
def results(tiny_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Result, Result, Result]:
    """Results of one process on the whole batch, and of process 0 and 1 of two."""
    folder = tmp_path_factory.mktemp("processes")
    multiprocessing.spawn(in_process, (tiny_pack, free_address(), folder), nprocs=2)
    first, second = (torch.load(folder / f"{rank}.pt") for rank in (0, 1))
    return step(tiny_pack, Processes()), first, second


def test_the_mean_of_the_losses_of_two_processes_is_the_loss_of_one_process(
    results: tuple[Result, Result, Result],
) -> None:
    (whole, _), (first, _), (second, _) = results
    assert {name: (first[name] + second[name]) / 2 for name in whole} == pytest.approx(whole, rel=1e-4)


def test_each_of_two_processes_has_the_gradients_of_one_process(results: tuple[Result, Result, Result]) -> None:
    (_, whole), *parts = results

    def as_one(gradients: Mapping[str, Tensor]) -> Tensor:
        return torch.cat([gradients[name].flatten() for name in whole])

    for _, gradients in parts:
        torch.testing.assert_close(
            as_one(gradients), as_one(whole), rtol=1e-3, atol=1e-4 * float(as_one(whole).abs().max())
        )
