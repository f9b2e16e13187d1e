from service.formats.document import Detection, Document

ODD = "a dog,\n\"barks\" <b>&amp;</b> --> 'twice'\tand 犬 🐕"
ONE_LINE = " ".join(ODD.split())
CELL = ONE_LINE.replace('"', "'")


def make_document(*detections: Detection, name: str = "street 1.wav", duration_s: float = 7205.5) -> Document:
    return Document(name, "0123abcd", duration_s, ("tiny", "1"), 8000.0, detections)


DOCUMENT = make_document(
    Detection(ODD, 0.04, 0.08, 0.9, 0.06),
    Detection(ODD, 3725.12, 3726.0, 0.654321, 3725.5),
    Detection("rain", 0.0, 7205.5, 0.8, 3.0),
)
BY_TIME = [("rain", 0.0, 7205.5, 0.8), (ONE_LINE, 0.04, 0.08, 0.9), (ONE_LINE, 3725.12, 3726.0, 0.654321)]
"""Query, onset, offset and score of each segment, in order of time."""
EMPTY = make_document()
