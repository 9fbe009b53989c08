// The same preparation as pictures.py and ink.py, for the page of `nightlite try`: same picture, same 784 grey levels.
// Its comments and the reasons for the numbers are there; a test compares both on pictures.

const IMAGE_SIDE = 28, BOX = 20, SIDE = 256, FAINT = 0.2;
const LEAST_CONTRAST = 40, WINDOW = 0.5, BLUR = 1 / 150;
const INK = 0.4, EDGE = 0.15, FLOOR = 0.4;
const LEAST_PIECE = 0.1, MOST_SPECKS = 0.25, HALF_GAP = 0.08, RIM = 0.04, MOST_HOLES = 4, LEAST_HOLE = 0.002;

/**
 * Return the grey levels of a picture as MNIST would hold it, or throw an Error that says what it shows instead.
 * @param {{data: Uint8ClampedArray, width: number, height: number}} picture - RGBA, as a canvas has it
 */
function prepare(picture) {
  return centred(boxed(oneMark(grey(reduced(picture)))));
}

// A grid: {width, height, values}, row by row.
const grid = (width, height, values = new Float64Array(width * height)) => ({width, height, values});
const mapped = (of, change) => grid(of.width, of.height, of.values.map(change));
const clip = (value, least, most) => Math.min(most, Math.max(least, value));
const greatest = values => values.reduce((a, b) => Math.max(a, b), -Infinity);
const least = values => values.reduce((a, b) => Math.min(a, b), Infinity);

/** Round a half to the even number, as Python and NumPy do. */
function rounded(value) {
  const below = Math.floor(value);
  return value - below === 0.5 ? below + (below % 2) : Math.round(value);
}

/** Halve, third … a large picture: Pillow's Image.reduce. Return its brightness and its opacity. */
function reduced({data, width, height}) {
  const factor = Math.max(1, Math.floor(Math.max(width, height) / SIDE));
  const [wide, high] = [Math.ceil(width / factor), Math.ceil(height / factor)];
  const [light, alpha] = [grid(wide, high), grid(wide, high)];
  for (let y = 0; y < high; y++) for (let x = 0; x < wide; x++) {
    const [right, bottom] = [Math.min(width, (x + 1) * factor), Math.min(height, (y + 1) * factor)];
    const count = (right - x * factor) * (bottom - y * factor);
    let [sum, opaque] = [count >> 1, count >> 1];
    for (let row = y * factor; row < bottom; row++) for (let column = x * factor; column < right; column++) {
      const at = 4 * (row * width + column);
      sum += (data[at] * 19595 + data[at + 1] * 38470 + data[at + 2] * 7471 + 0x8000) >> 16;
      opaque += data[at + 3];
    }
    const multiplier = Math.trunc(Math.fround(2 ** 24 / count));
    light.values[y * wide + x] = Math.floor((sum * multiplier) / 2 ** 24);
    alpha.values[y * wide + x] = Math.floor((opaque * multiplier) / 2 ** 24);
  }
  return {light, alpha};
}

function grey({light, alpha}) {
  const opacity = alpha.values.map(value => value / 255);
  if (least(opacity) === 1) return light;
  if (greatest(opacity) === 0) return mapped(light, () => 0);
  const [sum, weight] = [light.values.reduce((all, value, i) => all + value * opacity[i], 0), opacity.reduce((a, b) => a + b)];
  const paper = sum / weight < 128 ? 255 : 0;
  return mapped(light, (value, i) => value * opacity[i] + paper * (1 - opacity[i]));
}

function oneMark(brightness) {
  const strength = strengthOf(brightness);
  const mark = largestPieces(strength);
  const [top, bottom, left, right] = extent(mark);
  const side = Math.max(bottom - top, right - left) + 1;
  if (holes(mark, LEAST_HOLE * side ** 2) > MOST_HOLES) throw new Error('noise');
  const gap = within(mark, Math.max(1, HALF_GAP * side));
  const count = labelled(gap, true).sizes.length;
  if (count > 1) throw new Error(`${count} separate marks`);
  const rim = within(mark, Math.max(1, RIM * side));
  return mapped(strength, (value, i) => (rim.values[i] ? clip((value - EDGE) / (1 - EDGE), 0, 1) : 0));
}

function strengthOf(brightness) {
  const longer = Math.max(brightness.width, brightness.height);
  const window = Math.max(3, Math.trunc(WINDOW * longer) | 1);
  const level = withoutSlope(blurred(brightness, BLUR * longer));
  const paper = border(level).map(i => level.values[i]).sort((a, b) => a - b);
  const [darkest, lightest] = [percentile(paper, 0.2), percentile(paper, 0.8)];
  const dark = darkest - least(level.values) >= greatest(level.values) - lightest;
  const [outer, inner] = dark ? [Math.max, Math.min] : [Math.min, Math.max];
  const closed = filtered(filtered(level, window, outer), window, inner);
  const contrast = mapped(level, (value, i) => (dark ? closed.values[i] - value : value - closed.values[i]));
  const strongest = greatest(contrast.values);
  if (strongest < LEAST_CONTRAST) throw new Error('nothing stands out');
  const nearby = filtered(contrast, window, Math.max);
  return mapped(contrast, (value, i) => value / Math.max(nearby.values[i], FLOOR * strongest));
}

