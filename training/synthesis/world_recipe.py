"""The `[scenes.world]` table of a recipe: scenes that are laid out like real recordings."""

from dataclasses import dataclass, field

from training.synthesis.channel import Channel


@dataclass(frozen=True, slots=True)
class WorldRecipe:
    """How scenes are laid out like real recordings. Rates are probabilities from 0 to 1.

    The times of events come from real recordings (`training.synthesis.real_times`). A *source* is heard once or several times
    in a scene; each time is an event.

    Raises:
        ValueError: a rate is outside of 0 to 1, or `plain_rate`, `empty_rate` and `sparse_rate` add up to more than 1.
    """

    plain_rate: float = 0.3
    """Probability that a scene is mixed as without this table: whole recordings at uniform times."""
    empty_rate: float = 0.05
    """Probability that a scene has no events but its ambience. (Real times leave some more scenes without events.)"""
    sparse_rate: float = 0.12
    """Probability that a scene has a single event, and only its background otherwise."""
    silence_rate: float = 0.15
    """Probability that a scene without events and ambience is digital silence."""
    clean_rate: float = 0.08
    """Probability that a scene has hardly any noise, like an effect from a sound library."""
    clean_db: tuple[float, float] = (40.0, 65.0)
    """Range of the level of the events relative to the noise in such a scene, in dB."""
    short_rate: float = 0.25
    """Probability that a source consists of bursts: sounds of at most 0.5 s that stand alone in their recording."""
    whole_rate: float = 0.4
    """Probability that a source that is heard once is a whole recording; otherwise it is an excerpt of the drawn length."""
    same_recording_rate: float = 0.7
    """Probability that a source is heard in the same recording again; otherwise in another recording of its label."""
    rival_rate: float = 0.3
    """Probability that a source is a rival of an earlier source: a label that is easily confused with its label."""
    ambience_rate: float = 0.6
    """Probability that a steady recording of an ambience (`data.ambiences`) is mixed into the background."""
    ambience_exponent: float = 0.5
    """An ambience's label with n recordings is drawn in proportion to n ** ambience_exponent."""
    captioned_rate: float = 1.0
    """Probability that an ambience is an event with captions. Otherwise its sound is unknown to the losses, as without this
    table."""
    partial_rate: float = 0.25
    """Probability that an ambience is heard in a part of the scene only."""
    drift_db: float = 4.0
    """The level of the noise drifts by up to this many dB in either direction."""
    jitter_db: float = 3.0
    """The level of the events of one source differs by up to this many dB in either direction."""
    event_low_pass_rate: float = 0.15
    """Probability that a source is low-passed, with a cut-off frequency as in `channel.low_pass_hz`."""
    channel: Channel = field(default_factory=Channel)
    """How the whole scene is changed."""

    def __post_init__(self) -> None:
        rates = {name: getattr(self, name) for name in self.__slots__ if name.endswith("_rate")}
        wrong = [f"{name} is {rate}" for name, rate in rates.items() if not 0 <= rate <= 1]
        kinds = self.plain_rate + self.empty_rate + self.sparse_rate
        if wrong or kinds > 1:
            raise ValueError(
                f"{', '.join(wrong) or f'plain_rate, empty_rate and sparse_rate add up to {kinds:g}'}; 0 to 1 is accepted "
                "(scenes.world)"
            )
