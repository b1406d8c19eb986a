// The parts of the page, each made of what is known of the runs. Nothing about the document's types is taken for granted.

const object = (value) => value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {};
const list = (value) => Array.isArray(value) ? value : [];
const text = (value) => typeof value === 'string' ? value : '';
const counted = (count, noun) => `${whole(count)} ${noun}${count === 1 ? '' : 's'}`;

function table(head, rows) {
  return el('div', {class: 'scroll', tabindex: 0}, el('table', {},
    el('thead', {}, el('tr', {}, head.map((cell) => el('th', {scope: 'col'}, cell)))),
    el('tbody', {}, rows.map(([first, ...rest]) => el('tr', {}, el('th', {scope: 'row'}, first), rest.map((cell) => el('td', {}, cell)))))));
}

function section(id, title, ...content) {
  const parts = content.flat().filter((part) => part);
  return parts.length ? el('section', {id}, el('h2', {}, title), ...parts) : null;
}

const swatch = (run) => el('span', {class: `swatch ${run.colour} ${run.look}`});
const named = (run) => el('span', {}, swatch(run), run.name);

// --- what a run is ------------------------------------------------------------------------------------------------------

// An option's value as TOML writes it, without the quotation marks of a text.
const plain = (value) => value.replace(/^"([^"\\]*)"$/, '$1');
function option(run, key) {
  const found = run.options.find((one) => one[0] === key);
  return found ? plain(text(found[1])) : '';
}

// What z consists of: model.latent says so of some priors alone.
function latentsText(run) {
  const prior = option(run, 'model.prior');
  if (prior === 'categorical') return `latents of ${option(run, 'model.categories')} values`;
  if (prior === 'product') return `latents ${option(run, 'model.factors')}`;
  return `${option(run, 'model.latent')} latents`;
}

function modelText(run) {
  if (!run.options.length) return '';
  const kind = option(run, 'model.kind');
  const likelihood = `${option(run, 'model.likelihood')} likelihood`;
  if (kind === 'pixelcnn') return [kind, likelihood].join(', ');  // without latents and the usual networks
  return [kind, latentsText(run), `${option(run, 'model.prior')} prior`, likelihood,
    `${option(run, 'model.network')} ${option(run, 'model.widths')}`].join(', ');
}

function stateOf(run) {
  const sessions = list(run.record.sessions).map(object);
  const last = sessions[sessions.length - 1];
  if (run.record.finished === true) return ['finished', ''];
  if (!last) return ['unknown', 'no session is recorded'];
  if (!text(last.ended)) return ['not ended', 'trains still, or was killed'];
  return ['unfinished', text(last.reason)];
}

// The log-likelihood as a number with its error, and what to hold of it.
function likelihoodFact(run) {
  const evaluation = run.evaluations[0];
  if (!evaluation) return ['\u2013', 'not evaluated'];
  const {log_likelihood: ofX, log_likelihood_given_c: given, standard_error: error, samples, effective_sample_size: effective} = evaluation.figures;
  const value = known(ofX) ? ofX : given;
  if (!known(value)) return ['\u2013', 'none is claimed'];
  const how = known(effective) ? `nats per sample, estimated with ${whole(samples)} draws` : 'nats per sample, exact';
  return [`${fixed(value, 2)}${known(error) ? ` \u00b1 ${fixed(error, 2)}` : ''}`, known(ofX) ? how : `of x given c, ${how}`];
}

function facts(run) {
  const best = object(run.curves.best);
  const last = object(run.curves.last);
  const ranks = [...new Set(list(run.record.sessions).map((one) => object(one).ranks).filter(known))];
  return [
    ['State', ...stateOf(run)],
    [known(object(object(run.evaluations[0]).figures).log_likelihood_given_c) ? 'Log p(x given c)' : 'Log p(x)', ...likelihoodFact(run)],
    ['Best validation ELBO', fixed(best.validation_elbo, 2), known(best.step) ? `nats per sample, at step ${whole(best.step)}` : 'no validation'],
    ['Trained', known(last.step) ? counted(last.step, 'step') : '\u2013', known(last.samples) ? `${counted(last.samples, 'sample')} seen` : ''],
    ['Time in training', duration(last.seconds), ranks.length ? `on ${ranks.map(whole).join(', then ')} ${ranks.length === 1 && ranks[0] === 1 ? 'rank' : 'ranks'}` : ''],
  ];
}

