// A release in LiteRT.js: fetched, checked against its manifest, loaded, and asked by its inputs' names.
import {loadAndCompile, loadLiteRt, Tensor} from '@litertjs/core';

const RUNTIME = new URL('node_modules/@litertjs/core/wasm/', import.meta.url).href;

/** Fetch and load the release in a folder, whose address ends in a slash. */
export async function openRelease(folder) {
  const [manifest, golden, file] = await Promise.all([
    fetched(`${folder}manifest.json`).then(answer => answer.json()),
    fetched(`${folder}golden.json`).then(answer => answer.json()),
    fetched(`${folder}model.tflite`).then(answer => answer.arrayBuffer()),
  ]);
  const sha256 = await digest(file);
  for (const [name, expected] of [['manifest.json', manifest.sha256], ['golden.json', golden.sha256]]) {
    if (sha256 !== expected) {
      throw new Error(`model.tflite: expected sha256 ${expected}, as ${name} says. Received: ${sha256}`);
    }
  }
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
  return answer;
}

async function digest(file) {
  // Browsers have it for https and for this machine's own pages only.
  const bytes = new Uint8Array(await crypto.subtle.digest('SHA-256', file));
  return Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('');
}
