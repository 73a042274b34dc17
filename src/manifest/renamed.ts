/** Settings of `limits` that have another name by now, by the name they had: manifests on nodes still say it. */
const renamedLimits: Readonly<Record<string, string>> = {
  doubtSeconds: 'probeAfterSeconds',
  rememberSeconds: 'failureCacheSeconds',
};

/** With today's names for all that was renamed. Where both are given, the old one stays, and the schema refuses it. */
export function withTodaysNames<T>(json: T): T {
  if (!isObject(json) || !isObject(json.limits)) return json;
  const { limits } = json;
  const named = Object.entries(limits).map(([name, value]) => {
    const today = Object.hasOwn(renamedLimits, name) ? renamedLimits[name] : undefined;
    return [today === undefined || Object.hasOwn(limits, today) ? name : today, value];
  });
  return { ...json, limits: Object.fromEntries(named) };
}

/** Whether it is an object of JSON, and no list. */
export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
