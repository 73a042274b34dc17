/** What the pictures of docs/ are drawn with; readable on light and on dark, without a font of their own. */

/** @param label what the picture shows, for those who do not see it. */
export function svg(width: number, height: number, label: string, parts: readonly string[]): string {
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(label)}">`,
    `<style>${style}</style>`,
    '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path class="tip" d="M0 0l8 4-8 4z"/></marker></defs>',
    `<rect class="ground" width="${width}" height="${height}" rx="8"/>`,
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

const style = `
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-weight: 600 } .small { font-size: 12px; fill: #57606a }
.ground { fill: #ffffff } .box { fill: #f6f8fa; stroke: #8c959f; stroke-width: 1.2 }
.outer { fill: none; stroke: #8c959f; stroke-width: 1.2; stroke-dasharray: 5 4 } .ours { stroke: #0969da; stroke-width: 2 }
.arrow { fill: none; stroke: #57606a; stroke-width: 1.6 } .tip { fill: #57606a }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .small { fill: #9198a1 } .ground { fill: #0d1117 }
  .box { fill: #161b22; stroke: #6e7681 } .outer { stroke: #6e7681 } .ours { stroke: #58a6ff }
  .arrow { stroke: #9198a1 } .tip { fill: #9198a1 }
}`;

export interface Place {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** @param looks classes of the style: `box`, `outer`, `ours`. */
export function box({ x, y, width, height }: Place, looks: string): string {
  return `<rect class="${looks}" x="${x}" y="${y}" width="${width}" height="${height}" rx="6"/>`;
}

/** Lines of text, one below the other. @param anchor as SVG has it: `start`, `middle`. */
export function lines(
  x: number,
  y: number,
  texts: readonly string[],
  { look = '', anchor = 'start' }: { readonly look?: string; readonly anchor?: 'start' | 'middle' } = {},
): string {
  return texts
    .map(
      (text, index) =>
        `<text${look === '' ? '' : ` class="${look}"`} x="${x}" y="${y + index * 17}" text-anchor="${anchor}">${escaped(text)}</text>`,
    )
    .join('');
}

/** A box with a title and what is said of it. */
export function titled(place: Place, title: string, texts: readonly string[], looks = 'box'): string {
  return [
    box(place, looks),
    lines(place.x + 12, place.y + 22, [title], { look: 'title' }),
    lines(place.x + 12, place.y + 41, texts, { look: 'small' }),
  ].join('');
}

/** A line with an arrow's tip at its end. @param points such as `10,20 30,20`. */
export function arrow(points: string): string {
  return `<polyline class="arrow" points="${points}" marker-end="url(#tip)"/>`;
}

export function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
