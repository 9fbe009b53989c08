// The page's work. When it ends, <body> has its findings as JSON in data-ready, or a sentence in data-failure.

const MOST_BARS = 12;

const $ = id => document.getElementById(id);
const subject = JSON.parse($('subject').textContent);
const percent = share => `${(100 * share).toFixed(1)} %`;
let model = null, asked = 0, waiting = null, took = 0;

function say(text, kind = '') {
  [$('state').textContent, $('state').className] = [text, kind];
}

// A preparation of some ms is not done for each point of a stroke.
const inputs = subject.inputs.map(input => inputFor(input, subject, (problem = '') => {
  press(null);
  if (problem) show(null, problem);
  else waiting ??= (work.begin(), setTimeout(() => answer().finally(() => work.end()), Math.min(250, 2 * took)));
}));
$('inputs').append(...inputs.map(input => input.element));

async function answer() {
  waiting = null;
  if (!model) return;
  const [turn, began] = [++asked, performance.now()];
  let tensors;
  try {
    tensors = subject.inputs.map(({name}, i) => [name, inputs[i].values()]);
    took = performance.now() - began;
  } catch (error) {
    show(null, `not sure: ${error.message}`);
    return;
  }
  if (tensors.some(([, values]) => !values)) {
    show(null, inputs.length > 1 ? 'Fill every input' : '');
    return;
  }
  const output = await model.ask(Object.fromEntries(tensors));
  if (turn === asked) show(output, '', tensors);
}

/** Show an answer, or the reason why there is none. */
function show(output, hint, tensors = []) {
  document.querySelector('.verdict .seen')?.remove();
  const shown = tensors.find(([name]) => subject.picture?.input === name);
  if (shown) document.querySelector('.verdict').append(drawnTensor(shown[1], subject.picture));
  $('numbers').textContent = tensors.map(([name, values]) => `${name}: ${Array.from(values, told).join(' ')}`).join('\n');
  const row = output && probabilities(output);
  const known = !row || row.every(Number.isFinite);
  $('hint').textContent = known ? hint : 'The model gives no number for this input';
  if (row && known && subject.labels.length) {
    const best = row.indexOf(Math.max(...row));
    verdict(subject.labels[best]);
    bars(row, best);
  } else {
    verdict(row && known ? `${Number(row[0].toPrecision(6))} ${subject.unit}`.trim() : '–');
    bars(subject.labels.map(() => 0), -1);
  }
  self.lastInputs = Object.fromEntries(tensors.map(([name, values]) => [name, Array.from(values)]));
  document.body.dataset.answer = JSON.stringify({verdict: $('verdict').textContent, output: row && Array.from(row), hint: $('hint').textContent});
}

const told = value => (Number.isNaN(value) ? 'missing' : Number(value.toPrecision(6)));

/** Of two labels, a file may have the second one's probability only. */
function probabilities(output) {
  return subject.labels.length > output.length ? [1 - output[0], output[0]] : Array.from(output);
}

function verdict(text) {
  $('verdict').textContent = text;
  $('verdict').classList.toggle('long', text.length > 3);
}

function bars(row, best) {
  const order = row.map((_, i) => i);
  if (row.length > MOST_BARS) order.sort((a, b) => row[b] - row[a] || a - b).splice(MOST_BARS);
  $('bars').replaceChildren(...order.map(i => {
    const bar = Object.assign(document.createElement('progress'), {max: 1, value: row[i]});
    bar.setAttribute('aria-label', `probability of ${subject.labels[i]}`);
    return element('li', i === best ? 'first' : '', element('b', '', subject.labels[i]), bar, element('span', '', best < 0 ? '' : percent(row[i])));
  }));
}

/** Mark the golden example that is shown, or none. */
function press(pressed) {
  for (const button of $('golden').querySelectorAll('button')) button.setAttribute('aria-pressed', String(button === pressed));
}

const briefly = label => (typeof label === 'number' ? Number(label.toPrecision(4)) : label);

function offerGolden(examples) {
  // Several examples of a label are told apart by their numbers.
  const repeated = new Set(examples.map(example => example.label)).size < examples.length;
  const buttons = examples.map((example, number) => {
    const text = `${repeated ? `${number + 1}: ` : ''}${briefly(example.label)}`;
    const button = Object.assign(element('button', '', text), {type: 'button'});
    button.setAttribute('aria-label', `golden example ${number + 1}, true ${subject.labels.length ? 'label' : 'value'} ${example.label}`);
    button.addEventListener('click', () => {
      const values = typed(example.inputs);
      subject.inputs.forEach(({name}, i) => inputs[i].fill(values[name]));
      press(button);
      work.begin();
      answer().finally(() => work.end());
    });
    return button;
  });
  const what = subject.labels.length ? 'label' : `value${subject.unit && ` in ${subject.unit}`}`;
  $('golden').append(element('h2', '', `Golden examples, by their true ${what}`), element('div', 'buttons', ...buttons));
  $('golden').hidden = false;
  press(null);
}

function facts(rows) {
  $('facts').replaceChildren(...rows.flatMap(([name, text]) => [element('dt', '', name), element('dd', '', text)]));
}

/** Offer the way back to the page around the link, in a frame alone. A frame of Airflow's opens no new window. */
function offerWayBack() {
  $('back').hidden = window.parent === window;
  $('back').addEventListener('click', () => history.back());
}

async function start() {
  offerWayBack();
  document.querySelector('.answer').classList.toggle('wordy', !subject.labels.length || subject.labels.some(label => label.length > 6));
  $('bars').style.setProperty('--names', Math.min(16, Math.max(1, ...subject.labels.map(label => label.length))));
  verdict('–');
  bars(subject.labels.map(() => 0), -1);
  facts([...subject.facts, ['sha256', subject.sha256]]);
  const began = performance.now();
  const opened = await openModel(subject);
  const loaded = performance.now() - began;
  const {golden} = subject;
  const found = golden ? await goldenCheck(opened.ask, golden, subject.output) : null;
  const blank = golden ? typed(golden.examples[0].inputs) : Object.fromEntries(subject.inputs.map(input => [input.name, new Float32Array(sizeOf(input))]));
  const call = await latency(opened.ask, blank);
  facts([
    ...subject.facts,
    ['sha256', `${subject.sha256} ✓ checked in this page`],
    ['size', `${opened.bytes.toLocaleString('en')} bytes`],
    ['here', `loaded in ${Math.round(loaded)} ms, ${call.toPrecision(2)} ms a call`],
    ...(found ? [['difference', `${found.difference.toExponential(1)} at most from the build host (tolerance ${Number(golden.tolerance.toPrecision(2))})`]] : []),
  ]);
  if (found) say(`${found.agreeing} of ${found.examples} golden examples as on the build host`, found.agreeing === found.examples ? 'good' : 'bad');
  else say('ready; this file has no golden examples');
  model = opened;
  if (golden) offerGolden(golden.examples);
  // A form is long to fill: it starts with an example.
  if (golden && !subject.picture) $('golden').querySelector('button').click();
  else await answer();
  document.body.dataset.ready = JSON.stringify({loaded_ms: loaded, call_ms: call, ...found});
}

start().catch(error => {
  const failure = String(error?.message ?? error);
  say(failure, 'bad');
  document.body.dataset.failure = failure;
});
