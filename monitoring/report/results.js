// What came out: figures, pictures, codes; and how it went.

// --- figures -------------------------------------------------------------------------------------------------------------

const FIGURES = [
  ['log_likelihood', 'log p(x)', 'nats per sample'], ['log_likelihood_given_c', 'log p(x given c)', 'nats per sample'], ['elbo', 'ELBO', 'nats per sample'],
  ['reconstruction', 'reconstruction', 'nats per sample'], ['kl', 'KL', 'nats per sample'],
  ['bits_per_dim', 'bits per dimension', ''], ['bits_per_dim_given_c', 'bits per dimension, given c', ''], ['effective_sample_size', 'effective draws', 'of those below'],
  ['samples', 'draws of z a sample', ''], ['count', 'samples', ''],
];
const FEW_EFFECTIVE_DRAWS = 5;

function figureCell(figures, key) {
  const value = figures[key];
  if (key === 'samples' || key === 'count') return whole(value);
  if (!key.startsWith('log_likelihood') || !known(value)) return fixed(value, key.startsWith('bits_per_dim') ? 4 : 2);
  const errors = [known(figures.standard_error) ? `\u00b1 ${fixed(figures.standard_error, 2)} over samples` : '',
    known(figures.monte_carlo_error) ? `\u00b1 ${fixed(figures.monte_carlo_error, 3)} Monte Carlo` : ''].filter(Boolean);
  return el('span', {}, fixed(value, 2), errors.map((error) => el('small', {}, error)));
}

function evaluationRows(columns) {
  const own = [...new Set(columns.flatMap(({figures}) => Object.keys(figures)))].filter((key) => known(columns.find(({figures}) => known(figures[key]))?.figures[key])
    && !FIGURES.some(([name]) => name === key) && !['standard_error', 'monte_carlo_error'].includes(key)).slice(0, 20);
  const about = (key) => columns.map(({figures}) => text(object(figures.about)[key]) || '\u2013');
  return [...FIGURES.filter(([key]) => columns.some(({figures}) => known(figures[key]))).map(([key, name, unit]) =>
    [el('span', {}, name, unit ? el('small', {}, unit) : ''), ...columns.map(({figures}) => figureCell(figures, key))]),
  ...own.map((key) => [key.replaceAll('_', ' '), ...columns.map(({figures}) => fixed(figures[key], 4))]),
  ['data', ...about('data')], ['parameters', ...about('parameters')], ['measure', ...about('measure')]];
}

function cautions(columns) {
  const differ = (key) => new Set(columns.map(({figures}) => text(object(figures.about)[key]))).size > 1;
  const few = columns.some(({figures}) => known(figures.effective_sample_size) && figures.effective_sample_size < FEW_EFFECTIVE_DRAWS);
  const reasons = [...new Set(columns.flatMap(({figures}) => ['no_likelihood', 'missing'].map((key) => text(object(figures.about)[key]))))].filter(Boolean);
  return [
    new Set(columns.map(({figures}) => 'log_likelihood_given_c' in figures)).size > 1 && 'Some figures are of x given c, and others of x: these are not comparable with each other.',
    differ('measure') && 'The measures differ: these figures are not comparable with each other.',
    differ('data_fingerprint') && 'The evaluated data differ: compare only columns of the same data.',
    few && `Few draws count (fewer than ${FEW_EFFECTIVE_DRAWS} of those made): the log-likelihood is biased low, and its error underrated. Raise --samples of elbow evaluate.`,
    ...reasons,
  ].filter(Boolean).map((caution) => el('p', {}, caution));
}

function figuresSection(runs) {
  const columns = runs.flatMap((run) => run.evaluations.map((one) => ({run, ...one})));
  if (!columns.length) return null;
  const alone = runs.length === 1;
  const shortName = (one) => one.name.replace(/\.json$/, '');
  const rows = columns.map((one) => ({label: alone ? shortName(one) : `${one.run.name}${one.name === 'evaluation.json' ? '' : `, ${shortName(one)}`}`,
    colour: one.run.colour, figures: [
      {name: 'ELBO', value: one.figures.elbo, open: true},
      {name: 'log p(x)', value: one.figures.log_likelihood, error: one.figures.standard_error},
      {name: 'log p(x given c)', value: one.figures.log_likelihood_given_c, error: one.figures.standard_error}].filter(({value}) => known(value))}))
    .filter((row) => row.figures.length);
  return section('figures', 'Figures',
    table(['', ...columns.map((one) => el('span', {}, alone ? '' : named(one.run), el('small', {}, one.name)))], evaluationRows(columns)),
    cautions(columns),
    rows.length ? intervalPlot({title: 'Estimators side by side', unit: 'nats per sample; bars: two standard errors over the samples', xLabel: 'nats per sample', rows}) : null,
    runs.length > 1 && rows.length > 1 ? el('p', {class: 'soft'}, 'Errors of runs that were evaluated on the same samples move together: their difference is known better than the bars suggest.') : null);
}

