/** The whole style of a page. It loads no font or picture. */
export const style = `
:root { color-scheme: light dark; --page: #f6f5f2; --card: #ffffff; --ink: #1d2327; --soft: #667079; --line: #e3e1db; --grid: #ecebe6;
  --good: #157f4d; --good-soft: #e2f3e9; --bad: #b3261e; --bad-soft: #fbe6e4; --warn: #9a6700; --warn-soft: #fdf1d3;
  --released: #3b78c3; --vanished: #d9822b; --left: #7da7d9; --expired: #8a8f98; --booked: #2a9d63; --taken: #cc3d3d; --lost: #8e5cc0; --open: #c9c6bd; --bar-ink: #ffffff; }
@media (prefers-color-scheme: dark) { :root { --page: #14171a; --card: #1c2024; --ink: #e8eaec; --soft: #98a2ab; --line: #2d3339; --grid: #262b30;
  --good: #56c98d; --good-soft: #17352a; --bad: #ff8a80; --bad-soft: #43201e; --warn: #f0c04f; --warn-soft: #3a3016;
  --released: #4a8ad8; --vanished: #dd8a3a; --left: #6c93bf; --expired: #7b828b; --booked: #33a86d; --taken: #d95555; --lost: #9c6fd0; --open: #50565c; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 32px 20px 64px; }
header { display: flex; flex-wrap: wrap; align-items: center; gap: 8px 16px; }
h1 { font-size: 30px; margin: 0; letter-spacing: -0.01em; }
h2 { font-size: 18px; margin: 0 0 4px; }
h3 { font-size: 13px; font-weight: 600; color: var(--soft); margin: 14px 0 2px; }
p { margin: 4px 0; max-width: 78ch; }
.lead { font-size: 17px; margin-top: 8px; }
.soft, .meta { color: var(--soft); }
.meta { font-size: 13.5px; margin-top: 6px; max-width: none; }
.badge { font-weight: 650; padding: 4px 14px; border-radius: 999px; font-size: 15px; }
.badge.clean { background: var(--good-soft); color: var(--good); }
.badge.violations, .badge.unexpected { background: var(--bad-soft); color: var(--bad); }
.badge.void { background: var(--warn-soft); color: var(--warn); }
section { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px; margin-top: 18px; overflow-x: auto; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 12px; margin-top: 20px; }
.tile { background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 14px 16px; }
.tile b { display: block; font-size: 26px; line-height: 1.2; font-variant-numeric: tabular-nums; font-weight: 650; }
.tile span { color: var(--soft); font-size: 13.5px; }
svg { display: block; width: 100%; height: auto; }
svg.timeline { margin-top: 10px; min-width: 720px; }
.legend { display: flex; flex-wrap: wrap; gap: 4px 18px; font-size: 13.5px; color: var(--soft); margin: 8px 0 2px; }
.dot { display: inline-block; width: 11px; height: 11px; border-radius: 3px; margin-right: 6px; vertical-align: -1px; background: currentColor; }
.dot.wedge { width: 0; height: 0; border: 5px solid transparent; border-top: 9px solid var(--taken); border-radius: 0; background: none; vertical-align: -6px; }
.grid { stroke: var(--grid); } .base { stroke: var(--line); }
.axis { fill: var(--soft); font-size: 12px; font-variant-numeric: tabular-nums; }
text.bar { fill: var(--bar-ink); font-size: 12px; font-weight: 600; }
rect.booking { fill: none; stroke: var(--booked); stroke-width: 1.5; } rect.booking + text.bar { fill: var(--booked); }
.lie { fill: var(--taken); }
.end-released { fill: var(--released); background: var(--released); } .end-vanished { fill: var(--vanished); background: var(--vanished); }
.end-left { fill: var(--left); background: var(--left); } .end-expired { fill: var(--expired); background: var(--expired); }
.end-booked { fill: var(--booked); background: var(--booked); } .end-taken { fill: var(--taken); background: var(--taken); }
.end-lost { fill: var(--lost); background: var(--lost); } .end-open { fill: var(--open); background: var(--open); }
.c-granted { fill: var(--released); } .c-refused { fill: var(--expired); } .c-confirmed { fill: var(--booked); } .c-notConfirmed { fill: var(--vanished); }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th { text-align: left; font-weight: 600; color: var(--soft); font-size: 13px; }
th, td { padding: 5px 12px 5px 0; border-bottom: 1px solid var(--line); white-space: nowrap; }
.n { text-align: right; font-variant-numeric: tabular-nums; }
tbody tr:last-child td { border-bottom: 0; }
.range { width: 420px; min-width: 260px; padding-left: 12px; }
.whisker { stroke: var(--soft); stroke-width: 1.5; opacity: .6; } .body { stroke: var(--released); stroke-width: 4; opacity: .45; }
.p50 { fill: var(--released); } .p99 { fill: var(--card); stroke: var(--released); stroke-width: 2; }
.three { display: grid; grid-template-columns: repeat(auto-fit, minmax(250px, 1fr)); gap: 24px; }
.three table td:first-child { white-space: normal; overflow-wrap: anywhere; }
details { margin-top: 12px; } summary { cursor: pointer; color: var(--soft); font-size: 14px; }
.violation { border-left: 3px solid var(--bad); padding: 2px 12px; margin: 10px 0; }
pre { font: 12.5px/1.45 ui-monospace, Menlo, Consolas, monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 4px 0; color: var(--soft); }
footer { color: var(--soft); font-size: 13px; margin-top: 20px; }
`;
