/** Worker that writes a recording of the browser anew, without decoding it, so that its length is known and it can be seeked. */

const LIBRARY = "./vendor/mediabunny-1.61.0/mediabunny.min.mjs";

self.onmessage = async ({ data: blob }) => {
  try {
    self.postMessage(await remux(blob));
  } catch {
    self.postMessage(null);
  }
};

async function remux(blob) {
  const { ALL_FORMATS, BlobSource, BufferTarget, Conversion, Input, Mp4OutputFormat, Output, WebMOutputFormat } = await import(LIBRARY);
  const input = new Input({ source: new BlobSource(blob), formats: ALL_FORMATS });
  const isMp4 = blob.type.includes("mp4"); // the recorder of Safari
  const target = new BufferTarget();
  const output = new Output({ format: isMp4 ? new Mp4OutputFormat() : new WebMOutputFormat(), target });
  const conversion = await Conversion.init({ input, output });
  if (!conversion.isValid) return null;
  await conversion.execute();
  return new Blob([target.buffer], { type: isMp4 ? "audio/mp4" : "audio/webm" });
}
