// Charts that are no curves.

// values: of the units, largest first; unit and index are said where one points.
function barChart({title, unit, yLabel, xLabel, values, colour}) {
  const figure = el('figure', {}, el('figcaption', {}, title, el('small', {}, unit)));
  const order = values.map((value, i) => [known(value) ? value : 0, i]).sort((a, b) => b[0] - a[0]);
  figure.redraw = () => {
    for (const old of figure.querySelectorAll('svg, .tip')) old.remove();
    const width = Math.max(280, figure.clientWidth);
    const inner = width - MARGIN.left - MARGIN.right;
    const y = scale(Math.min(0, order[order.length - 1][0]), Math.max(order[0][0] * 1.04, 1e-9), HEIGHT - MARGIN.bottom, MARGIN.top);
    const x = scale(0.5, order.length + 0.5, MARGIN.left, width - MARGIN.right);
    const step = inner / order.length;
    const bars = order.map(([value], i) => draw('rect', {class: `bar ${colour}`, x: MARGIN.left + i * step + step * 0.1,
      width: Math.max(step * 0.8, 0.5), y: Math.min(y(value), y(0)), height: Math.max(Math.abs(y(0) - y(value)), 0.5)}));
    const cursor = draw('line', {class: 'cursor', y1: MARGIN.top, y2: HEIGHT - MARGIN.bottom, visibility: 'hidden'});
    const svg = draw('svg', {viewBox: `0 0 ${width} ${HEIGHT}`, tabindex: 0, role: 'img', 'aria-label': `${title}, ${unit}, by ${xLabel}`},
      axes(x, y, width, HEIGHT, xLabel, yLabel), bars, cursor);
    const at = (place) => {
      const i = Math.floor((place - MARGIN.left) / step);
      if (!order[i]) return null;
      return {x: MARGIN.left + (i + 0.5) * step, lines: [[null, `unit ${order[i][1]}`], [colour, `${short(order[i][0])} ${yLabel}`]]};
    };
    figure.append(svg, hover(figure, svg, width, cursor, at));
  };
  return figure;
}

// points: [[a, b], ...], on axes of the same scale. classes: their names, and classOf the place of each point's among
// them; without, all points have the same colour.
function scatterPlot({title, unit, xLabel, yLabel, points, colour, classes, classOf}) {
  const figure = el('figure', {}, el('figcaption', {}, title, el('small', {}, unit)));
  const look = (k) => `c${k % 8} ${k < 8 ? '' : 'open'}`;
  figure.redraw = () => {
    for (const old of figure.querySelectorAll('svg')) old.remove();
    const width = Math.max(280, figure.clientWidth);
    const height = Math.min(width, 440);
    const [left, right] = extent(points.map((point) => point[0]));
    const [low, high] = extent(points.map((point) => point[1]));
    const inner = {width: width - MARGIN.left - MARGIN.right - 12, height: height - MARGIN.top - MARGIN.bottom - 12};
    const perPixel = Math.max((right - left) / inner.width, (high - low) / inner.height) || 1;
    const span = (from, to, pixels) => [(from + to - pixels * perPixel) / 2, (from + to + pixels * perPixel) / 2];
    const x = scale(...span(left, right, inner.width + 12), MARGIN.left, width - MARGIN.right);
    const y = scale(...span(low, high, inner.height + 12), height - MARGIN.bottom, MARGIN.top);
    figure.append(draw('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}, ${unit}`},
      axes(x, y, width, height, xLabel, yLabel),
      points.map(([a, b], i) => draw('circle', {class: `dot faint ${classes.length ? look(classOf[i]) : colour}`,
        cx: x(a).toFixed(1), cy: y(b).toFixed(1), r: 2}, classes.length ? draw('title', {}, `class ${classes[classOf[i]]}`) : null))),
    ...figure.querySelectorAll('.legend'));
  };
  if (classes.length) {
    figure.append(el('div', {class: 'legend'}, 'Classes', classes.map((name, k) => el('span', {}, el('span', {class: `spot ${look(k)}`}), text(name)))));
  }
  return figure;
}