// --- pictures ------------------------------------------------------------------------------------------------------------

const PICTURES = {
  samples: 'Samples: means of p(x|z), z drawn from the prior',
  'samples-draws': 'Samples: draws from p(x|z), z drawn from the prior',
  reconstructions: 'Reconstructions: each sample above its own',
  traversed: 'Traversal: a row a latent, moved through its range',
  interpolated: 'Interpolation: from the code of one sample to that of another',
  swapped: 'Swap: contents of some samples with the classes of others',
};

function picture(one) {
  const name = text(one.name);
  const caption = Object.hasOwn(PICTURES, name) ? PICTURES[name] : name;
  if (!text(one.uri).startsWith('data:image/png;base64,')) return null;
  return el('figure', {}, el('figcaption', {}, caption), el('img', {src: one.uri, alt: caption, width: one.width, height: one.height}));
}

// Those that are known come first, in the order above.
function inOrder(pictures) {
  const names = Object.keys(PICTURES);
  const place = (one) => names.indexOf(one.name) < 0 ? names.length : names.indexOf(one.name);
  return [...pictures].sort((a, b) => place(a) - place(b));
}

function picturesSection(runs) {
  return section('pictures', 'Pictures', runs.filter((run) => run.pictures.length).flatMap((run) => [
    runs.length > 1 ? el('h3', {}, named(run)) : null, el('div', {class: 'pictures'}, inOrder(run.pictures).map(picture))]));
}

// --- codes ---------------------------------------------------------------------------------------------------------------

const ACTIVE = 0.01;  // Burda et al. 2016, appendix C

function codesText(codes) {
  const variance = list(codes.variance).filter(known);
  const active = variance.filter((value) => value > ACTIVE).length;
  const kl = list(codes.kl).filter(known).reduce((sum, value) => sum + value, 0);
  return `${whole(active)} of ${whole(codes.units)} units are active (the variance of their means over the samples is above ${ACTIVE}). ` +
    (list(codes.kl).length ? `Their KL to N(0, 1) adds up to ${fixed(kl, 2)} nats per sample. ` : '') +
    `Codes of ${counted(codes.count, 'sample')}${codes.left_out ? `, and ${whole(codes.left_out)} left out that are not finite` : ''}.`;
}

function codesOf(run) {
  const codes = run.codes;
  if (!list(codes.variance).length) return null;
  const share = (i) => `component ${i + 1}, ${fixed(100 * list(codes.shares)[i], 0)} % of the variance`;
  const kl = list(codes.kl);
  const figures = [
    kl.length ? barChart({title: 'KL per unit', unit: 'nats per sample', yLabel: 'nats', xLabel: 'units of z, largest first', values: kl, colour: run.colour}) : null,
    barChart({title: 'Variance of the means', unit: `over the samples; active above ${ACTIVE}`, yLabel: 'variance', xLabel: 'units of z, largest first',
      values: codes.variance, colour: run.colour}),
    list(codes.points).length ? scatterPlot({title: 'Means of the codes', unit: `principal components of ${whole(codes.points.length)} of them`,
      xLabel: share(0), yLabel: share(1), points: codes.points, colour: run.colour,
      classes: list(codes.classes).map(String), classOf: list(codes.class_of_point)}) : null];
  return [el('p', {}, codesText(codes)), el('div', {class: 'charts'}, figures)];
}

function codesSection(runs) {
  return section('codes', 'Codes', runs.flatMap((run) => {
    const content = codesOf(run);
    return content ? [runs.length > 1 ? el('h3', {}, named(run)) : null, ...content] : [];
  }));
}

// --- how it went ---------------------------------------------------------------------------------------------------------

const moment = (value) => text(value).replace('T', ' ').replace(/(\.\d+)?Z$/, '');
function lasted(session) {
  return duration((Date.parse(text(session.ended)) - Date.parse(text(session.started))) / 1000);
}

