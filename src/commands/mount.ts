import { MounterError } from '../errors.ts';
import { exitCode } from '../exit-codes.ts';
import { callerMark } from '../host/child-environment.ts';
import type { Host } from '../host/host.ts';
import { ownArguments, replaceProcess } from '../host/replace-process.ts';
import type { NodeSettings } from '../manifest/manifest.ts';
import { type HelperName, parseHelperArguments, parseMountArguments } from '../mount/arguments/argv.ts';
import { toMountRequest } from '../mount/arguments/request.ts';
import type { Layout } from '../node/layout.ts';
import { whyOff } from '../node/off.ts';
import { currentSettings } from '../node/settings.ts';
import type { Call } from '../record/call.ts';
import { calledByItself } from './called-by-itself.ts';
import type { Output } from './output.ts';

/**
 * `mounter mount` of the full executable: reads and checks the manifest where that has not been done since it was
 * changed, and has the front mount. The front alone mounts (src/front/main.ts).
 * @param helperName set when argv[0] was a helper's name; its argument grammar is another.
 * @throws MounterError
 */
export async function mount(
  argv: readonly string[],
  helperName: HelperName | undefined,
  layout: Layout,
  host: Host,
  output: Output,
  call: Call,
): Promise<void> {
  if (process.env[callerMark] !== undefined) throw calledByItself(helperName ?? 'mount');
  // Before the arguments are read: where the mounter is off, they are the host's mount(8)'s to judge.
  const reading = currentSettings(host, layout);
  const why = whyOff(host, layout, await orUndefined(reading));
  if (why !== undefined) {
    const replace = (program: string) => replaceProcess(program, ownArguments().slice(1));
    await (await import('./turned-off.ts')).mountByHost(helperName, layout, host, why, replace);
  }
  const args = helperName === undefined ? parseMountArguments(argv) : parseHelperArguments(helperName, argv);
  call.about(args);
  if (args.help) {
    output.out((await import('./help.ts')).helpFor('mount'));
    return;
  }
  toMountRequest(args);
  const settings = await reading;
  call.place = settings.log;
  await handOver(layout, settings, host);
}

/** On a node that nothing is installed on, a call that is not in order is told that first. */
function orUndefined(reading: Promise<NodeSettings>): Promise<NodeSettings | undefined> {
  return reading.catch(() => undefined);
}

/** The front takes this process's place, and gets what it would have come for. @throws MounterError (system) */
async function handOver({ executable }: Layout, settings: NodeSettings, host: Host): Promise<never> {
  const error = (message: string) =>
    new MounterError(message, {
      subject: executable,
      status: exitCode.system,
      hint: 'run the mounter that was downloaded: mounter install SOURCE places it again',
    });
  if (host.stat(executable) === undefined) throw error('is missing, which is the one that mounts');
  // It had them already, and came back all the same.
  if (process.env.MOUNTER_SETTINGS !== undefined) throw error('is of another version than this program');
  return replaceProcess(executable, ownArguments(), { MOUNTER_SETTINGS: JSON.stringify(settings) });
}