// Estimates side by side. rows: [{label, colour, figures: [{name, value, error, open}]}]
function intervalPlot({title, unit, xLabel, rows}) {
  const figure = el('figure', {}, el('figcaption', {}, title, el('small', {}, unit)));
  const line = 24;
  figure.redraw = () => {
    for (const old of figure.querySelectorAll('svg')) old.remove();
    const width = Math.max(280, figure.clientWidth);
    const narrow = width < 560;
    const left = narrow ? 12 : Math.min(300, width * 0.36);
    const count = rows.reduce((sum, row) => sum + row.figures.length + (narrow ? 1 : 0), 0);
    const height = count * line + MARGIN.bottom + MARGIN.top + rows.length * 8;
    const ends = rows.flatMap((row) => row.figures.flatMap(({value, error}) => [value - 2 * (error || 0), value + 2 * (error || 0)]));
    const [low, high] = extent(ends);
    const room = (high - low) * 0.05 || 1;
    const x = scale(low - room, high + room, left, width - (narrow ? 130 : 90));
    const svg = draw('svg', {viewBox: `0 0 ${width} ${height}`, role: 'img', 'aria-label': `${title}, ${unit}`});
    const ticks = ticksBetween(x.low, x.high, Math.max(2, Math.floor((width - left) / 120)));
    for (const tick of ticks) {
      svg.append(draw('line', {class: 'grid', x1: x(tick), x2: x(tick), y1: MARGIN.top, y2: height - MARGIN.bottom}),
        draw('text', {x: x(tick), y: height - MARGIN.bottom + 17, 'text-anchor': 'middle'}, tickText(tick, ticks)));
    }
    svg.append(draw('text', {x: (left + width - MARGIN.right) / 2, y: height - 6, 'text-anchor': 'middle'}, xLabel));
    let top = MARGIN.top;
    for (const row of rows) {
      if (narrow) svg.append(draw('text', {x: left, y: (top += line) - 8}, row.label));
      for (const {name, value, error, open} of row.figures) {
        const y = top + line / 2;
        if (!narrow) svg.append(draw('text', {x: left - 12, y: y + 4, 'text-anchor': 'end'}, `${row.label}: ${name}`));
        if (known(error)) svg.append(draw('line', {class: `whisker ${row.colour}`, x1: x(value - 2 * error), x2: x(value + 2 * error), y1: y, y2: y}));
        svg.append(draw('circle', {class: `dot ${open ? 'open' : ''} ${row.colour}`, cx: x(value), cy: y, r: 5}),
          draw('text', {x: x(value + 2 * (error || 0)) + 10, y: y + 4}, narrow ? `${name} ${fixed(value, 2)}` : fixed(value, 2)));
        top += line;
      }
      top += 8;
    }
    figure.append(svg);
  };
  return figure;
}

// Shares of a whole, one bar a run. rows: [{label, parts: [[name, value]]}]
function shareBars({title, unit, rows, text}) {
  const names = rows[0].parts.map(([name]) => name);
  const figure = el('figure', {}, el('figcaption', {}, title, el('small', {}, unit)));
  figure.redraw = () => {
    for (const old of figure.querySelectorAll('svg')) old.remove();
    const width = Math.max(280, figure.clientWidth);
    const svg = draw('svg', {viewBox: `0 0 ${width} ${rows.length * 44 + 4}`, role: 'img', 'aria-label': `${title}, ${unit}`});
    rows.forEach((row, i) => {
      const total = row.parts.reduce((sum, [, value]) => sum + value, 0) || 1;
      const shares = row.parts.map(([name, value]) => `${name} ${fixed(100 * value / total, 0)} %`).join(', ');
      svg.append(draw('text', {x: 0, y: i * 44 + 14}, width < 700 ? row.label : `${row.label}: ${shares}`));
      let x = 0;
      row.parts.forEach(([name, value], k) => {
        svg.append(draw('rect', {class: `bar c${k % 8}`, x, y: i * 44 + 20, width: Math.max(0, value / total * width - 1), height: 16},
          draw('title', {}, `${name}: ${text(value)}, ${fixed(100 * value / total, 1)} %`)));
        x += value / total * width;
      });
    });
    figure.append(svg, ...figure.querySelectorAll('.legend'));
  };
  figure.append(el('div', {class: 'legend'}, names.map((name, k) => el('span', {}, el('span', {class: `swatch c${k % 8}`}), name))));
  return figure;
}
