"""The formats of an answer beside JSON: tables, label tracks, subtitles and annotations for other programs."""
