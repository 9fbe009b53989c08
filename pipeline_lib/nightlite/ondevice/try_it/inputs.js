// The inputs of the model: a pad for a picture, fields for numbers and categories.
// Each makes {element, values(), fill(tensor)}: values() is the tensor, or null if nothing is there to ask about.

const MOST_FIELDS = 64;
// Longer side of the pad's picture in pixels. A larger one takes a phone longer to prepare, and looks the same to a model.
const PAD = 224;

/** Work that has begun and not ended. <body> has data-busy meanwhile. */
const work = {
  left: 0,
  begin() {
    this.left++;
    document.body.dataset.busy = '';
  },
  end() {
    if (!--this.left) delete document.body.dataset.busy;
  },
};

/** Return a new element with a class and children, texts among them. */
function element(name, kind, ...children) {
  const made = document.createElement(name);
  if (kind) made.className = kind;
  made.append(...children);
  return made;
}

const sizeOf = input => input.shape.slice(1).reduce((a, b) => a * b, 1);
/** Return an input's value of a raw one, rounded as the build host rounds it: after the product, and after the sum. */
const scaled = (raw, {scale = 1, offset = 0}) => Math.fround(Math.fround(raw * scale) + Math.fround(offset));
const rawOf = (value, {scale = 1, offset = 0}) => Number(((value - offset) / scale).toPrecision(6));

function inputFor(input, subject, changed) {
  const {picture} = subject;
  if (picture && picture.input === input.name) return pictureInput(input, subject, changed);
  const size = sizeOf(input), meaning = input.meaning ?? {};
  if (size > MOST_FIELDS) return textInput(input, size, changed);
  if (size === 1 && meaning.vocabulary?.length) return categoryInput(input, changed);
  return numberInput(input, size, changed);
}

function labelTexts(input) {
  const {description, unit, order} = input.meaning ?? {};
  const more = [unit && `in ${unit}`, order && `order: ${order}`].filter(Boolean).join('; ');
  return [description || input.name, more && ` (${more})`];
}

function numberInput(input, size, changed) {
  const meaning = input.meaning ?? {};
  const boxes = Array.from({length: size}, (_, i) => {
    const box = Object.assign(document.createElement('input'), {type: 'number', step: 'any', placeholder: 'missing'});
    box.inputMode = 'decimal';
    if (size > 1) box.setAttribute('aria-label', `${input.name} ${i + 1} of ${size}`);
    box.addEventListener('input', () => {
      tensor[i] = box.value === '' ? NaN : scaled(Number(box.value), meaning);
      changed();
    });
    return box;
  });
  const tensor = new Float32Array(size).fill(NaN);
  const [text, more] = labelTexts(input);
  const made = size === 1 ? element('label', 'field', element('span', '', text, element('small', '', more)), boxes[0])
    : element('fieldset', '', element('legend', '', text, element('small', '', more)),
      element('div', 'grid', ...boxes.map((box, i) => element('label', 'field', element('small', '', `${i + 1}`), box))));
  return {
    element: made,
    values: () => (boxes.some(box => box.validity.badInput) ? null : tensor.slice()),
    fill(values) {
      tensor.set(values);
      boxes.forEach((box, i) => { box.value = Number.isNaN(values[i]) ? '' : String(rawOf(values[i], meaning)); });
    },
  };
}

function categoryInput(input, changed) {
  const {vocabulary} = input.meaning;
  const list = element('select', '', ...vocabulary.map((word, code) => new Option(word, code)), new Option('missing', ''));
  list.addEventListener('change', () => changed());
  const [text, more] = labelTexts(input);
  return {
    element: element('label', 'field', element('span', '', text, element('small', '', more)), list),
    values: () => Float32Array.of(list.value === '' ? NaN : scaled(Number(list.value), input.meaning)),
    fill(values) { list.value = Number.isNaN(values[0]) ? '' : String(Math.round(rawOf(values[0], input.meaning))); },
  };
}

function textInput(input, size, changed) {
  const box = Object.assign(element('textarea'), {rows: 5});
  box.addEventListener('input', () => changed());
  const [text, more] = labelTexts(input);
  const numbers = () => box.value.split(/[\s,;]+/).filter(Boolean).map(word => (word === 'missing' ? NaN : Number(word)));
  return {
    element: element('label', 'field', element('span', '', `${text}: ${size} numbers`, element('small', '', more)), box),
    values() {
      const found = numbers();
      return found.length === size ? Float32Array.from(found, raw => scaled(raw, input.meaning ?? {})) : null;
    },
    fill(values) {
      box.value = Array.from(values, value => (Number.isNaN(value) ? 'missing' : rawOf(value, input.meaning ?? {}))).join(' ');
    },
  };
}

