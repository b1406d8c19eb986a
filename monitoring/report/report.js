// The page: what the document says of the runs, section by section.

function prepared(run, i) {
  const clean = object(run);
  return {name: text(clean.name), path: text(clean.path), record: object(clean.record), curves: object(clean.curves), log: object(clean.log),
    evaluations: list(clean.evaluations).map((one) => ({name: text(object(one).name), figures: object(object(one).figures)}))
      .sort((a, b) => (b.name === 'evaluation.json') - (a.name === 'evaluation.json')),
    pictures: list(clean.pictures).map(object), checkpoints: list(clean.checkpoints), codes: object(clean.codes),
    options: list(clean.options).filter((one) => Array.isArray(one)), problems: list(clean.problems).map(text),
    colour: `c${i % 8}`, look: i < 8 ? '' : 'long'};
}

// Runs of the same name are told apart by their paths.
function nameApart(runs) {
  const count = new Map();
  for (const run of runs) count.set(run.name, (count.get(run.name) || 0) + 1);
  for (const run of runs) if (count.get(run.name) > 1) run.name = run.path;
}

function redraw(part) {
  for (const figure of part.querySelectorAll('figure')) if (figure.redraw) figure.redraw();
}

function titleOf(runs) {
  return runs.length === 1 ? runs[0].name : `${runs.length} runs: ${runs.map((run) => run.name).join(', ')}`;
}

function header(runs) {
  const about = object(runs[0].record.about);
  return el('header', {}, el('h1', {}, titleOf(runs)),
    runs.length === 1 ? el('p', {class: 'soft'}, [modelText(runs[0]), text(about.data) && `trained on ${text(about.data)}`].filter(Boolean).join('; ')) : '');
}

function footer(document_) {
  const made = new Date(document_.made * 1000);
  return el('footer', {}, `Made by Elbow ${text(document_.elbow)} on ${made.toISOString().slice(0, 16).replace('T', ' ')} UTC. This file holds all it shows and asks for nothing else.`);
}

function show(document_) {
  const runs = list(document_.runs).map(prepared);
  nameApart(runs);
  document.title = `${titleOf(runs)} \u2013 Elbow`;
  const sections = [curvesSection(runs), figuresSection(runs), picturesSection(runs), codesSection(runs), courseSection(runs),
    optionsSection(runs), missingSection(runs)].filter(Boolean);
  const main = document.getElementById('report');
  main.replaceChildren(header(runs), summary(runs),
    el('nav', {'aria-label': 'Sections'}, sections.map((part) => el('a', {href: `#${part.id}`}, part.firstChild.textContent))),
    ...sections, footer(document_));
  redraw(main);
  let width = main.clientWidth;
  window.addEventListener('resize', () => {
    if (main.clientWidth === width) return;
    width = main.clientWidth;
    redraw(main);
  });
  window.addEventListener('beforeprint', () => { for (const details of document.querySelectorAll('details.printed')) details.open = true; });
}

show(JSON.parse(document.getElementById('data').textContent));
