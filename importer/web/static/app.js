// App: follows a run. Without this, the page of a run loads itself anew every few seconds, and shows the same.
const STATUS_MS = 2000; // what is read aloud changes no more often
const POLL_MS = 3000; // where the stream is refused
const AWAY_MS = 5000; // a stream that breaks off is back sooner, unless the server is away
const CALM = matchMedia("(prefers-reduced-motion: reduce)");
const DARK = matchMedia("(prefers-color-scheme: dark)");
const byId = (id) => document.getElementById(id);
const number = (value) => value.toLocaleString("en", { maximumFractionDigits: 1 });

let source = null;
let timer = 0;
let chart = null;
let points = []; // [second, rows a second, calls]
let drawn = 0;
let said = 0;
let missed = 0; // the timer of a stream that broke off
let asked = false; // for the part of the page that changes

const left = (seconds) => {
  if (seconds === null) return "–";
  if (seconds < 60) return "under a minute";
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} minute${minutes === 1 ? "" : "s"}` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
};

const say = (tick) => {
  if (Date.now() - said < STATUS_MS) return;
  said = Date.now();
  const failed = tick.counts.failed ? `, ${number(tick.counts.failed)} failed` : "";
  byId("status").textContent = `${tick.words}: ${number(tick.settled)} of ${number(tick.to_send)} rows settled${failed}`;
};

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

const build = (box) => {
  const axis = { stroke: colour("--soft"), grid: { stroke: colour("--line"), width: 1 }, ticks: { stroke: colour("--line") } };
  return new uPlot({
    width: Math.max(box.clientWidth, 200), height: 180, legend: { show: false }, cursor: { show: false },
    scales: { x: { time: false }, y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
    axes: [{ ...axis, label: "seconds", incrs: [1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600] }, { ...axis, size: 56 }],
    series: [{}, { label: "rows a second", stroke: colour("--calm-fill"), width: 2, points: { show: false } }],
  }, [[], []], box);
};

const draw = (whole) => {
  const box = byId("chart");
  if (!box || !window.uPlot || points.length < 2) return;
  const now = Date.now();
  if (!whole && now - drawn < (CALM.matches ? 10000 : 900)) return;
  drawn = now;
  byId("course").hidden = false;
  box.hidden = false;
  byId("drawn").hidden = true;
  if (whole && chart) { chart.destroy(); chart = null; }
  chart ??= build(box);
  chart.setData([points.map((p) => p[0]), points.map((p) => p[1])]);
  box.setAttribute("role", "img");
  box.setAttribute("aria-label", `Rows settled a second: ${number(points.at(-1)[1])} now, at most ${number(Math.max(...points.map((p) => p[1])))}`);
};

const show = (tick) => {
  for (const each of document.querySelectorAll("[data-n]")) {
    const value = tick[each.dataset.n];
    if (typeof value === "number") each.textContent = number(value);
  }
  const sent = byId("sent");
  if (sent && tick.to_send) sent.value = tick.settled;
  const rest = document.querySelector("[data-left]");
  if (rest) rest.textContent = left(tick.left_s);
  if (tick.points) points = tick.points;
  else if (tick.point && tick.point[0] !== points.at(-1)?.[0]) points.push(tick.point);
  draw(false);
  say(tick);
};

// Nothing is shown as if it were so now: who is out comes to the log-in, and where the server is away that is said.
const heard = (answer) => {
  if (answer?.status === 401 || answer?.status === 403) location.reload();
  away(answer === null || answer.status >= 500);
  return answer?.ok ?? false;
};

const away = (is) => {
  clearTimeout(missed);
  missed = 0;
  const told = byId("away");
  if (told) told.hidden = !is;
};

const renew = async () => {
  const run = byId("run");
  if (asked || !run || run.querySelector(":active")) return; // nobody's press is lost
  asked = true;
  try {
    const answer = await fetch(run.dataset.run, { headers: { "HX-Request-Type": "partial" } }).catch(() => null);
    if (!heard(answer)) return;
    const made = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("run");
    const focus = run.contains(document.activeElement) ? document.activeElement.id : "";
    if (made) run.replaceWith(made);
    if (made) document.title = document.title.replace(/^[^·]*/, `${made.dataset.words} `);
    if (focus) (byId(focus) ?? byId("main")).focus();
    if (made && !("watched" in made.dataset)) leave();
  } finally {
    asked = false;
  }
};

const news = (tick) => {
  show(tick);
  const run = byId("run");
  const same = run && run.dataset.standing === tick.standing && !tick.wait === !byId("wait")?.firstElementChild;
  if (!same || Date.now() - renewed > STATUS_MS) { renewed = Date.now(); void renew(); }
};
let renewed = Date.now();

const poll = async () => {
  const run = byId("run");
  const answer = await fetch(`${run.dataset.run}/state`).catch(() => null);
  if (heard(answer)) news(await answer.json());
};

const leave = () => {
  source?.close();
  clearInterval(timer);
  away(false);
};

const follow = (run) => {
  source = new EventSource(`${run.dataset.run}/events`);
  const told = (event) => news(JSON.parse(event.data));
  for (const name of ["picture", "tick", "state", "end"]) source.addEventListener(name, told);
  source.addEventListener("log", () => void renew());
  source.addEventListener("open", () => away(false));
  source.addEventListener("error", () => {
    missed ||= setTimeout(() => away(true), AWAY_MS);
    if (source.readyState === EventSource.CLOSED) timer = setInterval(() => void poll(), POLL_MS);
  });
};

const run = byId("run");
if (run && "watched" in run.dataset) follow(run);
else if (run) void fetch(`${run.dataset.run}/state`).then((a) => a.json()).then((r) => { points = r.points; draw(true); }, () => {});
DARK.addEventListener("change", () => draw(true));
addEventListener("resize", () => draw(true));
addEventListener("pagehide", leave);