/** A pad for finger and mouse where a picture is grey, and a button for a file. */
function pictureInput(input, subject, changed) {
  const {picture, words} = subject;
  const ratio = picture.width / picture.height;
  const pad = Object.assign(element('canvas', picture.channels === 1 ? 'pen' : ''), {
    width: Math.round(PAD * Math.min(1, ratio)), height: Math.round(PAD * Math.min(1, 1 / ratio)),
  });
  pad.setAttribute('aria-label', picture.channels === 1 ? `Pad: draw one ${words.one} here` : `The ${words.one}`);
  const pen = pad.getContext('2d', {willReadFrequently: true});
  const hint = element('p', '', picture.channels === 1 ? `Draw one ${words.one}` : `Open a picture of one ${words.one}`);
  const file = Object.assign(element('input'), {type: 'file', accept: 'image/*'});
  const clear = Object.assign(element('button', '', 'Clear'), {type: 'button', id: 'clear'});
  // The picture to ask about: none, the pad's own, a file's pixels, or a tensor that was filled in.
  let source = null, opened = null, tensor = null;
  const wipe = () => {
    pen.fillStyle = '#fff';
    pen.fillRect(0, 0, pad.width, pad.height);
    [source, hint.hidden] = [null, false];
  };
  const shown = what => { source = what; hint.hidden = true; changed(); };
  wipe();
  clear.addEventListener('click', () => { wipe(); changed(); });
  file.addEventListener('change', async () => {
    const [chosen] = file.files;
    file.value = '';
    if (!chosen) return;
    work.begin();
    try {
      opened = await createImageBitmap(chosen);
      display();
    } catch {
      wipe();
      changed(`${chosen.name}: expected a picture. Received: another kind of file`);
    } finally {
      work.end();
    }
  });
  function display() {
    wipe();
    const fit = Math.min(pad.width / opened.width, pad.height / opened.height);
    const [wide, high] = [opened.width * fit, opened.height * fit];
    pen.drawImage(opened, (pad.width - wide) / 2, (pad.height - high) / 2, wide, high);
    shown('file');
  }
  if (picture.channels === 1) drawOn(pad, pen, () => source === 'pad' || wipe(), () => shown('pad'));
  return {
    element: element('div', '', element('div', 'pad', pad, hint),
      element('div', 'buttons', clear, element('label', 'button', 'Open a picture', file))),
    values() {
      if (source === 'tensor') return tensor;
      return source && prepared(source === 'pad' ? pad : opened, input, subject);
    },
    fill(values) {
      wipe();
      tensor = values;
      source = 'tensor';
      hint.hidden = true;
      const picture = drawnTensor(values, subject.picture);
      pen.imageSmoothingEnabled = false;
      pen.drawImage(picture, 0, 0, pad.width, pad.height);
      pen.imageSmoothingEnabled = true;
    },
  };
}

function drawOn(pad, pen, begin, drawn) {
  let last = null;
  const place = event => {
    const box = pad.getBoundingClientRect();
    return [((event.clientX - box.left) * pad.width) / box.width, ((event.clientY - box.top) * pad.height) / box.height];
  };
  function stroke(event) {
    const to = place(event);
    Object.assign(pen, {lineWidth: PAD / 13, lineCap: 'round', lineJoin: 'round', strokeStyle: '#000'});
    pen.beginPath();
    pen.moveTo(...last);
    pen.lineTo(...to);
    pen.stroke();
    last = to;
    drawn();
  }
  pad.addEventListener('pointerdown', event => {
    pad.setPointerCapture(event.pointerId);
    begin();
    last = place(event);
    stroke(event);
  });
  pad.addEventListener('pointermove', event => {
    if (!last) return;
    const events = event.getCoalescedEvents?.() ?? [];
    (events.length ? events : [event]).forEach(stroke);
  });
  for (const name of ['pointerup', 'pointercancel']) pad.addEventListener(name, () => { last = null; });
}

/** Return the pixels of a picture, in another size if asked to. */
function pixels(image, width = image.width, height = image.height) {
  const canvas = Object.assign(document.createElement('canvas'), {width, height});
  const context = canvas.getContext('2d', {willReadFrequently: true});
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, 0, 0, width, height);
  return context.getImageData(0, 0, width, height);
}

/** Return the tensor of a picture: by the model's own preparation, or scaled to the declared size. */
function prepared(image, input, {picture}) {
  if (prepare) return Float32Array.from(prepare(pixels(image)), raw => scaled(raw, input.meaning ?? {}));
  const {data} = pixels(image, picture.width, picture.height);
  const level = channel => picture.black + ((picture.white - picture.black) * channel) / 255;
  return Float32Array.from({length: picture.width * picture.height * picture.channels}, (_, i) => {
    if (picture.channels === 3) return level(data[4 * Math.floor(i / 3) + (i % 3)]);
    return level(0.299 * data[4 * i] + 0.587 * data[4 * i + 1] + 0.114 * data[4 * i + 2]);
  });
}

/** Return a canvas of a tensor's pixels, with the declared black and white. */
function drawnTensor(values, {width, height, channels, black, white}) {
  const canvas = Object.assign(element('canvas', 'seen'), {width, height});
  canvas.setAttribute('aria-label', 'What the model sees');
  const context = canvas.getContext('2d'), image = context.createImageData(width, height);
  for (let i = 0; i < width * height; i++) {
    for (let channel = 0; channel < 3; channel++) {
      image.data[4 * i + channel] = (255 * (values[channels * i + (channels === 3 ? channel : 0)] - black)) / (white - black);
    }
    image.data[4 * i + 3] = 255;
  }
  context.putImageData(image, 0, 0);
  return canvas;
}
