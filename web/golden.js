// The page's work: runs every golden example of ?release=FOLDER, and measures one call.
// When it ends, <body> has its findings as JSON in data-findings, or a sentence in data-failure.
import {floats, openRelease} from './release.js';

const CALLS = 2000;

/** Return the largest difference from the expected outputs, Infinity for one that is missing or no number. */
function difference(found, expected) {
  const differences = Object.entries(expected).flatMap(([name, values]) => {
    const outputs = found[name] ?? [];
    return outputs.length === values.length ? Array.from(values, (value, i) => Math.abs(value - outputs[i])) : [Infinity];
  });
  return Math.max(...differences.map(value => (Number.isNaN(value) ? Infinity : value)));
}

function typed(numbers) {
  return Object.fromEntries(Object.entries(numbers).map(([name, values]) => [name, floats(values)]));
}

/** Return the median time of one call in ms. As many calls before let the browser compile what runs often. */
async function latency(release, inputs) {
  const times = [];
  for (let call = -CALLS; call < CALLS; call++) {
    const started = performance.now();
    await release.ask(inputs);
    if (call >= 0) times.push(performance.now() - started);
  }
  return times.sort((a, b) => a - b)[CALLS / 2];
}

async function run() {
  const folder = new URLSearchParams(location.search).get('release') ?? 'release';
  const release = await openRelease(folder);
  const {tolerance} = release.golden;
  const examples = release.golden.examples.map(({inputs, outputs}) => ({inputs: typed(inputs), outputs: typed(outputs)}));
  const differences = [];
  for (const {inputs, outputs} of examples) differences.push(difference(await release.ask(inputs), outputs));
  return {
    version: release.manifest.version,
    examples: examples.length,
    agreeing: differences.filter(value => value <= tolerance).length,
    largest_difference: Math.max(...differences),
    tolerance,
    fully_accelerated: release.isFullyAccelerated,
    latency_ms: await latency(release, examples[0].inputs),
  };
}

/** Return a finding for a reader: three figures of a fraction, yes or no. */
function told(value) {
  if (typeof value === 'boolean') return value ? 'yes' : 'no';
  return Number.isInteger(value) ? value : Number(value.toPrecision(3));
}

function show(findings) {
  document.getElementById('state').textContent =
    `${findings.agreeing} of ${findings.examples} golden examples agree with the build host`;
  document.getElementById('findings').replaceChildren(
    ...Object.entries(findings).flatMap(([name, value]) => {
      const [term, text] = [document.createElement('dt'), document.createElement('dd')];
      [term.textContent, text.textContent] = [name.replace(/_ms$/, ' in ms').replaceAll('_', ' '), told(value)];
      return [term, text];
    }),
  );
}

try {
  const findings = await run();
  show(findings);
  document.body.dataset.findings = JSON.stringify(findings);
} catch (error) {
  const failure = String(error?.message ?? error);
  document.getElementById('state').textContent = failure;
  document.body.dataset.failure = failure;
}
