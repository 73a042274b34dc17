import * as system from 'system-calls';
import { signalNumbers } from './signals.ts';
import { systemError } from './system-error.ts';

/** `Host.kill` */
export function kill(pid: number, signal: 'SIGTERM' | 'SIGKILL'): void {
  const result = system.kill(pid, signalNumbers[signal]);
  if (result < 0 && system.errorNames(-result)[0] !== 'ESRCH') throw systemError('kill', undefined, -result);
}
