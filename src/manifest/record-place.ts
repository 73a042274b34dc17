/** Where the record goes: the manifest's `log`. */
export interface RecordPlace {
  readonly to: 'file' | 'journal' | 'none';
  /** Absolute. */
  readonly file: string;
  /** At about this size the file becomes FILE.1. */
  readonly maximumBytes: number;
  /** The file was found to lie on a filesystem that waits for no server; unknown where this is left out. */
  readonly isLocal?: boolean;
}

/** Of a node whose manifest says nothing, or has none that can be read. */
export const defaultPlace: RecordPlace = {
  to: 'file',
  file: '/var/log/containerized-mounter/mounter.log',
  maximumBytes: 10_000_000,
};