function summary(runs) {
  if (runs.length === 1) {
    return el('dl', {class: 'facts'}, facts(runs[0]).map(([name, value, note]) =>
      el('div', {}, el('dt', {}, name), el('dd', {}, value, note ? el('small', {}, note) : ''))));
  }
  const columns = runs.map(facts);
  return table(['', ...runs.map(named)], [
    ['Model', ...runs.map((run) => modelText(run) || '\u2013')],
    ...columns[0].map(([name], i) => [columns.every((column) => column[i][0] === name) ? name : 'Log-likelihood', ...columns.map((column) =>
      el('span', {}, column[i][1], column[i][2] ? el('small', {class: 'soft'}, ` ${column[i][2]}`) : ''))])]);
}

// --- curves --------------------------------------------------------------------------------------------------------------

const NATS = 'nats per sample';
const CURVES = [
  {title: 'ELBO', unit: NATS, training: 'elbo', validation: 'validation_elbo', average: 'validation_average_elbo'},
  {title: 'Log p(x), importance-sampled', unit: NATS, validation: 'validation_log_likelihood', average: 'validation_average_log_likelihood'},
  {title: 'Log p(x given c), importance-sampled', unit: NATS, validation: 'validation_log_likelihood_given_c', average: 'validation_average_log_likelihood_given_c'},
  {title: 'Reconstruction, E log p(x|z)', unit: NATS, training: 'reconstruction', validation: 'validation_reconstruction', average: 'validation_average_reconstruction'},
  {title: 'KL(q(z|x), p(z))', unit: NATS, training: 'kl', validation: 'validation_kl', average: 'validation_average_kl'},
  {title: 'Objective, which is not the ELBO', unit: NATS, training: 'objective', differsFrom: 'elbo'},
  {title: 'Learning rate', unit: 'no unit', yLabel: 'rate', training: 'learning_rate'},
  {title: 'Gradient norm', unit: 'before clipping', yLabel: 'norm', training: 'gradient_norm', logarithmic: true},
  {title: 'Throughput', unit: 'samples per second', training: 'samples_per_second'},
  {title: 'Ranks', unit: 'processes', training: 'ranks', ifVaries: true, integers: true},
];
// Those above, and what a model reports of its training beside them.
function curvesOf(runs) {
  const drawn = new Set(CURVES.map((curve) => curve.training));
  const own = new Set(runs.flatMap((run) => Object.keys(object(object(run.curves.training).fields))));
  return [...CURVES, ...[...own].filter((name) => !drawn.has(name)).map((name) =>
    ({title: name.replaceAll('_', ' '), unit: NATS, training: name}))];
}

const AXES = {step: 'step', samples: 'samples seen', seconds: 'time in training'};

// Seconds in the unit that suits the longest run.
function timeUnit(longest) {
  return longest < 300 ? ['s', 1] : longest < 3 * 3600 ? ['min', 60] : ['h', 3600];
}

function seriesOf(run, part, field, axis, factor, extra) {
  const rows = object(run.curves[part]);
  const values = object(object(rows.fields)[field]);
  if (!list(values.mean).length) return null;
  return {colour: run.colour, x: list(rows[axis]).map((value) => value / factor), y: values.mean,
    low: list(values.low).length ? values.low : null, high: list(values.high).length ? values.high : null, ...extra};
}

function seriesOfCurve(curve, runs, axis, factor) {
  const alone = runs.length === 1;
  const label = (run, what) => alone ? what : `${run.name}, ${what}`;
  const both = curve.training && curve.validation;
  return runs.flatMap((run) => [
    curve.training && seriesOf(run, 'training', curve.training, axis, factor, {label: label(run, both ? 'training' : 'value'), look: run.look}),
    curve.validation && seriesOf(run, 'validation', curve.validation, axis, factor,
      {label: label(run, 'validation'), look: `bold ${run.look}`, dots: true, colour: alone ? 'c1' : run.colour}),
    curve.average && seriesOf(run, 'validation', curve.average, axis, factor,
      {label: label(run, 'validation of the mean parameters'), look: 'dash', dots: true, colour: alone ? 'c2' : run.colour}),
  ]).filter((one) => one);
}

