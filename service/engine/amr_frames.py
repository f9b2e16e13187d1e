"""Recognizes the frames of pauses in AMR speech (3GPP TS 26.101 and 26.201), which FFmpeg does not decode."""

_FIRST_PAUSE = {"amrnb": 8, "amrwb": 9}
_RATES_HZ = {"amrnb": 8_000, "amrwb": 16_000}
_FRAMES_PER_S = 50


def pause_samples(codec: str, packet: bytes) -> tuple[int, int]:
    """Number of samples and sample rate of a frame that stands for a pause of speech; 0 samples for all other frames.

    A telephone sends comfort noise or nothing while nobody speaks.
    """
    if codec not in _FIRST_PAUSE or not packet or packet[0] >> 3 & 15 < _FIRST_PAUSE[codec]:
        return 0, 1
    return _RATES_HZ[codec] // _FRAMES_PER_S, _RATES_HZ[codec]
