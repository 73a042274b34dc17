/** A directory of the host that its rootfs has too, at a path of its own. */
export interface SharedDirectory {
  /** Without symlinks, as mountinfo has it. */
  readonly host: string;
  readonly rootfs: string;
}
