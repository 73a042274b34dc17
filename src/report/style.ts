/** How the page looks: on a screen, light or dark, wide or narrow, and on paper. Each colour has a contrast of 4.5 or more. */
export const style = `
:root { color-scheme: light dark; --text: #1b1f24; --faint: #57606a; --page: #fff; --box: #f6f8fa; --line: #d0d7de;
  --good: #116329; --bad: #b3141d; --warn: #7d4e00; --good-fill: #2da44e; --bad-fill: #d1242f; --link: #0550ae; }
@media (prefers-color-scheme: dark) { :root { --text: #e6edf3; --faint: #9da7b3; --page: #0d1117; --box: #161b22;
  --line: #30363d; --good: #56d364; --bad: #ff8f87; --warn: #e3b341; --good-fill: #3fb950; --bad-fill: #f85149; --link: #79c0ff; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 76rem; padding: 1rem; background: var(--page); color: var(--text);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
h2 { font-size: 1.2rem; margin: 2rem 0 .5rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.2rem 0 .4rem; }
p { margin: .4rem 0; }
a { color: var(--link); }
nav a { display: inline-block; margin-right: .9rem; padding: .15rem 0; }
code, pre, .path { font-family: ui-monospace, monospace; font-size: .86em; }
pre { white-space: pre-wrap; background: var(--box); border: 1px solid var(--line); border-radius: 4px; padding: .5rem; margin: .4rem 0; }
.verdict { border: 1px solid var(--line); border-left: .5rem solid var(--faint); background: var(--box); padding: .6rem .9rem;
  border-radius: 4px; margin: .8rem 0; font-size: 1.1rem; }
.verdict.ready { border-left-color: var(--good-fill); } .verdict.partly { border-left-color: var(--warn); } .verdict.failing { border-left-color: var(--bad-fill); }
.scroll { overflow-x: auto; margin: .5rem 0; }
table { border-collapse: collapse; width: 100%; }
caption { text-align: left; color: var(--faint); padding: .2rem 0; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); min-width: 4.5em; }
thead th { background: var(--box); white-space: nowrap; }
.facts th { width: 12rem; font-weight: 600; }
td.number, .number { font-variant-numeric: tabular-nums; white-space: nowrap; }
.state { font-weight: 600; white-space: nowrap; }
.good { color: var(--good); } .bad { color: var(--bad); } .warn { color: var(--warn); } .faint { color: var(--faint); }
.missing { border-left: .3rem solid var(--warn); padding: .2rem .8rem; background: var(--box); }
.findings { list-style: none; padding: 0; } .findings li { border-bottom: 1px solid var(--line); padding: .4rem 0; }
details { margin: .3rem 0; } .calls details { display: inline-block; vertical-align: top; margin: 0 .9rem 0 0; }
.calls details[open] { display: block; } summary { cursor: pointer; color: var(--link); }
svg { display: block; width: 100%; height: auto; margin: .4rem 0; }
.chart { height: 90px; border-bottom: 1px solid var(--line); } .ends { display: flex; justify-content: space-between; font-size: .8em; margin: 0; }
svg .good { fill: var(--good-fill); } svg .bad { fill: var(--bad-fill); }
@media screen and (max-width: 40rem) { body { padding: .6rem; font-size: 14px; }
  .scroll > table, .scroll caption, .scroll tbody, .scroll tr, .scroll td, .facts th { display: block; width: auto; }
  .scroll thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
  .scroll tr { border-bottom: 1px solid var(--line); padding: .3rem 0; } .scroll td, .facts th { border: 0; padding: .05rem .2rem; }
  .scroll td[data-of]::before { content: attr(data-of) ": "; color: var(--faint); } }
@media print { :root { color-scheme: light; --text: #000; --faint: #444; --page: #fff; --box: #f4f4f4; --line: #bbb;
    --good: #0b4d1e; --bad: #8f0f16; --warn: #5c3900; --good-fill: #2da44e; --bad-fill: #b3141d; --link: #000; }
  @page { margin: 14mm; } body { font-size: 9.5pt; padding: 0; max-width: none; } nav { display: none; }
  .scroll { overflow: visible; } thead { display: table-header-group; } tr, .findings li { break-inside: avoid; }
  h2, h3, caption { break-after: avoid; } table { break-inside: avoid; } .calls > .scroll > table { break-inside: auto; } th, td { min-width: 0; padding: .15rem .3rem; }
  .on-paper::details-content { content-visibility: visible; display: block; block-size: auto; } }
`;
