import { escaped } from '../../docs/svg.ts';

/** A chart of lines, both axes logarithmic, as an SVG that is readable on light and on dark. */
export interface Chart {
  readonly title: string;
  readonly unit: string;
  /** What the lines go over. */
  readonly across: string;
  /** Of that; powers of ten where they are left out. */
  readonly ticks?: readonly number[];
  readonly lines: readonly Line[];
}

export interface Line {
  readonly name: string;
  /** x, y; both above 0. */
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Why there are no more points; written beside the last one. */
  readonly end?: string | undefined;
}

const width = 760;
const height = 440;
const margin = { top: 48, right: 250, bottom: 56, left: 76 };
const plot = { width: width - margin.left - margin.right, height: height - margin.top - margin.bottom };

/** Told apart also without colours, by their marks; of a palette made for colour-blind readers. @see Okabe and Ito */
const looks = [
  { colour: '#0072b2', mark: 'circle' },
  { colour: '#d55e00', mark: 'square' },
  { colour: '#009e73', mark: 'diamond' },
  { colour: '#cc79a7', mark: 'triangle' },
  { colour: '#e69f00', mark: 'circle' },
  { colour: '#56b4e9', mark: 'square' },
] as const;

export function svgOf({ title, unit, across, ticks, lines }: Chart): string {
  const points = lines.flatMap((line) => line.points);
  const [left, right] = [margin.left, margin.left + plot.width];
  const ofPoints = () =>
    scale(
      points.map(([value]) => value),
      left,
      right,
    );
  const x = ticks === undefined ? ofPoints() : between(ticks, left, right);
  const y = scale(
    points.map(([, value]) => value),
    margin.top + plot.height,
    margin.top,
  );
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(title)}">`,
    `<style>${style}</style>`,
    `<rect class="ground" width="${width}" height="${height}" rx="8"/>`,
    `<text class="title" x="${margin.left}" y="28">${escaped(title)}</text>`,
    ...x.ticks.map((tick) => verticalTick(tick, x.at(tick))),
    ...y.ticks.map((tick) => horizontalTick(tick, y.at(tick))),
    `<text class="label" x="${margin.left + plot.width / 2}" y="${height - 14}" text-anchor="middle">${escaped(across)}</text>`,
    `<text class="label" transform="translate(18 ${margin.top + plot.height / 2}) rotate(-90)" text-anchor="middle">${escaped(unit)}</text>`,
    ...lines.map((line, index) => drawn(line, index, x.at, y.at)),
    ...lines.map(legend),
    '</svg>',
    '',
  ].join('\n');
}

const style = `
text { font: 13px system-ui, "DejaVu Sans", sans-serif; fill: #24292f }
.title { font-size: 16px; font-weight: 600 }
.ground { fill: #ffffff } .grid { stroke: #d0d7de; stroke-width: 1 }
.line { fill: none; stroke-width: 2.2 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 } .ground { fill: #0d1117 } .grid { stroke: #30363d }
}`;

interface Scale {
  readonly ticks: readonly number[];
  readonly at: (value: number) => number;
}

/** From the power of ten below the least to that above the greatest; with 2 and 5 between where there are few. */
function scale(values: readonly number[], from: number, to: number): Scale {
  const lowest = Math.floor(Math.log10(Math.min(...values)) + 1e-9);
  const highest = Math.max(lowest + 1, Math.ceil(Math.log10(Math.max(...values)) - 1e-9));
  const steps = highest - lowest <= 2 ? [1, 2, 5] : [1];
  const ticks = Array.from({ length: highest - lowest + 1 }, (_, index) => 10 ** (lowest + index)).flatMap(
    (power) => steps.map((step) => step * power).filter((tick) => tick <= 10 ** highest * 1.0001),
  );
  return between(ticks, from, to);
}

/** @param ticks in order, the ends among them. */
function between(ticks: readonly number[], from: number, to: number): Scale {
  const [lowest, highest] = [ticks[0] ?? 1, ticks.at(-1) ?? 10].map(Math.log10) as [number, number];
  const at = (value: number) => from + ((Math.log10(value) - lowest) / (highest - lowest)) * (to - from);
  return { ticks, at };
}

function verticalTick(tick: number, x: number): string {
  const bottom = margin.top + plot.height;
  return `<line class="grid" x1="${round(x)}" y1="${margin.top}" x2="${round(x)}" y2="${bottom}"/><text x="${round(x)}" y="${bottom + 20}" text-anchor="middle">${number(tick)}</text>`;
}

function horizontalTick(tick: number, y: number): string {
  const right = margin.left + plot.width;
  return `<line class="grid" x1="${margin.left}" y1="${round(y)}" x2="${right}" y2="${round(y)}"/><text x="${margin.left - 8}" y="${round(y + 4)}" text-anchor="end">${number(tick)}</text>`;
}

function drawn(
  { points, end }: Line,
  index: number,
  x: (value: number) => number,
  y: (value: number) => number,
): string {
  const { colour, mark } = lookOf(index);
  const places = points.map(([a, b]) => [round(x(a)), round(y(b))] as const);
  const path = places.map(([a, b]) => `${a},${b}`).join(' ');
  const marks = places.map(([a, b]) => markAt(mark, a, b, colour)).join('');
  const [endX = 0, endY = 0] = places.at(-1) ?? [];
  const words = end === undefined ? '' : `<text x="${endX + 9}" y="${endY + 4}">${escaped(end)}</text>`;
  return `<polyline class="line" stroke="${colour}" points="${path}"/>${marks}${words}`;
}

function legend({ name }: Line, index: number): string {
  const { colour, mark } = lookOf(index);
  const [x, y] = [margin.left + plot.width + 18, margin.top + 10 + index * 24];
  return `<line class="line" stroke="${colour}" x1="${x}" y1="${y}" x2="${x + 26}" y2="${y}"/>${markAt(mark, x + 13, y, colour)}<text x="${x + 34}" y="${y + 4}">${escaped(name)}</text>`;
}

function lookOf(index: number): (typeof looks)[number] {
  return looks[index % looks.length] ?? looks[0];
}

function markAt(mark: (typeof looks)[number]['mark'], x: number, y: number, colour: string): string {
  switch (mark) {
    case 'circle':
      return `<circle cx="${x}" cy="${y}" r="4" fill="${colour}"/>`;
    case 'square':
      return `<rect x="${x - 4}" y="${y - 4}" width="8" height="8" fill="${colour}"/>`;
    case 'diamond':
      return `<path d="M${x} ${y - 5.5}l5.5 5.5-5.5 5.5-5.5-5.5z" fill="${colour}"/>`;
    case 'triangle':
      return `<path d="M${x} ${y - 5}l5 9h-10z" fill="${colour}"/>`;
    default:
      return mark satisfies never;
  }
}

function number(value: number): string {
  return value >= 10_000
    ? value.toLocaleString('en').replaceAll(',', '\u202f')
    : String(Number(value.toPrecision(4)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
