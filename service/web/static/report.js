/** What exports need to know: the answers of the service with the segments as they are shown. */

/** Colours of the queries in pictures, which are those of the light theme in tokens.css. */
export const PICTURE_COLOURS = ["#2466d1", "#c2410c", "#7c3aed", "#a8650a", "#be185d", "#0e7490", "#4d7c0f", "#6d4c41"];

/** The report of a session whose recording the service has answered about. */
export function reportOf(session) {
  const { recording, info, grid, settings, queries } = session;
  const { id, duration_s, cached, warnings } = recording.clip;
  return {
    name: recording.name,
    clip: { id, duration_s, cached, warnings },
    model: { name: info.model.name, version: info.model.version },
    hopS: grid.hopSamples / grid.sampleRate,
    sampleRate: grid.sampleRate,
    settings,
    results: queries
      .filter((query) => query.state === "done")
      .map((query) => ({
        query: query.text,
        warnings: query.warnings,
        present: session.isPresent(query),
        clipScore: query.extended?.reduce((a, b) => Math.max(a, b), 0) ?? 0,
        segments: session.segmentsOf(query),
        corrected: query.edited !== null,
        extended: query.extended,
        colour: PICTURE_COLOURS[query.colour],
      })),
  };
}
