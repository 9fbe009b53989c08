// A release in LiteRT.js: fetched, checked against its manifest, loaded, and asked by its inputs' names.
import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

const RUNTIME = new URL('node_modules/@litertjs/core/wasm/', import.meta.url).href;

/** Fetch and load the release in a folder, whose address may end in a slash. */
export async function openRelease(folder) {
  const base = folder.endsWith('/') ? folder : `${folder}/`;
  const names = ['manifest.json', 'golden.json', 'model.tflite'];
  const [manifestText, goldenText, file] = await Promise.all(names.map(name => fetched(base + name)));
  const [manifest, golden] = [manifestText, goldenText].map(bytes => JSON.parse(new TextDecoder().decode(bytes)));
  // Older manifests have no sums of other files.
  const goldenSum = manifest.files?.['golden.json'];
  if (goldenSum) await check(goldenText, 'golden.json', goldenSum, 'manifest.json');
  await check(file, 'model.tflite', manifest.sha256, 'manifest.json');
  await check(file, 'model.tflite', golden.sha256, 'golden.json');
  await loadLiteRt(RUNTIME);
  const model = await loadAndCompile(new Uint8Array(file), {accelerator: 'wasm'});
  return new Release(manifest, golden, model);
}

/** A loaded release. */
export class Release {
  constructor(manifest, golden, model) {
    Object.assign(this, {manifest, golden, model});
    this.shapes = new Map(model.getInputDetails().map(({name, shape}) => [name, shape]));
  }

  /** Return whether the runtime's accelerator has every operator of the file. */
  get isFullyAccelerated() {
    return this.model.isFullyAccelerated;
  }

  /** Return the outputs of one example by their names, each a Float32Array, as the inputs are. */
  async ask(inputs) {
    const tensors = {};
    try {
      for (const [name, values] of Object.entries(inputs)) {
        if (!this.shapes.has(name)) {
          throw new Error(`expected inputs named ${[...this.shapes.keys()].join(', ')}. Received: ${name}`);
        }
        tensors[name] = new Tensor(values, this.shapes.get(name));
      }
      const outputs = await this.model.run(tensors);
      return Object.fromEntries(Object.entries(outputs).map(([name, output]) => [name, taken(output)]));
    } finally {
      Object.values(tensors).forEach(tensor => tensor.delete());
    }
  }
}

/** Return numbers of a JSON file as an input or output. Its null is NaN: a missing value. */
export function floats(numbers) {
  return Float32Array.from(numbers, number => number ?? NaN);
}

function taken(output) {
  try {
    return output.toTypedArray();
  } finally {
    output.delete();
  }
}

async function fetched(address) {
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`${address}: expected a release's file. Received: HTTP ${answer.status}`);
  return answer.arrayBuffer();
}

/** Refuse a file whose sha256 is not the one that another file says. */
async function check(file, name, expected, source) {
  const sha256 = await digest(file);
  if (sha256 !== expected) {
    throw new Error(`${name}: expected sha256 ${expected}, as ${source} says. Received: ${sha256}`);
  }
}

async function digest(file) {
  // Browsers have it for https and for this machine's own pages only.
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', file));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
