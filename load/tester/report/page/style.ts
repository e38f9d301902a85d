import { Markup } from '../markup.ts'

/** Both themes side by side, as the reader's system wants it. Lines of a chart differ in lightness, not in hue alone. */
export const style = new Markup(`<style>
:root {
  color-scheme: light dark;
  --ground: light-dark(#fcfbf9, #17191b);
  --raised: light-dark(#ffffff, #1f2225);
  --soft: light-dark(#f0ede6, #24282b);
  --line: light-dark(#ddd7cb, #363c41);
  --text: light-dark(#23211d, #e7e5e0);
  --text-soft: light-dark(#625d53, #a8a59e);
  --good: light-dark(#0f6b74, #6cc7ce);
  --bad: light-dark(#a32c2c, #f1968f);
  --bad-ground: light-dark(#fbeeec, #33211f);
  --warn-ground: light-dark(#fbf3e1, #2d2718);
  --warn: light-dark(#805407, #e3b65c);
  --c1: light-dark(#0b4f6c, #8fd3ff);
  --c2: light-dark(#c8701a, #d07c30);
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--text); font: 15px/1.5 ui-sans-serif, system-ui, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1.25rem clamp(1rem, 3vw, 2rem) 3rem; }
h1 { margin: 0; font-size: 1.5rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { margin: 2.25rem 0 0.75rem; font-size: 1.15rem; }
h3 { margin: 1rem 0 0.4rem; font-size: 1rem; }
p { margin: 0.3rem 0; overflow-wrap: anywhere; }
small, .soft { color: var(--text-soft); }
.good { color: var(--good); }
.bad { color: var(--bad); }
.box { margin: 1rem 0 0; padding: 0.75rem 1rem; border: 1px solid var(--line); border-inline-start: 5px solid var(--good); border-radius: 0.5rem; background: var(--raised); }
.box.wrong { border-inline-start-color: var(--bad); background: var(--bad-ground); }
.box.limit { border-inline-start-color: var(--warn); background: var(--warn-ground); }
.box strong { font-size: 1.1rem; }
.box ul { margin: 0.3rem 0; padding-inline-start: 1.2rem; }
.box code { font-size: 0.85em; overflow-wrap: anywhere; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: 0.75rem; margin: 1rem 0 0; }
.tiles div { padding: 0.6rem 0.8rem; border: 1px solid var(--line); border-radius: 0.5rem; background: var(--raised); }
.tiles dt { color: var(--text-soft); font-size: 0.85rem; }
.tiles dd { margin: 0; font-size: 1.35rem; font-weight: 600; font-variant-numeric: tabular-nums; line-height: 1.3; }
.tiles dd small { display: block; font-size: 0.8rem; font-weight: 400; }
.scroll { width: fit-content; max-width: 100%; overflow-x: auto; border: 1px solid var(--line); border-radius: 0.5rem; background: var(--raised); }
table { border-collapse: collapse; min-width: 100%; font-variant-numeric: tabular-nums; font-size: 0.9rem; }
th, td { padding: 0.35rem 0.75rem; text-align: right; vertical-align: top; white-space: nowrap; }
.scroll.wide { width: 100%; }
th:first-child, td:first-child { text-align: left; }
.scroll:not(.wide) tbody th { white-space: normal; }
.words { max-width: 26rem; white-space: normal; overflow-wrap: anywhere; }
.columns { display: flex; flex-wrap: wrap; gap: 0 3rem; }
.columns > section { max-width: 100%; }
thead th { color: var(--text-soft); font-weight: 500; white-space: normal; }
thead tr > * { border-bottom: 1px solid var(--line); }
tbody th { font-weight: 500; }
tbody + tbody tr:first-child > *, tbody tr + tr:not(.change) > th[scope="row"], tbody tr + tr:not(.change) > th[scope="row"] ~ td { border-top: 1px solid var(--line); }
.measure th { padding-bottom: 0; font-weight: 600; white-space: normal; }
.measure span { position: sticky; left: 0.75rem; display: inline-block; max-width: min(60rem, calc(100vw - 5rem)); }
.measure small { font-weight: 400; }
.change td, .change th { background: var(--soft); line-height: 1.35; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22rem), 1fr)); gap: 1rem; }
.chart { margin: 0; padding: 0.6rem 0.6rem 0.4rem; border: 1px solid var(--line); border-radius: 0.5rem; background: var(--raised); max-width: 34rem; display: flex; flex-direction: column; justify-content: space-between; }
.chart figcaption { padding: 0 0.25rem 0.35rem; font-weight: 600; font-size: 0.95rem; }
.chart > svg { display: block; width: 100%; height: auto; }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; margin: 0.1rem 0 0; padding: 0; list-style: none; font-weight: 400; font-size: 0.85rem; color: var(--text-soft); }
.legend svg { width: 26px; height: 8px; margin-inline-end: 0.4rem; vertical-align: middle; }
.grid { stroke: var(--line); stroke-width: 1; fill: none; }
.base { stroke: var(--text-soft); stroke-width: 1; }
.tick, .axis, .nothing, .limit-text { fill: var(--text-soft); font-size: 11.5px; font-variant-numeric: tabular-nums; }
.nothing { font-size: 14px; }
.nothing, .limit-text { paint-order: stroke; stroke: var(--raised); stroke-width: 4px; }
.bar { width: 6rem; height: 0.7rem; vertical-align: middle; background: var(--soft); }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; stroke-linecap: round; }
.line.before { stroke-dasharray: 5 4; stroke-width: 1.6; stroke-linecap: butt; }
.line.c1 { stroke: var(--c1); }
.line.c2 { stroke: var(--c2); }
.bars { opacity: 0.85; }
.bars.c1 { fill: var(--c1); }
.bars.c2 { fill: var(--c2); }
.limit { stroke: var(--bad); stroke-width: 1.2; stroke-dasharray: 2 3; }
.limit-text { fill: var(--bad); }
:focus-visible { outline: 2px solid var(--c1); outline-offset: 2px; }
@media (max-width: 40rem) {
  table { font-size: 0.85rem; }
  th, td { padding: 0.3rem 0.5rem; }
  .measure span { left: 0.5rem; }
}
@media print { .chart, .box { break-inside: avoid; } }
</style>`)
