// The model of this page in LiteRT.js, its golden examples and its speed. No request leaves the page.

const CALLS = 200;

const fromBase64 = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const inflated = async bytes =>
  new Uint8Array(await new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream('gzip'))).arrayBuffer());
/** Return numbers of JSON as an input or output. Its null is NaN: a missing value. */
const floats = numbers => Float32Array.from(numbers, number => number ?? NaN);
const typed = tensors => Object.fromEntries(Object.entries(tensors).map(([name, numbers]) => [name, floats(numbers)]));

/** Check the file of this page, and load it. */
async function openModel(subject) {
  const file = fromBase64(subject.model);
  const found = sha256(file);
  if (found !== subject.sha256) throw new Error(`expected a file with sha256 ${subject.sha256}. Received: ${found}. Do not use it`);
  await LiteRt.start(await inflated(fromBase64(document.getElementById('wasm').textContent)));
  const model = await LiteRt.loadAndCompile(file, {accelerator: 'wasm'});
  const shapes = new Map(model.getInputDetails().map(({name, shape}) => [name, shape]));
  /** Return the output for one example: its inputs by their names. */
  async function ask(inputs) {
    const tensors = {};
    try {
      for (const [name, values] of Object.entries(inputs)) {
        if (!shapes.has(name)) throw new Error(`expected inputs named ${[...shapes.keys()].join(', ')}. Received: ${name}`);
        tensors[name] = new LiteRt.Tensor(values, shapes.get(name));
      }
      const outputs = Object.entries(await model.run(tensors)).map(([name, output]) => {
        const values = Float32Array.from(output.toTypedArray());
        output.delete();
        return [name, values];
      });
      return Object.fromEntries(outputs)[subject.output];
    } finally {
      Object.values(tensors).forEach(tensor => tensor.delete());
    }
  }
  return {ask, bytes: file.length};
}

/** Return how many golden examples the model answers as on the build host, and the largest difference. */
async function goldenCheck(ask, golden, output) {
  let [agreeing, most] = [0, 0];
  for (const {inputs, outputs} of golden.examples) {
    const [found, expected] = [await ask(typed(inputs)), floats(outputs[output])];
    const differences = Array.from(expected, (value, i) => Math.abs(value - found[i]));
    const largest = Math.max(...differences.map(value => (Number.isNaN(value) ? Infinity : value)));
    if (largest <= golden.tolerance) agreeing++;
    most = Math.max(most, largest);
  }
  return {agreeing, examples: golden.examples.length, difference: most};
}

/** Return the mean time of a call in ms: a browser's clock steps by 0.1 ms, so one call is not measured by itself. */
async function latency(ask, inputs) {
  for (let call = 0; call < CALLS / 4; call++) await ask(inputs);
  const began = performance.now();
  for (let call = 0; call < CALLS; call++) await ask(inputs);
  return (performance.now() - began) / CALLS;
}