function worthwhile(curve, series, runs) {
  if (!series.some((one) => one.y.some(known))) return false;
  if (curve.ifVaries) return new Set(series.flatMap((one) => one.y).filter(known)).size > 1;
  if (!curve.differsFrom) return true;
  return runs.some((run) => {
    const fields = object(object(run.curves.training).fields);
    return JSON.stringify(object(fields[curve.training]).mean) !== JSON.stringify(object(fields[curve.differsFrom]).mean);
  });
}

function marksOf(runs, axis, factor) {
  if (runs.length > 1) return [];
  return [...list(runs[0].curves.sessions), ...list(runs[0].curves.stages)].map((mark) => object(mark)[axis] / factor);
}

function charts(runs, axis) {
  const longest = Math.max(0, ...runs.map((run) => object(run.curves.last).seconds || 0));
  const [unit, factor] = axis === 'seconds' ? timeUnit(longest) : ['', 1];
  const xLabel = unit ? `${AXES[axis]}, ${unit}` : AXES[axis];
  const shown = curvesOf(runs).map((curve) => ({curve, series: seriesOfCurve(curve, runs, axis, factor)}))
    .filter(({curve, series}) => worthwhile(curve, series, runs));
  return shown.map(({curve, series}) => lineChart({...curve, series, yLabel: curve.yLabel || curve.unit, xLabel,
    xText: (value) => unit ? `${short(value)} ${unit}` : `${AXES[axis]} ${whole(value)}`, marks: marksOf(runs, axis, factor)}));
}

function choices(name, legend, entries, chosen, change) {
  return el('fieldset', {}, el('legend', {}, legend), entries.map(([value, label]) => {
    const input = el('input', {type: 'radio', name, value});
    input.checked = value === chosen;
    input.addEventListener('change', () => change(value));
    return el('label', {}, input, ' ', label);
  }));
}

function curvesNote(runs) {
  const thinned = runs.filter((run) => object(run.curves.training).rows_per_point > 1);
  const restarts = runs.length === 1 ? list(runs[0].curves.sessions).length + Math.max(0, list(runs[0].curves.stages).length) : 0;
  return el('p', {class: 'soft'}, 'Training figures are means over the samples between two lines of metrics.jsonl; validation figures are of held-out samples. ',
    thinned.length ? `A point of training is the mean of up to ${Math.max(...thinned.map((run) => run.curves.training.rows_per_point))} lines, the band their least and greatest. ` : '',
    restarts ? 'Dotted vertical lines: where the run was taken up again, or a stage began.' : '');
}

function curvesSection(runs) {
  const grid = el('div', {class: 'charts'});
  const state = {axis: runs.length > 1 ? 'samples' : 'step', hidden: new Set()};
  const update = () => {
    grid.replaceChildren(...charts(runs.filter((run) => !state.hidden.has(run)), state.axis));
    redraw(grid);
  };
  grid.replaceChildren(...charts(runs, state.axis));
  if (!grid.children.length) return null;
  const shown = runs.length === 1 ? '' : el('fieldset', {}, el('legend', {}, 'Runs'), runs.map((run) => {
    const input = el('input', {type: 'checkbox'});
    input.checked = true;
    input.addEventListener('change', () => { state.hidden[input.checked ? 'delete' : 'add'](run); update(); });
    return el('label', {}, input, ' ', named(run));
  }));
  const legend = el('p', {class: 'legend'}, runs.length === 1
    ? [el('span', {}, el('span', {class: 'swatch c0'}), 'training'), el('span', {}, el('span', {class: 'swatch c1'}), 'validation')]
    : el('span', {}, 'thin: training; thick with dots: validation'));
  return section('curves', 'Curves', el('div', {class: 'controls'},
    choices('axis', 'Over', Object.entries(AXES), state.axis, (axis) => { state.axis = axis; update(); }), shown), legend, grid, curvesNote(runs));
}
