'use strict';
// Charts as SVG. Texts come from files that may be a stranger's: they become text nodes, never markup.

const SVG = 'http://www.w3.org/2000/svg';
const HEIGHT = 240;
const MARGIN = {top: 10, right: 14, bottom: 42, left: 72};

function fill(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value !== undefined && value !== null) node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== ''));
  return node;
}
const el = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const draw = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

const known = (value) => typeof value === 'number' && Number.isFinite(value);

// --- numbers as text ---------------------------------------------------------------------------------------------------

const minus = (text) => text.replace(/^-(?=[0.,]*$)/, '').replace('-', '\u2212');  // no -0
const powers = (value, digits) => minus(value.toExponential(digits).replace(/\.?0+e/, 'e').replace('e+', 'e'));
function fixed(value, digits) {
  if (Math.abs(value) >= 1e15) return powers(value, 3);
  return known(value)
    ? minus(value.toLocaleString('en-GB', {minimumFractionDigits: digits, maximumFractionDigits: digits})) : '\u2013';
}
const whole = (value) => fixed(value, 0);
// To about five digits, in powers of ten where it is very small or large.
function short(value) {
  if (!known(value)) return '\u2013';
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e9)) return powers(value, 3);
  const digits = size >= 1000 ? 0 : size >= 100 ? 1 : size >= 1 ? 2 : 4;
  return minus(value.toLocaleString('en-GB', {maximumFractionDigits: Number.isInteger(value) ? 0 : digits}));
}
function duration(seconds) {
  if (!known(seconds)) return '\u2013';
  if (seconds < 60) return `${short(Math.round(seconds * 10) / 10)} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
  return `${whole(Math.floor(seconds / 3600))} h ${String(Math.floor(seconds % 3600 / 60)).padStart(2, '0')} min`;
}

// --- axes --------------------------------------------------------------------------------------------------------------

function ticksBetween(low, high, wanted, integers) {
  const rough = Math.max((high - low) / wanted, integers ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + step * 1e-9; ++i) ticks.push(i * step);
  return ticks;
}

function tickText(value, ticks) {
  const step = ticks.length > 1 ? Math.abs(ticks[1] - ticks[0]) : Math.abs(value) || 1;
  if (Math.abs(value) >= 1e6 || (value !== 0 && step < 1e-5)) {
    return powers(value, 2);
  }
  return fixed(value, Math.max(0, -Math.floor(Math.log10(step) + 1e-9)));
}

function logTicks(low, high) {
  const ticks = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); ++power) {
    for (const factor of [1, 2, 5]) ticks.push(factor * 10 ** power);
  }
  const inside = ticks.filter((tick) => tick >= low && tick <= high);
  const tens = inside.filter((tick) => Math.abs(Math.log10(tick) - Math.round(Math.log10(tick))) < 1e-9);
  return tens.length >= 3 ? tens : inside;
}

// What maps a number of [low, high] to a place of [from, to].
function scale(low, high, from, to, logarithmic) {
  if (!(high > low)) [low, high] = logarithmic ? [low / 2, high * 2] : [low - (Math.abs(low) || 1) * 0.5, high + (Math.abs(high) || 1) * 0.5];
  const place = logarithmic ? Math.log10 : (value) => value;
  const map = (value) => from + (place(value) - place(low)) / (place(high) - place(low)) * (to - from);
  return Object.assign(map, {low, high, ticks: logarithmic ? logTicks(low, high) : null});
}

function extent(values, low = Infinity, high = -Infinity) {
  for (const value of values) {
    if (!known(value)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  return [low, high];
}

// A run's beginning may lie so far away that the rest would be a flat line: then the axis leaves it out.
function valueRange(series) {
  const [low, high] = extent(series.flatMap((one) => [...one.y, ...one.low || [], ...one.high || []]));
  const later = series.flatMap((one) => one.y.length < 20 ? one.y : one.y.slice(Math.floor(one.y.length / 12)));
  const [laterLow, laterHigh] = extent(later);
  const room = (laterHigh - laterLow) * 0.06;
  if (high - low < 3 * (laterHigh - laterLow) || !(laterHigh > laterLow)) return {low, high, cut: false};
  return {low: Math.max(low, laterLow - room), high: Math.min(high, laterHigh + room), cut: true};
}

function axes(x, y, width, height, xLabel, yLabel, integers) {
  const group = draw('g');
  const bottom = height - MARGIN.bottom;
  const yTicks = y.ticks || ticksBetween(y.low, y.high, 5, integers);
  for (const tick of yTicks) {
    group.append(
      draw('line', {class: 'grid', x1: MARGIN.left, x2: width - MARGIN.right, y1: y(tick), y2: y(tick)}),
      draw('text', {x: MARGIN.left - 8, y: y(tick) + 4, 'text-anchor': 'end'}, y.ticks ? short(tick) : tickText(tick, yTicks)));
  }
  const xTicks = ticksBetween(x.low, x.high, Math.max(3, Math.floor((width - MARGIN.left) / 85)));
  for (const tick of xTicks) {
    group.append(draw('line', {class: 'axis', x1: x(tick), x2: x(tick), y1: bottom, y2: bottom + 4}),
      draw('text', {x: x(tick), y: bottom + 17, 'text-anchor': 'middle'}, tickText(tick, xTicks)));
  }
  group.append(draw('line', {class: 'axis', x1: MARGIN.left, x2: width - MARGIN.right, y1: bottom, y2: bottom}),
    draw('text', {x: (MARGIN.left + width - MARGIN.right) / 2, y: height - 6, 'text-anchor': 'middle'}, xLabel),
    draw('text', {transform: `translate(12 ${(MARGIN.top + bottom) / 2}) rotate(-90)`, 'text-anchor': 'middle'}, yLabel));
  return group;
}

// --- curves ------------------------------------------------------------------------------------------------------------

// Paths of the stretches in which every value is known.
function pathOf(xs, ys, x, y) {
  let path = '';
  let drawing = false;
  for (let i = 0; i < xs.length; ++i) {
    const here = known(xs[i]) && known(ys[i]);
    if (here) path += `${drawing ? 'L' : 'M'}${x(xs[i]).toFixed(1)} ${y(ys[i]).toFixed(1)}`;
    drawing = here;
  }
  return path;
}

function bandOf(one, x, y) {
  const inside = one.x.map((_, i) => i).filter((i) => known(one.low[i]) && known(one.high[i]) && known(one.x[i]));
  if (inside.length < 2) return '';
  const point = (i, values) => `${x(one.x[i]).toFixed(1)} ${y(values[i]).toFixed(1)}`;
  return `M${inside.map((i) => point(i, one.high)).join('L')}L${inside.reverse().map((i) => point(i, one.low)).join('L')}Z`;
}

let clips = 0;
function plotted(series, x, y, width, height) {
  const id = `clip${++clips}`;
  const group = draw('g', {'clip-path': `url(#${id})`});
  const clip = draw('clipPath', {id}, draw('rect',
    {x: MARGIN.left, y: MARGIN.top - 4, width: width - MARGIN.left - MARGIN.right + 5, height: height - MARGIN.top - MARGIN.bottom + 8}));
  for (const one of series) {
    if (one.low) group.append(draw('path', {class: `band ${one.colour}`, d: bandOf(one, x, y)}));
    group.append(draw('path', {class: `curve ${one.colour} ${one.look || ''}`, d: pathOf(one.x, one.y, x, y)}));
    if (!one.dots || one.x.length > 60) continue;
    one.x.forEach((value, i) => known(one.y[i]) && known(value) &&
      group.append(draw('circle', {class: `dot ${one.colour}`, cx: x(value), cy: y(one.y[i]), r: 3})));
  }
  return [clip, group];
}

function nearest(values, wanted) {
  let best = -1;
  values.forEach((value, i) => {
    if (known(value) && (best < 0 || Math.abs(value - wanted) < Math.abs(values[best] - wanted))) best = i;
  });
  return best;
}

// A box beside the pointer, and what shows and hides it. `at(place)` gives {x, lines: [[class or null, text], ...]} or null.
function hover(figure, svg, width, cursor, at) {
  const tip = el('div', {class: 'tip', hidden: ''});
  const hide = () => { tip.hidden = true; cursor.setAttribute('visibility', 'hidden'); };
  const show = (place) => {
    const what = at(place);
    if (!what) return hide();
    tip.replaceChildren(...what.lines.map(([colour, text]) =>
      el('div', {}, colour ? el('span', {class: `swatch ${colour}`}) : '', text)));
    tip.hidden = false;
    for (const end of ['x1', 'x2']) cursor.setAttribute(end, what.x);
    cursor.setAttribute('visibility', 'visible');
    const left = what.x / width * svg.clientWidth;
    const room = figure.clientWidth - tip.offsetWidth;
    tip.style.left = `${Math.max(0, Math.min(room, left > figure.clientWidth / 2 ? left - tip.offsetWidth - 12 : left + 12))}px`;
    tip.style.top = `${svg.offsetTop + 6}px`;
  };
  const place = (event) => (event.clientX - svg.getBoundingClientRect().left) / svg.clientWidth * width;
  svg.addEventListener('pointermove', (event) => show(place(event)));
  svg.addEventListener('pointerdown', (event) => show(place(event)));
  svg.addEventListener('pointerleave', hide);
  svg.addEventListener('blur', hide);
  let kept = width / 2;
  svg.addEventListener('keydown', (event) => {
    const move = {ArrowLeft: -8, ArrowRight: 8}[event.key];
    if (event.key === 'Escape') hide();
    if (!move) return;
    event.preventDefault();
    kept = Math.max(MARGIN.left, Math.min(width - MARGIN.right, kept + move));
    show(kept);
  });
  return tip;
}

// chart: {title, unit, yLabel, xLabel, xText(value), series: [{label, colour, look, dots, x, y, low, high}], marks: [x],
// logarithmic}
function lineChart(chart) {
  const figure = el('figure');
  const range = valueRange(chart.series);
  const smallest = extent(chart.series.flatMap((one) => [...one.y, ...one.low || []]))[0];
  const logarithmic = chart.logarithmic && smallest > 0 && range.high > 30 * range.low;
  figure.append(el('figcaption', {}, chart.title,
    el('small', {}, chart.unit, logarithmic ? ', logarithmic' : '', range.cut ? '; the beginning is off the axis' : '')));
  figure.redraw = () => {
    for (const old of figure.querySelectorAll('svg, .tip')) old.remove();
    const width = Math.max(280, figure.clientWidth);
    const [first, last] = extent(chart.series.flatMap((one) => one.x));
    const x = scale(first > 0 && first < last / 3 ? 0 : first, last, MARGIN.left, width - MARGIN.right);
    const margin = logarithmic ? 0 : (range.high - range.low) * 0.04;
    const y = scale(range.low - margin, range.high + margin, HEIGHT - MARGIN.bottom, MARGIN.top, logarithmic);
    const cursor = draw('line', {class: 'cursor', y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: 'hidden'});
    const marks = chart.marks.filter((mark) => known(mark) && mark > x.low && mark < x.high)
      .map((mark) => draw('line', {class: 'mark', x1: x(mark), x2: x(mark), y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom}));
    const svg = draw('svg', {viewBox: `0 0 ${width} ${HEIGHT}`, tabindex: 0, role: 'img',
      'aria-label': `${chart.title}, ${chart.unit}, over ${chart.xLabel}. Arrow keys read values.`},
      axes(x, y, width, HEIGHT, chart.xLabel, chart.yLabel, chart.integers), marks, plotted(chart.series, x, y, width, HEIGHT), cursor);
    const at = (place) => {
      const wanted = x.low + (place - MARGIN.left) / (width - MARGIN.left - MARGIN.right) * (x.high - x.low);
      const found = chart.series.map((one) => [one, nearest(one.x, wanted)]).filter(([, i]) => i >= 0);
      if (!found.length) return null;
      const closest = found.map(([one, i]) => one.x[i]).reduce((a, b) => Math.abs(b - wanted) < Math.abs(a - wanted) ? b : a);
      return {x: x(closest), lines: [[null, chart.xText(closest)], ...found.map(([one, i]) => [`${one.colour} ${one.look || ''}`,
        `${one.label}: ${short(one.y[i])}${one.low && known(one.low[i]) ? ` (${short(one.low[i])} to ${short(one.high[i])})` : ''}`])]};
    };
    figure.append(svg, hover(figure, svg, width, cursor, at));
  };
  return figure;
}
