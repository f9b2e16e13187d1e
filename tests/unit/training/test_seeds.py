from training import seeds


def test_no_two_draws_outside_a_run_share_a_seed() -> None:
    values = [value for name, value in vars(seeds).items() if name.isupper() and not name.startswith("_")]
    assert len(values) == 17
    assert len(set(values)) == len(values)


def test_seeds_within_a_run_are_what_they_were_when_the_published_weights_were_trained() -> None:
    assert seeds.numbered(5, 7) == [5, 7]
    assert seeds.warm_start(3) == [3, 1]
    assert seeds.warm_start_captions(12) == 12
    assert seeds.step_captions(3, 5) == 3_000_014
    assert seeds.batch_part(3, 5) == 3_000_014


def test_runs_with_neighbouring_seeds_share_no_step_seed() -> None:
    first, second = ({seeds.batch_part(seed, part) for part in (0, 1, 1_000_002)} for seed in (0, 1))
    assert not first & second
