import { Resolver } from 'node:dns/promises';

/** How one name server has answered a question. */
export type NameServerAnswer =
  | { readonly kind: 'answered'; readonly milliseconds: number }
  | { readonly kind: 'silent' }
  | { readonly kind: 'refused'; readonly code: string };

/** A cluster's own name server knows it; every other one says that there is no such name, which is an answer as well. */
const question = 'kubernetes.default.svc.cluster.local';

const answerMs = 1500;

/** Codes of c-ares by which the server itself has spoken. */
const spoken = ['ENOTFOUND', 'ENODATA', 'ESERVFAIL', 'EREFUSED', 'ENOTIMP', 'EFORMERR', 'NOTFOUND', 'NODATA'];

/** @param address an IP address, with a scope perhaps. */
export async function askNameServer(address: string): Promise<NameServerAnswer> {
  const resolver = new Resolver({ timeout: answerMs, tries: 1 });
  const began = performance.now();
  const answered = (): NameServerAnswer => ({
    kind: 'answered',
    milliseconds: Math.round(performance.now() - began),
  });
  const limit = new Promise<NameServerAnswer>((resolve) => {
    setTimeout(() => resolve({ kind: 'silent' }), answerMs + 100).unref();
  });
  try {
    resolver.setServers([address]);
    return await Promise.race([resolver.resolve4(question).then(answered), limit]);
  } catch (error) {
    const code = String((error as NodeJS.ErrnoException).code ?? (error as Error).message).replace(
      /^DNS_/,
      '',
    );
    if (spoken.includes(code)) return answered();
    return code === 'ETIMEOUT' || code === 'TIMEOUT' ? { kind: 'silent' } : { kind: 'refused', code };
  } finally {
    resolver.cancel();
  }
}
