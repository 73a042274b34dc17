import test from 'ava';
import { told } from '../../../src/commands/command.ts';

test('what was done is told a line each, and tells a terminal nothing by the name of a file', (t) => {
  t.is(
    told(['mended /etc/a\x1b[2J', 'mended /etc/\u202eb'], ''),
    'mended /etc/a\\x1b[2J\nmended /etc/\\u202eb\n',
  );
  t.is(told([], 'nothing to mend'), 'nothing to mend\n');
});
