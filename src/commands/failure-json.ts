import type { MounterError } from '../errors.ts';

/** One line of JSON for programs: what stderr says, in fields. */
export function failureAsJson(error: MounterError): string {
  const { errorClass, status, isRemembered, subject, message, hint, helperOutput } = error;
  const fields = { class: errorClass, status, isRemembered, subject, message, hint, helperOutput };
  return `${JSON.stringify(fields)}\n`;
}