/** Apply a filter of one dimension to the rows or columns. */
function alongEach(of, vertical, filter) {
  const {width, height, values} = of, made = grid(width, height);
  const [lines, length, step, next] = vertical ? [width, height, width, 1] : [height, width, 1, width];
  for (let line = 0; line < lines; line++) {
    const found = filter(Float64Array.from({length}, (_, i) => values[line * next + i * step]));
    for (let i = 0; i < length; i++) made.values[line * next + i * step] = found[i];
  }
  return made;
}

/** SciPy's gaussian_filter: four standard deviations, reflected at the edges. */
function blurred(of, sigma) {
  const radius = Math.trunc(4 * sigma + 0.5);
  const raw = Array.from({length: 2 * radius + 1}, (_, i) => Math.exp((-0.5 / sigma ** 2) * (i - radius) ** 2));
  const total = raw.reduce((a, b) => a + b), weights = raw.map(weight => weight / total);
  const smooth = line => {
    const around = 2 * line.length;
    const padded = Float64Array.from({length: line.length + 2 * radius}, (_, i) => {
      const at = (((i - radius) % around) + around) % around;
      return line[at < line.length ? at : around - 1 - at];
    });
    return line.map((_, i) => weights.reduce((sum, weight, k) => sum + weight * padded[i + k], 0));
  };
  return alongEach(alongEach(of, true, smooth), false, smooth);
}

/** SciPy's minimum_filter or maximum_filter in a square window: reflected edges add nothing to what is in it. */
function filtered(of, window, better) {
  const reach = window >> 1;
  const filter = line => {
    const found = new Float64Array(line.length), queue = new Int32Array(line.length);
    for (let i = 0, last = 0, first = 0, end = 0; i < line.length; i++) {
      for (; end < Math.min(line.length, i + reach + 1); end++) {
        while (last > first && better(line[queue[last - 1]], line[end]) === line[end]) last--;
        queue[last++] = end;
      }
      while (queue[first] < i - reach) first++;
      found[i] = line[queue[first]];
    }
    return found;
  };
  return alongEach(alongEach(of, true, filter), false, filter);
}

function border({width, height}) {
  const all = Array.from({length: width * height}, (_, i) => i);
  return all.filter(i => i < width || i >= width * (height - 1) || i % width === 0 || i % width === width - 1);
}

/** Subtract the plane of least squares through the border, whose rows and columns are symmetric about its middle. */
function withoutSlope(of) {
  const places = border(of), [row, column] = [i => Math.floor(i / of.width) - (of.height - 1) / 2, i => (i % of.width) - (of.width - 1) / 2];
  const mean = places.reduce((sum, i) => sum + of.values[i], 0) / places.length;
  const [down, across] = [row, column].map(place => {
    const spread = places.reduce((sum, i) => sum + place(i) ** 2, 0);
    return spread && places.reduce((sum, i) => sum + place(i) * (of.values[i] - mean), 0) / spread;
  });
  return mapped(of, (value, i) => value - mean - down * row(i) - across * column(i));
}

function percentile(sorted, share) {
  const place = share * (sorted.length - 1), below = Math.floor(place);
  return sorted[below] + (place - below) * ((sorted[below + 1] ?? sorted[below]) - sorted[below]);
}

function largestPieces(strength) {
  const {labels, sizes} = labelled(mapped(strength, value => (value > INK ? 1 : 0)), true);
  const inks = sizes.map(() => 0);
  labels.forEach((label, i) => { if (label) inks[label - 1] += strength.values[i]; });
  const all = inks.reduce((a, b) => a + b, 0), large = inks.map(ink => ink >= LEAST_PIECE * all);
  if (inks.reduce((sum, ink, i) => sum + (large[i] ? 0 : ink), 0) > MOST_SPECKS * all) throw new Error('noise');
  return mapped(strength, (_, i) => (labels[i] && large[labels[i] - 1] ? 1 : 0));
}

/** SciPy's label: each pixel's piece, from 1 on, 0 for none, and the pieces' sizes. */
function labelled({width, height, values}, diagonalsToo) {
  const labels = new Int32Array(values.length), sizes = [];
  for (let start = 0; start < values.length; start++) {
    if (!values[start] || labels[start]) continue;
    const label = sizes.push(0), open = [start];
    labels[start] = label;
    while (open.length) {
      const at = open.pop(), [x, y] = [at % width, Math.floor(at / width)];
      sizes[label - 1]++;
      for (let dy = -1; dy <= 1; dy++) for (let dx = -1; dx <= 1; dx++) {
        if ((dx && dy && !diagonalsToo) || x + dx < 0 || x + dx >= width || y + dy < 0 || y + dy >= height) continue;
        const next = at + dy * width + dx;
        if (values[next] && !labels[next]) { labels[next] = label; open.push(next); }
      }
    }
  }
  return {labels, sizes};
}

