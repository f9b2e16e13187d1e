/** Averages the channels of a decoded sample of Mediabunny into `mono`; `plane` is memory of at least the same length. */
export function mix(sample, mono, plane) {
  const { numberOfChannels, numberOfFrames } = sample;
  for (let channel = 0; channel < numberOfChannels; channel += 1) {
    const target = channel === 0 ? mono : plane;
    sample.copyTo(target.subarray(0, numberOfFrames), { planeIndex: channel, format: "f32-planar" });
    if (channel > 0) for (let i = 0; i < numberOfFrames; i += 1) mono[i] += plane[i];
  }
  if (numberOfChannels > 1) for (let i = 0; i < numberOfFrames; i += 1) mono[i] /= numberOfChannels;
}
