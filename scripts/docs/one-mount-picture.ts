import { type Subject, subjectTitles } from '../bench/report/samples.ts';
import type { Summary } from '../bench/report/summary.ts';
import { box, lines, svg } from './svg.ts';

const width = 760;
const left = 270;
const perMs = 22;
const step = 30;

const mounting: readonly Subject[] = ['helper', 'chroot', 'mounter', 'full'];

/** The wall time of one mount as bars, by each command that does one; nothing is read from the disk. */
export function oneMountPicture({ rows }: Summary): string {
  const shown = rows.filter(({ subject }) => mounting.includes(subject));
  const bars = shown.map(({ subject, setup, wallMs }, index) => {
    const y = 44 + index * step;
    const end = left + wallMs.median * perMs;
    const place = { x: left, y, width: wallMs.median * perMs, height: step - 10 };
    return [
      lines(20, y + 15, [`${subjectTitles[subject]} (${setup})`]),
      box(place, subject === 'mounter' ? 'box ours' : 'box'),
      lines(end + 10, y + 15, [`${wallMs.median.toFixed(2)} ms`], { look: 'small' }),
    ].join('');
  });
  const title = lines(20, 28, ['Wall time of one mount'], { look: 'title' });
  return svg(width, 60 + shown.length * step, 'Wall time of one mount by command, as bars', [title, ...bars]);
}
