import test from 'ava';
import { brokenOff, saidOf, unanswered } from '../../../../../src/mount/filesystems/nfs/tls.ts';

/** As tlshd 1.0.0 writes it, at its level 1. */
const log = `tlshd[12]: Built from ktls-utils 1.0.0 on May 25 2025 20:55:34
tlshd[1318]: System trust: Loaded 1 certificate(s).
tlshd[1318]: Certificate owner unexpected.
tlshd[1319]: System trust: Loaded 1 certificate(s).
tlshd[1319]: Certificate expired.
tlshd[1318]: Handshake with 'other.example' (10.9.0.1) failed
tlshd[1319]: Handshake with 'files.example' (10.9.0.1) failed
tlshd[1320]: add_key: No such device
tlshd[1320]: Handshake with files.example (10.9.0.1) was successful
`;

test('what tlshd said of one server is told apart from what it said of others', (t) => {
  const { all, shown, isUnfinished } = saidOf('OTHER.example', log);
  t.is(
    shown,
    "tlshd: Certificate owner unexpected.\ntlshd: Handshake with 'other.example' (10.9.0.1) failed\n",
  );
  t.is(all.length, 3);
  t.false(isUnfinished);
  t.is(
    saidOf('files.example', log).shown,
    "tlshd: Certificate expired.\ntlshd: Handshake with 'files.example' (10.9.0.1) failed\n",
  );
  t.deepEqual(saidOf('plain.example', log).all, []);
});

test('a handshake that has begun is unfinished until its last line is there', (t) => {
  const begun = 'tlshd[1400]: System trust: Loaded 1 certificate(s).\n';
  t.true(saidOf('files.example', log + begun).isUnfinished);
  t.false(
    saidOf('files.example', `${log}${begun}tlshd[1400]: Handshake with files.example (::1) was successful\n`)
      .isUnfinished,
  );
});

test('a server that has ended a handshake well is not blamed for what others do meanwhile', (t) => {
  const begun = 'tlshd[1400]: System trust: Loaded 1 certificate(s).\n';
  const failed = (pid: number) => `tlshd[${pid}]: Handshake with 'files.example' (10.9.0.1) failed\n`;
  const went = 'tlshd[1401]: Handshake with files.example (10.9.0.1) was successful\n';
  const judged = (text: string) => {
    const said = saidOf('files.example', text);
    return [brokenOff('tls', 'files.example', said), unanswered('tls', 'files.example', said)].map(
      (found) => found?.kind,
    );
  };
  t.deepEqual(judged(begun), [undefined, 'service']);
  t.deepEqual(judged(begun + went), [undefined, undefined]);
  t.deepEqual(judged(failed(1402) + failed(1403)), ['service', undefined]);
  t.deepEqual(judged(failed(1402) + failed(1403) + went), [undefined, undefined]);
});
