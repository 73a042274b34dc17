import type { MounterError } from '../errors.ts';

/** One line of JSON for programs: what stderr says, in fields. */
export function failureAsJson(error: MounterError): string {
  const { errorClass, status, subject, message, hint, helperOutput } = error;
  return `${JSON.stringify({ class: errorClass, status, subject, message, hint, helperOutput })}\n`;
}
