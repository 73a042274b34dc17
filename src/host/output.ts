/** Where a command's words go: results to stdout, messages to stderr. */
export interface Output {
  out(text: string): void;
  err(text: string): void;
}
