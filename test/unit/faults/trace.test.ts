import test from 'ava';
import { injectionsOf, straceArguments } from '../../support/faults/injection.ts';
import { parseTrace } from '../../support/faults/trace.ts';

const trace = `94    execve("/m", ["/m"], 0x7ffc /* 1 var */) = 0
94    set_tid_address(0x508b30)         = 94
94    getpid()                          = 94
94    openat(AT_FDCWD, "/run/x", O_RDONLY) = 3
94    openat(AT_FDCWD, "/run/y", O_RDONLY) = -1 ENOENT (No such file or directory)
94    vfork( <unfinished ...>
95    setsid()                          = 95
95    openat(AT_FDCWD, "/dev/null", O_RDONLY) = 6
95    execve("/helper", ["/helper"], 0x350f /* 3 vars */ <unfinished ...>
94    <... vfork resumed>)              = 95
94    --- SIGCHLD {si_signo=SIGCHLD, si_code=CLD_EXITED} ---
96    setsid()                          = 96
94    +++ exited with 0 +++
`;

test('a trace: the calls of each process, counted by name', (t) => {
  t.deepEqual(
    parseTrace(trace).map(({ process, name, nth }) => `${process} ${name} ${nth}`),
    [
      ...['0 execve 1', '0 set_tid_address 1', '0 getpid 1', '0 openat 1', '0 openat 2', '0 vfork 1'],
      ...['1 setsid 1', '1 openat 1', '1 execve 1', '2 setsid 1'],
    ],
  );
});

test('what can fail: nothing before main, nothing that never fails, each call of the children once', (t) => {
  const injections = injectionsOf(parseTrace(trace));
  t.deepEqual(
    [...new Set(injections.map(({ call, nth, isInChild }) => `${call} ${nth} ${isInChild}`))],
    ['openat 1 false', 'openat 2 false', 'vfork 1 false', 'setsid 1 true', 'openat 1 true', 'execve 1 true'],
  );
  t.is(injections.filter(({ call }) => call === 'setsid').length, 1);
});

test('a call of the children is counted in them, up to what they execute', (t) => {
  const injections = injectionsOf(parseTrace(trace));
  const arguments_ = (call: string) => {
    const found = injections.find((injection) => injection.call === call);
    return found === undefined ? [] : straceArguments(found, 'F');
  };
  t.deepEqual(arguments_('vfork'), [
    ...['-o', 'F', '-e', 'trace=vfork', '-e', 'inject=vfork:error=EAGAIN:when=1'],
  ]);
  t.deepEqual(arguments_('setsid').slice(0, 3), ['-f', '-b', 'execve']);
});