function holes(mark, smallest) {
  const [wide, high] = [mark.width + 2, mark.height + 2];
  const paper = grid(wide, high, Float64Array.from({length: wide * high}, (_, i) => {
    const [x, y] = [(i % wide) - 1, Math.floor(i / wide) - 1];
    return x < 0 || y < 0 || x >= mark.width || y >= mark.height || !mark.values[y * mark.width + x] ? 1 : 0;
  }));
  return labelled(paper, false).sizes.filter(size => size >= smallest).length - 1;
}

/** Return the pixels that are at most so far from the mark. */
function within(mark, distance) {
  const {width, height} = mark, reach = Math.floor(distance), near = grid(width, height);
  for (let i = 0; i < mark.values.length; i++) {
    if (!mark.values[i]) continue;
    const [x, y] = [i % width, Math.floor(i / width)];
    for (let row = Math.max(0, y - reach); row <= Math.min(height - 1, y + reach); row++) {
      const wide = Math.floor(Math.sqrt(distance ** 2 - (row - y) ** 2));
      near.values.fill(1, row * width + Math.max(0, x - wide), row * width + Math.min(width - 1, x + wide) + 1);
    }
  }
  return near;
}

function extent({width, values}, faint = 0) {
  let [top, bottom, left, right] = [Infinity, -1, Infinity, -1];
  values.forEach((value, i) => {
    if (value <= faint) return;
    const [x, y] = [i % width, Math.floor(i / width)];
    [top, bottom, left, right] = [Math.min(top, y), Math.max(bottom, y), Math.min(left, x), Math.max(right, x)];
  });
  return [top, bottom, left, right];
}

function boxed(ink) {
  const [top, bottom, left, right] = extent(ink, FAINT);
  const [height, width] = [bottom - top + 1, right - left + 1];
  const cut = grid(width, height, Float64Array.from({length: width * height}, (_, i) =>
    rounded(ink.values[(top + Math.floor(i / width)) * ink.width + left + (i % width)] * 255)));
  const scale = BOX / Math.max(width, height);
  return resized(cut, Math.max(1, rounded(width * scale)), Math.max(1, rounded(height * scale)), scale > 1 ? BICUBIC : LANCZOS);
}

const sinc = x => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));
const LANCZOS = {support: 3, weight: x => (x >= -3 && x < 3 ? sinc(x) * sinc(x / 3) : 0)};
const BICUBIC = {
  support: 2,
  weight(value) {
    const [x, a] = [Math.abs(value), -0.5];
    if (x < 1) return ((a + 2) * x - (a + 3)) * x * x + 1;
    return x < 2 ? (((x - 5) * x + 8) * x - 4) * a : 0;
  },
};

/** Pillow's Image.resize of 8 bits, in its fixed-point numbers: first across, then down. */
function resized(of, width, height, filter) {
  const across = width === of.width ? of : grid(width, of.height);
  if (across !== of) resample(of, across, false, filter);
  const made = height === of.height ? across : grid(width, height);
  if (made !== across) resample(across, made, true, filter);
  return made;
}

function resample(from, to, vertical, {support, weight}) {
  const [before, after] = vertical ? [from.height, to.height] : [from.width, to.width];
  const step = before / after, stretch = Math.max(1, step), reach = support * stretch;
  for (let place = 0; place < after; place++) {
    const centre = (place + 0.5) * step;
    const first = Math.max(0, Math.trunc(centre - reach + 0.5)), end = Math.min(before, Math.trunc(centre + reach + 0.5));
    const raw = Array.from({length: end - first}, (_, i) => weight((i + first - centre + 0.5) / stretch));
    const total = raw.reduce((a, b) => a + b);
    const weights = raw.map(value => Math.trunc((value / total) * 2 ** 22 + (value / total < 0 ? -0.5 : 0.5)));
    for (let line = 0; line < (vertical ? to.width : to.height); line++) {
      const at = i => (vertical ? i * from.width + line : line * from.width + i);
      const sum = weights.reduce((all, value, i) => all + value * from.values[at(first + i)], 2 ** 21);
      to.values[vertical ? place * to.width + line : line * to.width + place] = clip(Math.floor(sum / 2 ** 22), 0, 255);
    }
  }
}

function centred(box) {
  const {width, height, values} = box, total = values.reduce((a, b) => a + b);
  const centre = place => values.reduce((sum, value, i) => sum + (value / total) * (place(i) + 0.5), 0);
  const start = (middle, side) => clip(rounded(IMAGE_SIDE / 2 - middle), 0, IMAGE_SIDE - side);
  const [left, top] = [start(centre(i => i % width), width), start(centre(i => Math.floor(i / width)), height)];
  const field = new Float64Array(IMAGE_SIDE ** 2);
  values.forEach((value, i) => { field[(top + Math.floor(i / width)) * IMAGE_SIDE + left + (i % width)] = value; });
  return field;
}
