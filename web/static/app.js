// What the pages do where there are scripts: they follow the rig's stream of
// events. Without it every page is whole, and shows the moment it was asked for.
// Text from the rig goes into pages as text alone, never as markup.
'use strict';
(() => {
  const body = document.body;
  const $ = (sel, in_ = document) => in_.querySelector(sel);
  const $$ = (sel, in_ = document) => [...in_.querySelectorAll(sel)];
  const put = (el, text) => { if (el && el.textContent !== text) el.textContent = text; };
  const still = matchMedia('(prefers-reduced-motion: reduce)');
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue('--' + name).trim();

  // ---- words, as format.go has them
  const count = (n) => String(n).replace(/\B(?=(\d{3})+$)/g, ',');
  const span = (ns) => {
    let s = ns / 1e9;
    if (s < 0) return '–';
    if (s < 10) return s.toFixed(1) + ' s';
    if (s < 60) return s.toFixed(0) + ' s';
    s = Math.round(s);
    if (s < 3600) return Math.floor(s / 60) + ' min ' + String(s % 60).padStart(2, '0') + ' s';
    const m = Math.round(s / 60);
    if (m < 1440) return Math.floor(m / 60) + ' h ' + String(m % 60).padStart(2, '0') + ' min';
    const h = Math.round(m / 60);
    return Math.floor(h / 24) + ' d ' + (h % 24) + ' h';
  };
  const digits = (v) => (v === 0 || v === 1) ? 0 : (v > 0.999 || v < 0.001) ? 3 : 1;
  const percent = (v) => (100 * v).toFixed(digits(v)) + '\u00a0%';
  const percentDown = (v) => { const m = 10 ** (2 + digits(v)); return (Math.floor(v * m + 1e-9) / m * 100).toFixed(digits(v)) + '\u00a0%'; };
  const clock = (iso) => { const t = new Date(iso), p = (n) => String(n).padStart(2, '0'); return `${t.getFullYear()}-${p(t.getMonth() + 1)}-${p(t.getDate())} ${p(t.getHours())}:${p(t.getMinutes())}:${p(t.getSeconds())}`; };
  const classOf = (c) => ({pass: 'pass', error: 'error', aborted: 'aborted', fail: c.attribution === 'proven' ? 'proven' : 'presumed'})[c.outcome] || 'running';
  const signs = {pass: '✓', proven: '✗', presumed: '?', error: '!', aborted: '–', running: '…'};
  const words = {pass: 'pass', proven: 'fail, proven', presumed: 'fail, presumed', error: 'rig error', aborted: 'aborted', running: 'runs'};
  const outcome = (c) => words[classOf(c)] + (c.reason ? ': ' + c.reason : '');
  const onOff = (b) => b === undefined || b === null ? 'unknown' : b ? 'on' : 'off';
  const relayWord = (role, b) => b === undefined || b === null ? 'unknown' : role === 'press' ? (b ? 'shorted' : 'open') : (b ? 'powered' : 'cut');
  const known = (b) => b !== undefined && b !== null;
  const says = (m) => {
    let at = '';
    if (m.cycle) {
      at = (m.control ? ' control ' : ' cycle ') + count(m.cycle);
      if (m.of && !m.control) at += ' of ' + count(m.of);
      if (m.attempt > 1) at += ', attempt ' + m.attempt;
    }
    switch (m.doing) {
      case 'idle': case '': return 'Idle';
      case 'cycle': return at ? 'Runs' + at : 'Begins';
      case 'pause': return 'Pauses before' + at;
      case 'window': return 'Waits for its hours, before' + at;
      case 'hold': return 'Holds for a person, before' + at;
    }
    return m.doing;
  };
  const differs = (r) => {
    if (known(r.read) && known(r.commanded) && r.read !== r.commanded) return `switched ${onOff(r.commanded)}, and the line reads ${onOff(r.read)}`;
    if (known(r.sense) && known(r.read) && r.sense !== r.read) return `the line reads ${onOff(r.read)}, and the sense sees ${onOff(r.sense)}`;
    if (known(r.sense) && !known(r.read) && known(r.commanded) && r.sense !== r.commanded) return `switched ${onOff(r.commanded)}, and the sense sees ${onOff(r.sense)}`;
    return '';
  };

  // ---- the live page
  let last = null, skew = 0; // the bench's newest moment; our clock less the rig's
  const field = (in_, name, text) => { for (const el of $$(`[data-f="${name}"]`, in_)) put(el, text); };
  const show = (el, on) => { if (el) el.hidden = !on; };

  function moment(m) {
    for (const card of $$('[data-card]')) {
      if (card.dataset.card !== m.bench) continue;
      field(card, 'says', says(m)); field(card, 'phase', m.phase || ''); field(card, 'step', m.step || ''); field(card, 'answers', m.answers);
      field(card, 'rate', m.rate ? percent(m.rate.rate) + ' pass' : '');
    }
    const page = $('[data-live]');
    if (!page || page.dataset.live !== m.bench) return;
    last = m;
    skew = Date.now() - Date.parse(m.at);
    field(page, 'says', says(m)); field(page, 'step', m.step || ''); field(page, 'answers', m.answers); field(page, 'scenario', m.scenario || '');
    field(page, 'network', known(m.network) ? (m.network ? 'reached' : 'DOWN') : 'not told');
    for (const name of ['why', 'halted', 'claim']) {
      const el = $(`[data-f="${name}"]`, page);
      put(el, (name === 'claim' && m.claim ? 'Claim: ' : '') + (m[name] || ''));
      show(el, !!m[name]);
    }
    for (const li of $$('[data-phase]', page)) li.dataset.phase === m.phase ? li.setAttribute('aria-current', 'step') : li.removeAttribute('aria-current');
    relays(page, m.relays || []);
    const beep = $('[data-f="beep"]', page);
    put(beep, m.beep ? m.beep + ' beep' : 'no beep');
    beep.dataset.beep = m.beep || '';
    const t = m.tally, r = m.rate, judged = t.cycles - t.aborted;
    field(page, 'rate', r ? percent(r.rate) : '–'); field(page, 'interval', r ? `95\u00a0%: ${percentDown(r.low)} to ${percent(r.high)}` : '');
    field(page, 'judged', count(judged)); field(page, 'of', m.of ? 'of ' + count(m.of) : '');
    field(page, 'fails', count(t.fail_proven + t.fail_presumed)); field(page, 'proven', `${count(t.fail_proven)} proven, ${count(t.fail_presumed)} presumed`);
    field(page, 'errors', count(t.error)); field(page, 'aborted', count(t.aborted) + ' aborted'); field(page, 'controls', `${count(t.controls_held)} of ${count(t.controls)}`);
    field(page, 'eta', m.eta ? clock(m.eta) : '–'); field(page, 'percycle', m.per_cycle_ns ? span(m.per_cycle_ns) + ' a cycle' : '');
    const found = $('[data-f="findings"]', page), list = m.findings || [], text = list.map((f) => f.name + ': ' + f.detail);
    if (text.join('\n') !== found.dataset.has) {
      found.dataset.has = text.join('\n');
      found.replaceChildren(...(list.length ? list : [null]).map((f) => {
        const li = document.createElement('li');
        if (!f) { li.textContent = 'Nothing in this cycle.'; return li; }
        const b = document.createElement('strong');
        b.textContent = f.name;
        li.append(b, ': ' + f.detail);
        return li;
      }));
    }
    for (const el of $$('[data-when="runs"]', page)) show(el, !!m.run);
    for (const el of $$('[data-when="idle"]', page)) show(el, !m.run);
    if (!m.run) { put($('[data-f="level"]', page), ''); put($('[data-f="scope"]', page), 'Nothing listens while nothing runs' + (rows ? ': this is the last that was heard.' : '.')); }
    for (const el of $$('[data-when="unheld"]', page)) show(el, m.doing !== 'hold');
    for (const el of $$('[data-v="run"]', page)) el.value = m.run || '';
    const link = $('[data-runlink]', page);
    link.setAttribute('href', m.run ? '/runs/' + encodeURIComponent(m.run) : '/runs?bench=' + encodeURIComponent(m.bench));
    put(link, m.run ? 'this run' : 'runs of this bench');
    deadline();
  }

  // What is switched, read and seen comes at moments of its own: only what
  // contradicts itself for longer than that is told.
  const since = new Map();
  function relays(page, all) {
    for (const r of all) {
      const on = known(r.sense) ? r.sense : known(r.read) ? r.read : r.commanded, now = relayWord(r.role, on), contra = differs(r);
      const had = since.get(r.name);
      if (!had || had.text !== contra) since.set(r.name, {text: contra, at: Date.now()});
      const no = contra && Date.now() - since.get(r.name).at >= 1500 ? contra : '';
      const row = $$('[data-relay]', page).find((el) => el.dataset.relay === r.name);
      if (!row) { location.reload(); return; } // another wiring than the page has
      field(row, 'now', now); field(row, 'said', onOff(r.commanded)); field(row, 'reads', onOff(r.read)); field(row, 'seen', onOff(r.sense));
      const warn = row.nextElementSibling;
      field(warn, 'differs', no); show(warn, !!no);
      const wire = $$('[data-wire]', page).find((el) => el.dataset.wire === r.name);
      if (wire) {
        wire.dataset.state = onOff(on);
        wire.dataset.differs = String(!!no);
        put($('[data-now]', wire), now);
      }
    }
  }

  // The bar of the step. A simulated bench's own time passes with its events; a
  // real one's passes by the clock.
  function deadline() {
    const bar = $('#deadline');
    if (!bar || !last) return;
    const m = last, within = m.step_within_ns || 0;
    let gone = (m.in_cycle_ns || 0) - (m.step_began_ns || 0);
    if (!m.simulated && m.event_at && m.run) gone += Math.max(0, (Date.now() - skew - Date.parse(m.event_at)) * 1e6);
    show(bar, within > 0);
    if (within > 0) { bar.max = within / 1e6; bar.value = Math.min(within, gone) / 1e6; }
    field(document, 'steptime', !m.step ? '' : within > 0 ? `${span(gone)} of at most ${span(within)}` : span(gone));
  }
  setInterval(() => {
    deadline();
    const page = $('[data-live]');
    if (last && page) relays(page, last.relays || []);
  }, 250);

  // ---- outcomes
  function mark(c) {
    const li = document.createElement('li'), a = document.createElement('a'), sign = document.createElement('span'), word = document.createElement('span');
    const text = (c.control ? 'control ' : '') + c.cycle + ': ' + outcome(c);
    a.className = 'mark ' + classOf(c) + (c.control ? ' control' : '');
    a.setAttribute('href', '/cycles/' + encodeURIComponent(c.id));
    a.title = text;
    sign.setAttribute('aria-hidden', 'true'); sign.textContent = signs[classOf(c)];
    word.className = 'unseen'; word.textContent = text;
    a.append(sign, word);
    li.append(a);
    return li;
  }

  let announced = 0;
  function cycles(list) {
    for (const page of $$('[data-live], [data-card]')) {
      const bench = page.dataset.live || page.dataset.card, strip = $('.strip', page);
      const mine = list.filter((c) => c.bench === bench && c.outcome), have = new Set($$('a', strip).map((a) => a.getAttribute('href')));
      const fresh = mine.slice(-Number(strip.dataset.strip)).filter((c) => !have.has('/cycles/' + encodeURIComponent(c.id)));
      strip.append(...fresh.map(mark));
      while (strip.children.length > Number(strip.dataset.strip)) strip.firstElementChild.remove();
      // Who listens is told what went wrong, and of passes no more than one in ten
      // seconds.
      const c = mine.filter((c) => c.outcome !== 'pass').pop() || mine[mine.length - 1];
      if (c && (c.outcome !== 'pass' || Date.now() - announced > 10000)) {
        announced = Date.now();
        put($('#announce'), `${bench}: ${c.control ? 'control' : 'cycle'} ${c.cycle} ${outcome(c)}`);
      }
    }
    freshen();
  }
  const freshen = () => body.dispatchEvent(new CustomEvent('cycles'));

  // ---- sound
  const shades = (() => { // cividis: even in lightness, the same for every eye
    const key = [[0, 34, 78], [33, 60, 109], [77, 86, 109], [107, 109, 113], [138, 134, 121], [174, 162, 112], [213, 193, 92], [254, 232, 56]];
    const out = new Uint8ClampedArray(256 * 4);
    for (let i = 0; i < 256; i++) {
      const x = i / 255 * (key.length - 1), k = Math.min(key.length - 2, Math.floor(x)), f = x - k;
      for (let c = 0; c < 3; c++) out[4 * i + c] = key[k][c] + f * (key[k + 1][c] - key[k][c]);
      out[4 * i + 3] = 255;
    }
    return out;
  })();
  let told = 0, rows = 0;
  function spectrum(s) {
    const line = $('#spectrum'), fall = $('#waterfall');
    if (!line || !last || s.bench !== last.bench) return;
    if (still.matches && Date.now() - told < 1000) return;
    told = Date.now();
    const raw = atob(s.bins), top = Math.min(raw.length, Math.ceil((s.high_hz ? Math.max(8000, 1.5 * s.high_hz) : 8000) / s.bin_hz));
    const w = line.width, h = line.height, g = line.getContext('2d'), x = (hz) => hz / s.bin_hz / top * w;
    const at = (px) => { // the loudest bin under a pixel
      let v = 0;
      for (let i = Math.floor(px * top / w), end = Math.max(i + 1, Math.floor((px + 1) * top / w)); i < end; i++) v = Math.max(v, raw.charCodeAt(i) || 0);
      return v;
    };
    g.fillStyle = '#0b0f14'; g.fillRect(0, 0, w, h);
    if (s.high_hz) {
      g.fillStyle = '#e9b94955'; g.fillRect(x(s.low_hz), 0, Math.max(2, x(s.high_hz) - x(s.low_hz)), h);
      g.fillStyle = '#ffe9a8'; g.font = '20px system-ui, sans-serif'; g.fillText('beep', Math.min(w - 60, x(s.high_hz) + 6), 22);
    }
    g.fillStyle = '#b8c4d0'; g.font = '18px system-ui, sans-serif';
    for (let k = 1000; k < top * s.bin_hz; k += 1000) { g.fillRect(x(k), h - 6, 1, 6); if (k % 2000 === 0) g.fillText(k / 1000 + ' kHz', x(k) + 4, h - 6); }
    g.strokeStyle = '#56b4e9'; g.lineWidth = 2; g.beginPath();
    for (let px = 0; px < w; px += 2) g.lineTo(px, h * (1 - at(px) / 255));
    g.stroke();
    const f = fall.getContext('2d'), step = 2;
    f.drawImage(fall, 0, 0, w, fall.height - step, 0, step, w, fall.height - step);
    const row = f.createImageData(w, step);
    for (let px = 0; px < w; px++) {
      const v = Math.max(0, Math.min(255, (at(px) - 60) * 1.6)) & 0xf8; // below −107 dBFS is dark; 32 shades are what an eye tells apart
      for (let k = 0; k < step; k++) row.data.set(shades.subarray(4 * v, 4 * v + 4), 4 * (k * w + px));
    }
    f.putImageData(row, 0, 0);
    if (s.high_hz) { f.fillStyle = '#ffe9a8'; for (const hz of [s.low_hz, s.high_hz]) f.fillRect(x(hz), 0, 1, step); }
    put($('[data-f="level"]'), `RMS ${s.rms_dbfs.toFixed(0)} dBFS, peak ${s.peak_dbfs.toFixed(0)} dBFS`);
    put($('[data-f="scope"]'), s.high_hz ? `The beep is waited for between ${s.low_hz.toFixed(0)} and ${s.high_hz.toFixed(0)} Hz.` : 'The ear has not learned a beep yet.');
    line.dataset.rows = String(++rows);
  }

  // ---- plots
  const drawn = new Map();
  async function plots() {
    const box = $('#plots');
    if (!box || !window.uPlot) return;
    let list;
    try {
      const r = await fetch(box.dataset.trends);
      if (!r.ok) return;
      list = await r.json();
    } catch { return; } // the stream says that the rig is away
    for (const p of list) {
      const has = drawn.get(p.ID);
      if (has && has.box.isConnected) { has.p = p; has.plot.setData(dataOf(p)); describe(has); continue; }
      const fig = document.createElement('figure'), cap = document.createElement('figcaption'), name = document.createElement('b');
      fig.className = 'plot';
      name.textContent = p.Name;
      cap.append(name, ' in ' + p.Unit + (p.Values.length < p.Of ? `, ${p.Values.length} of ${p.Of} values, every extreme among them` : ''));
      fig.append(cap);
      box.append(fig);
      const one = {p, box: fig};
      one.plot = plotOf(one, fig);
      describe(one);
      drawn.set(p.ID, one);
    }
    box.dataset.drawn = String(list.length);
  }
  const describe = (one) => { // who can't see the plot hears what is in it
    const p = one.p, c = $('canvas', one.box), out = p.Values.filter((v) => isOut(p, v)).length;
    c.setAttribute('role', 'img');
    c.setAttribute('aria-label', `${p.Name} over the cycles: from ${Math.min(...p.Values)} to ${Math.max(...p.Values)} ${p.Unit}, ${out ? out + ' outside the limits' : 'none outside the limits'}; the table has the figures`);
  };
  const isOut = (p, v) => p.Min !== undefined && v < p.Min || p.Max !== undefined && v > p.Max;
  const dataOf = (p) => [p.Cycles, p.Values, p.Values.map((v) => isOut(p, v) ? v : null)];
  function plotOf(one, fig) {
    const axis = () => ({stroke: colour('soft'), grid: {stroke: colour('grid'), width: 1}, ticks: {stroke: colour('line')}, font: '11px system-ui, sans-serif'});
    const cross = (u, si, i0, i1) => { // values outside the limits are crosses: shape beside colour
      const g = u.ctx, d = devicePixelRatio * 4;
      g.save(); g.strokeStyle = colour('proven'); g.lineWidth = devicePixelRatio * 2; g.beginPath();
      for (let i = i0; i <= i1; i++) {
        const v = u.data[si][i];
        if (v === null) continue;
        const x = u.valToPos(u.data[0][i], 'x', true), y = u.valToPos(v, 'y', true);
        g.moveTo(x - d, y - d); g.lineTo(x + d, y + d); g.moveTo(x - d, y + d); g.lineTo(x + d, y - d);
      }
      g.stroke(); g.restore();
      return null;
    };
    const limits = (u) => {
      const g = u.ctx;
      g.save(); g.strokeStyle = colour('limit'); g.fillStyle = colour('limit'); g.lineWidth = devicePixelRatio; g.font = `${11 * devicePixelRatio}px system-ui, sans-serif`;
      for (const [v, name] of [[one.p.Min, 'at least '], [one.p.Max, 'at most ']]) {
        if (v === undefined) continue;
        const y = u.valToPos(v, 'y', true);
        if (y < u.bbox.top - 1 || y > u.bbox.top + u.bbox.height + 1) continue;
        g.setLineDash([5 * devicePixelRatio, 4 * devicePixelRatio]);
        g.beginPath(); g.moveTo(u.bbox.left, y); g.lineTo(u.bbox.left + u.bbox.width, y); g.stroke();
        g.fillText(name + v, u.bbox.left + 4, y - 4 * devicePixelRatio);
      }
      g.restore();
    };
    // A limit is in the picture where it does not flatten what was measured.
    const range = (u, lo, hi) => {
      if (lo === null) return [0, 1];
      const pad = (hi - lo) * 0.08 || Math.abs(hi) * 0.01 || 1;
      for (const v of [one.p.Min, one.p.Max]) if (v !== undefined && v >= lo - 3 * (hi - lo + pad) && v <= hi + 3 * (hi - lo + pad)) { lo = Math.min(lo, v); hi = Math.max(hi, v); }
      return [lo - pad, hi + pad];
    };
    // Ticks have the digits that tell them apart, and the room that they need.
    const ticks = (u, at, axis, space, step) => at.map((v) => v.toFixed(Math.min(6, Math.max(0, Math.ceil(-Math.log10(step))))));
    const room = (u, texts) => Math.max(56, 20 + 7 * Math.max(0, ...(texts || []).map((t) => t.length)));
    const few = one.p.Values.length <= 60;
    return new uPlot({
      width: Math.max(240, fig.clientWidth), height: 170, legend: {show: true}, cursor: {drag: {x: true, y: false}},
      scales: {x: {time: false}, y: {range}}, axes: [axis(), {...axis(), values: ticks, size: room}],
      series: [{label: 'cycle'}, {label: one.p.Unit || 'value', stroke: colour('pass'), width: 1.2, points: {show: few, size: 5, fill: colour('pass')}}, {label: 'outside the limits', stroke: colour('proven'), paths: cross, points: {show: false}}],
      hooks: {draw: [limits]},
    }, dataOf(one.p), fig);
  }
  const redraw = () => { for (const one of drawn.values()) { one.plot.destroy(); one.plot = plotOf(one, one.box); describe(one); } };
  let wait = 0;
  addEventListener('resize', () => { clearTimeout(wait); wait = setTimeout(() => { for (const o of drawn.values()) o.plot.setSize({width: Math.max(240, o.box.clientWidth), height: 170}); }, 150); });
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);

  // ---- the stream
  let seq = body.dataset.seq || '0', source = null, tries = 0, plotsAt = 0, plotsLater = 0;
  body.addEventListener('cycles', () => { // plots follow, once in five seconds
    if (plotsLater || !$('#plots') || !$('#fresh')) return;
    plotsLater = setTimeout(() => { plotsLater = 0; plotsAt = Date.now(); plots(); }, Math.max(0, plotsAt + 5000 - Date.now()));
  });
  const away = (on) => { show($('#away'), on); body.dataset.stream = on ? 'away' : 'open'; };
  function follow() {
    const bench = body.dataset.bench;
    source = new EventSource('/events?after=' + seq + (bench ? '&bench=' + encodeURIComponent(bench) : ''));
    const on = (name, f) => source.addEventListener(name, (e) => { if (e.lastEventId) seq = e.lastEventId; f(JSON.parse(e.data)); });
    on('hello', () => { if (tries > 0) freshen(); tries = 0; away(false); });
    on('cycles', cycles);
    on('moment', moment);
    on('spectrum', spectrum);
    source.onerror = () => {
      letGo();
      away(true);
      // A login that has ended is no rig that is away: the page asks once in a while.
      if (++tries % 5 === 0) fetch('/events', {method: 'HEAD', redirect: 'manual'}).then((r) => { if (r.status === 401 || r.type === 'opaqueredirect') location.reload(); }).catch(() => {});
      setTimeout(back, Math.min(5000, 500 + 250 * tries));
    };
  }
  // A browser keeps six connections to a server without TLS, and the stream of each
  // open page has one: with six pages no button would reach the rig. So a page lets
  // its own go before it sends anything, and while nobody sees it.
  const letGo = () => { if (source) { source.onerror = null; source.close(); source = null; } };
  const back = () => { if (!source && !document.hidden) follow(); };
  addEventListener('submit', () => { letGo(); setTimeout(back, 2000); }, true);
  document.addEventListener('visibilitychange', () => document.hidden ? letGo() : back());
  addEventListener('pagehide', letGo);
  addEventListener('pageshow', (e) => { if (e.persisted) back(); });
  for (const el of $$('#said')) el.addEventListener('htmx:after:swap', () => el.scrollIntoView({block: 'nearest'}));
  follow();
  plots();
})();
