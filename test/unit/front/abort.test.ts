import test from 'ava';
import { AbortControllerOfFront } from '../../../src/front/loop.ts';

test('an abort is heard once, and not by who does not listen any more', (t) => {
  const controller = new AbortControllerOfFront();
  const heard: string[] = [];
  const [one, two] = [() => heard.push('one'), () => heard.push('two')];
  controller.signal.addEventListener('abort', one);
  controller.signal.addEventListener('abort', two);
  controller.signal.removeEventListener('abort', one);
  controller.abort();
  controller.abort();
  t.deepEqual(heard, ['two']);
  t.true(controller.signal.aborted);
});
