/**
 * argv that runs `argv` in a mount namespace of its own, from which no mount gets out and which goes with its
 * last process. The command is killed when its parent ends, so that nothing goes on behind our back.
 */
export function inPrivateNamespace(argv: readonly string[]): readonly [program: string, ...args: string[]] {
  const unshare = ['unshare', '--mount', '--propagation', 'private', '--'];
  return ['setpriv', '--pdeathsig', 'KILL', '--', ...unshare, ...argv];
}
