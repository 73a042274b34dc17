import type { Host } from '../host/host.ts';
import type { Layout } from '../node/layout.ts';
import type { Output } from './output.ts';

/** What every command but `mount` works with. */
export interface CommandContext {
  readonly layout: Layout;
  readonly host: Host;
  readonly output: Output;
  /** This program's own path, resolved. */
  readonly executable: string;
}