function sessionsTable(run) {
  const sessions = list(run.record.sessions).map(object);
  if (!sessions.length) return null;
  return table(['Session', 'Started (UTC)', 'Lasted', 'Ranks', 'From step', 'Ended because', 'Changed options'], sessions.map((session, i) => [
    whole(i + 1), moment(session.started), text(session.ended) ? lasted(session) : '\u2013', whole(session.ranks), whole(session.from_step),
    text(session.reason) || (i + 1 < sessions.length ? 'killed: no end is recorded' : 'no end is recorded: it trains still, or was killed'),
    text(session.changed).trim() || '\u2013']));
}

function logOf(run) {
  const lines = list(run.log.lines).map(object);
  if (!lines.length) return null;
  const alarming = lines.filter((line) => ['warning', 'error'].includes(line.level));
  const item = (line) => el('li', {class: ['warning', 'error'].includes(line.level) ? 'alarm' : ''},
    el('span', {class: 'soft'}, moment(line.time), known(line.rank) ? ` rank ${whole(line.rank)} ` : ' '),
    line.level === 'info' ? '' : `${text(line.level)}: `, text(line.message));
  return [
    alarming.length ? el('details', {open: '', class: 'printed'}, el('summary', {}, `${counted(run.log.warnings || 0, 'warning')} and ${counted(run.log.errors || 0, 'error')}`),
      el('ol', {class: 'log'}, alarming.map(item))) : el('p', {}, 'No warnings and no errors in the log.'),
    el('details', {}, el('summary', {}, `Log, its last ${counted(lines.length, 'line')}`), el('ol', {class: 'log'}, lines.map(item)))];
}

function phaseBars(runs) {
  const rows = runs.map((run) => ({label: run.name, parts: Object.entries(object(run.curves.phases)).filter(([, value]) => known(value))}))
    .filter((row) => row.parts.some(([, value]) => value > 0));
  return rows.length ? shareBars({title: 'Where rank 0 spent its time', unit: 'shares of the time in steps', rows, text: duration}) : null;
}

function checkpointsText(run) {
  const names = run.checkpoints.map(text).filter(Boolean);
  return el('p', {}, names.length ? `Checkpoints kept: ${names.join(', ')}.` : 'No checkpoint is there.');
}

function courseSection(runs) {
  return section('course', 'How it went', phaseBars(runs), runs.flatMap((run) => [
    runs.length > 1 ? el('h3', {}, named(run)) : null, sessionsTable(run), checkpointsText(run), ...(logOf(run) || [])]));
}

// --- options and what is missing -------------------------------------------------------------------------------------------

function optionsTable(runs, keys) {
  const value = (run, key, at) => text((run.options.find((one) => one[0] === key) || [])[at]);
  const first = runs.find((run) => run.options.length);
  return table(['Option', ...runs.map(named), 'Default'], keys.map((key) => [el('code', {}, key),
    ...runs.map((run) => el('span', {class: 'code'}, value(run, key, 1) || '\u2013')), el('span', {class: 'code soft'}, value(first, key, 2))]));
}

function optionsSection(runs) {
  const having = runs.filter((run) => run.options.length);
  if (!having.length) return null;
  const keys = [...new Set(having.flatMap((run) => run.options.map((one) => text(one[0]))))];
  const values = (key) => having.map((run) => text((run.options.find((one) => one[0] === key) || [])[1]));
  const telling = having.length > 1 ? keys.filter((key) => new Set(values(key)).size > 1)
    : keys.filter((key) => having[0].options.some((one) => one[0] === key && one[1] !== one[2]));
  const about = having.map((run) => object(run.record.about));
  return section('options', 'Options',
    el('p', {}, having.length > 1 ? (telling.length ? 'Those in which the runs differ:' : 'The runs have the same options.')
      : (telling.length ? 'Those that differ from their defaults:' : 'All have their defaults.')),
    telling.length ? optionsTable(having, telling) : null,
    el('details', {}, el('summary', {}, `All ${keys.length} options`), optionsTable(having, keys)),
    el('details', {}, el('summary', {}, 'Versions and data'), table(['', ...having.map(named)],
      [...new Set(about.flatMap(Object.keys))].map((key) => [key, ...about.map((one) => el('span', {class: 'code'}, typeof one[key] === 'object' ? JSON.stringify(one[key]) : String(one[key] ?? '\u2013')))]))));
}

function missingSection(runs) {
  return section('missing', 'What is missing', runs.filter((run) => run.problems.length).flatMap((run) => [
    runs.length > 1 ? el('h3', {}, named(run)) : null,
    el('ul', {class: 'missing'}, run.problems.map((problem) => el('li', {}, problem)))]));
}
